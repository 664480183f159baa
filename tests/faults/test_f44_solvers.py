"""F44 to F47: solvers that hang, lie, are missing or fail, through the whole flow; twelve more in their own tests."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from pictor.contracts.modules import Service
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault

pytestmark = pytest.mark.faults
Frames = Callable[..., Path]

NONSENSE = """PLTSOLVD=T
CRPIX1= 300
CRPIX2= 200
CRVAL1= 400
CRVAL2= -95
CDELT1= 0
CDELT2= 0
CROTA1= nan
CROTA2= nan
CD1_1= 0
CD1_2= nan
CD2_1= nan
CD2_2= 0
"""

STUBS = {
    "hangs": "sleep 600 & exec sleep 600",
    "lies": f"cat > in.ini <<'END'\n{NONSENSE}END\nexit 0",
    "missing": None,
    "unreadable": "printf 'PLTSOLVD=F\\n' > in.ini; exit 16",
}

CASES = [
    ("F44", "a stub that sleeps for ever and started another", "hangs", "failed", "time-limit"),
    ("F45", "a stub that returns RA 400, Dec -95, scale 0 and NaN with exit 0", "lies", "failed", None),
    ("F46", "no solver program on the path", "missing", "skipped", "solver-unavailable"),
    ("F47", "a stub that ends with 16 and PLTSOLVD=F", "unreadable", "failed", None),
]


@pytest.mark.parametrize(
    ("stub", "state", "reason"),
    [pytest.param(*rest, marks=fault(number, how, limit_s=60), id=rest[0]) for number, how, *rest in CASES],
)
def test_a_solver_that_misbehaves_costs_its_module_and_nothing_else(  # noqa: PLR0917
    world: Deployment, row: Row, frames: Frames, tmp_path: Path, stub: str, state: str, reason: str | None
) -> None:
    sent = _solved_by(world, frames(4400 + len(stub)), _stub(tmp_path, STUBS[stub]))
    row.over()
    job = world.ended(sent["job_id"], within_s=row.left_s)
    runs = {run["module"]: run for run in job["timeline"]}
    row.note(f"{stub}: {runs['astrometry']['reason']}: {runs['astrometry']['message']}")
    assert runs["astrometry"]["state"] == state, runs["astrometry"]
    assert reason in {None, runs["astrometry"]["reason"]}
    assert {runs[name]["state"] for name in ("quality", "preview", "quality-headers")} == {"completed"}
    assert world.sql("SELECT FROM frame_solution WHERE frame_id = $1", sent["frame_id"]) == []
    assert _sleepers() == []
    row.converges(world)


def _stub(folder: Path, script: str | None) -> Path:
    if script is not None:
        program = folder / "astap_cli"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    (folder / "database.1476").touch()
    return folder


def _solved_by(world: Deployment, frame: Path, folder: Path) -> dict[str, Any]:
    with fits.open(frame, mode="update") as opened:
        opened[0].header.update({"RA": 120.0, "DEC": 40.0, "OBJCTRA": "08 00 00", "OBJCTDEC": "+40 00 00"})
    stubbed = (folder / "astap_cli").exists()
    path = f"{folder}{os.pathsep}{os.environ['PATH']}" if stubbed else str(folder)
    world.services.extra[Service.ASTROMETRY] = {
        "PATH": path, "PICTOR_SOLVERS": "astap", "PICTOR_SOLVE_SECONDS": "25",
        "PICTOR_ASTAP_DATABASE": str(folder),
    }  # fmt: skip
    before = world.services.kill(Service.ASTROMETRY)
    while world.services.pid(Service.ASTROMETRY) == before or not world.services.running(Service.ASTROMETRY):
        time.sleep(0.1)
    return world.upload(frame)


def _sleepers() -> list[str]:
    """Return what a solver started and left running."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except (OSError, UnicodeDecodeError):
            continue
        if command == "sleep 600":
            found.append(entry.name)
    return found

"""What a person waits for: the help text, ``pictor up``, and workers that become ready."""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.clock import ROOT, Finished, descendants, measured_process, settled, status_mib, stop
from bench.rows import Bound, Of, Row

from pictor.contracts.modules import Service
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.hosting import WARM


def rows(*, quick: bool) -> list[Row]:
    """Measure every start."""
    return [help_text(5 if quick else 9), *imports(2 if quick else 3), *ups(2 if quick else 5), *workers(3)]


def help_text(repeats: int) -> Row:
    """``pictor --help``, in turns with an interpreter that does nothing."""
    ours: list[Finished] = []
    bare: list[Finished] = []
    for _ in range(repeats + 1):
        ours.append(measured_process([sys.executable, "-m", "pictor.cli", "--help"]))
        bare.append(measured_process([sys.executable, "-c", "pass"]))
    seconds, none = (statistics.median(one.wall_s for one in runs[1:]) for runs in (ours, bare))
    cpu = statistics.median(one.cpu_s for one in ours[1:])
    return Row(
        "pictor --help", "s", seconds, none, "python -c pass", n=repeats,
        bounds=(Bound(Of.OURS, 0.3),), more={"cpu_s": round(cpu, 3)},
    )  # fmt: skip


def imports(repeats: int) -> list[Row]:
    """Import as ``pictor run`` of each service does, in turns with an interpreter that does nothing."""
    found = []
    for service in Service:
        module = f"pictor.{str(service).replace('-', '_')}.app"
        ours: list[Finished] = []
        bare: list[Finished] = []
        for _ in range(repeats + 1):
            code = f"import pictor.cli.main as cli; cli.load_lightly(); import pictor.cli.run, {module}"
            ours.append(measured_process([sys.executable, "-c", code]))
            bare.append(measured_process([sys.executable, "-c", "pass"]))
        seconds, none = (statistics.median(one.wall_s for one in runs[1:]) for runs in (ours, bare))
        cpu = statistics.median(one.cpu_s for one in ours[1:])
        found.append(
            Row(
                f"imports of pictor run {service}", "s", seconds, none, "python -c pass", n=repeats,
                bounds=(Bound(Of.OURS, 1.5),), more={"cpu_s": round(cpu, 3)},
            )
        )  # fmt: skip
    return found


def ups(repeats: int) -> list[Row]:
    """``pictor up`` until the line that says it is ready: in an empty folder, then in the same folder again."""
    first: list[float] = []
    warm: list[float] = []
    memory: list[float] = []
    for number in range(max(1, repeats // 2)):
        with tempfile.TemporaryDirectory() as folder:
            first.append(until_ready(Path(folder))[0])
            for _ in range(repeats if number == 0 else 0):
                seconds, mib = until_ready(Path(folder))
                warm.append(seconds)
                memory.append(mib)
    return [
        Row("pictor up to ready, empty folder", "s", statistics.median(first), n=len(first),
            bounds=(Bound(Of.OURS, 10.0),)),
        Row("pictor up to ready, warm", "s", statistics.median(warm), n=len(warm), rss_mib=statistics.median(memory),
            bounds=(Bound(Of.OURS, 6.0),), accuracy="rss_mib: all processes together"),
    ]  # fmt: skip


def until_ready(data: Path) -> tuple[float, float]:
    """Start ``pictor up``, wait for its address, and stop it; returns seconds and MiB of all its processes."""
    command = [sys.executable, "-m", "pictor.cli", "up", "--data", str(data), "--port", "0"]
    settled()
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=dict(os.environ)
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    taken = time.perf_counter() - began
    memory = sum(status_mib(pid, "VmRSS") for pid in (process.pid, *descendants(process.pid)))
    stop(process)
    assert line.startswith("Pictor ready at "), line
    return taken, memory


def workers(repeats: int) -> list[Row]:
    """The pixel child of each service, from start to warm, and of all services together as in ``pictor up``."""
    found = []
    for service, modules in WARM.items():
        found.append(asyncio.run(_worker(str(service), modules, repeats)))
    every = tuple(name for modules in WARM.values() for name in modules)
    assert Service.GATEWAY not in WARM
    found.append(asyncio.run(_worker("all services", every, repeats)))
    return found


async def _worker(name: str, modules: tuple[str, ...], repeats: int) -> Row:
    times: list[float] = []
    memory, before = 0.0, kernels()
    for _ in range(repeats + 1):
        began = time.perf_counter()
        async with ChildPool(1, warm=modules) as pool:
            times.append(time.perf_counter() - began)
            memory = status_mib(pool.pids[0], "VmRSS")
    return Row(
        f"pixel child warm: {name}", "s", statistics.median(times[1:]), n=repeats, rss_mib=memory,
        bounds=(Bound(Of.OURS, 1.5), Bound(Of.RSS, 200)), accuracy=f"{len(kernels() - before)} kernels compiled",
    )  # fmt: skip


def kernels() -> set[tuple[str, int]]:
    """Compiled kernels on disk with the time each was written: what is compiled adds to them."""
    folders = [Path(os.environ["NUMBA_CACHE_DIR"])] if "NUMBA_CACHE_DIR" in os.environ else [ROOT / "shared"]
    return {(str(path), path.stat().st_mtime_ns) for folder in folders for path in folder.rglob("*.nbc")}

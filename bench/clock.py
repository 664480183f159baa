"""Wall clock, processor time and memory of this process, of children, and of processes elsewhere."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def timed(work: Callable[[], object], repeats: int, *, warm: bool = True) -> list[float]:
    """Seconds of each call, after one that does not count."""
    if warm:
        work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def settled(*paths: Path) -> None:
    """Wait until the disk has what was written before, and have files in memory: neither belongs to what comes next."""
    os.sync()
    room = bytearray(1 << 22)
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(room):
                pass


def side_by_side(
    ours: Callable[[], object], peer: Callable[[], object] | None, repeats: int
) -> tuple[float, float | None]:
    """Median seconds of both, taken in turns so that a busy machine slows both."""
    ours()
    mine: list[float] = []
    theirs: list[float] = []
    if peer is not None:
        peer()
    for _ in range(repeats):
        mine += timed(ours, 1, warm=False)
        if peer is not None:
            theirs += timed(peer, 1, warm=False)
    return statistics.median(mine), statistics.median(theirs) if theirs else None


@dataclass(frozen=True, slots=True)
class Finished:
    """A whole process that has ended."""

    wall_s: float
    cpu_s: float


def output_of(command: Sequence[str]) -> str:
    """Run a process to its end and return what it printed."""
    done = subprocess.run(list(command), capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def measured_process(command: Sequence[str]) -> Finished:
    """Run a silent process to its end and ask the kernel what it used."""
    began = time.perf_counter()
    pid = os.posix_spawnp(
        command[0], list(command), os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )  # fmt: skip
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return Finished(wall, used.ru_utime + used.ru_stime)


def in_process(module: str, arguments: dict[str, object]) -> dict[str, object]:
    """Run ``main(**arguments)`` of a bench module in a process of its own, so that its memory is its own."""
    code = (
        "import importlib, json, sys\n"
        "found = importlib.import_module(sys.argv[1]).main(**json.loads(sys.argv[2]))\n"
        "print(json.dumps(found))"
    )
    output = output_of([sys.executable, "-c", code, module, json.dumps(arguments)])
    found: dict[str, object] = json.loads(output.splitlines()[-1])
    return found


def status_mib(pid: int | str, name: str) -> float:
    """A memory figure of a process: ``VmRSS`` now or ``VmHWM`` at its highest; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith(name)), 0.0)


def descendants(pid: int) -> list[int]:
    """Process ids of everything a process has started that lives now."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def processor_seconds(pid: int) -> dict[str, float]:
    """Processor time so far of a process and all below it, by name; what has ended counts for its parent."""
    ticks = os.sysconf("SC_CLK_TCK")
    found: dict[str, float] = {}
    for each in (pid, *descendants(pid)):
        try:
            name, rest = Path(f"/proc/{each}/stat").read_text().split("(", 1)[1].rsplit(")", 1)
            words = Path(f"/proc/{each}/cmdline").read_text()
        except OSError:
            continue
        fields = rest.split()
        kind = "services" if each == pid else "pixel children" if "child.main" in words else name
        found[kind] = found.get(kind, 0.0) + sum(map(int, fields[11:15])) / ticks
    return found


def stop(process: "subprocess.Popen[str]", within_s: float = 60) -> int:
    """Ask a process we started to end, and wait for it."""
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=within_s)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all lies, by rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]

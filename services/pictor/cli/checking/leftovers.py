"""I10: scratch folders and processes left behind, and growth against a baseline."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pictor.cli.checking.findings import Finding, Violation
from pictor.runtime.scratch import NAMED, Attempts

ENDED_S = 300.0
"""A folder of a run that nobody works on is removed by its worker at once, by the sweep after some minutes."""

GROWTH = 0.10
SLACK_KIB = 16 * 1024
SLACK_FDS = 16
"""Small processes vary by more than a tenth; growth below this is none."""


def check_scratch(scratch: Path, runs: Attempts, finding: Finding, *, grace_s: float) -> None:
    """Tell of folders whose run is over, and of old ones that belong to nothing we know."""
    for folder, age in left_folders(scratch, runs, grace_s=grace_s):
        finding.add(
            Violation(
                "scratch-left",
                f"the scratch folder {folder} was last used {age:.0f} s ago",
                "disk space is taken by what a killed worker left",
                "remove it",
                repairable=True,
                subject={"folder": str(folder)},
            )
        )


def left_folders(scratch: Path, runs: Attempts, *, grace_s: float) -> Iterator[tuple[Path, float]]:
    """Return folders left behind and their age."""
    if not scratch.is_dir():
        return
    for folder in sorted(scratch.iterdir()):
        try:
            age = time.time() - folder.stat().st_mtime
        except FileNotFoundError:
            continue
        named = NAMED.fullmatch(folder.name)
        known = named is not None
        working = named is not None and (named[1], named[2], int(named[3])) in runs
        if not working and age > (min(ENDED_S, grace_s) if known else grace_s):
            yield folder, age


@dataclass(frozen=True, slots=True)
class Group:
    """All processes of one kind together."""

    count: int = 0
    rss_kib: int = 0
    fds: int = 0


def measure(owner: int) -> dict[str, Group]:
    """Measure a process and everything below it, by kind."""
    groups: dict[str, Group] = {}
    for pid in [owner, *descendants(owner)]:
        kind = kind_of(pid)
        if kind is None:
            continue
        had = groups.get(kind, Group())
        groups[kind] = Group(had.count + 1, had.rss_kib + _rss_kib(pid), had.fds + _fds(pid))
    return groups


def descendants(owner: int) -> list[int]:
    """Return every process below another."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [owner]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                yield int(folder.name), int(fields[1])


def kind_of(pid: int) -> str | None:
    """Name a process: a service, a pixel child, or the program it runs."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    if "pictor.runtime.child.main" in words:
        return "pixel child"
    if "run" in words and any(word.endswith(("pictor", "pictor.cli")) for word in words):
        return words[words.index("run") + 1]
    return "pictor up" if "up" in words else Path(words[0].split(":")[0]).name.split(" ")[0]


def _rss_kib(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")), 0)


def _fds(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


def owner_of(data: Path) -> int | None:
    """Return the process that runs the installation of a folder; None when it is stopped."""
    try:
        pid = int((data / "run.lock").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if pid != os.getpid() and Path(f"/proc/{pid}").exists() else None


def write_baseline(path: Path, owner: int) -> dict[str, Group]:
    """Write down what the processes use now."""
    groups = measure(owner)
    text = json.dumps({"at": time.time(), "processes": {kind: asdict(one) for kind, one in groups.items()}}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    return groups


def check_growth(path: Path, owner: int, finding: Finding) -> None:
    """Compare Pictor's own processes with a baseline; servers are left to their own limits."""
    before = {kind: Group(**one) for kind, one in json.loads(path.read_text(encoding="utf-8"))["processes"].items()}
    for kind, now in measure(owner).items():
        if kind not in OURS:
            continue
        then = before.get(kind, Group())
        for what, had, has, slack in (
            ("processes", then.count, now.count, 0),
            ("KiB of memory", then.rss_kib, now.rss_kib, SLACK_KIB * max(now.count, 1)),
            ("open files", then.fds, now.fds, SLACK_FDS * max(now.count, 1)),
        ):
            if has > max(had * (1 + (GROWTH if slack else 0)), had + slack):
                finding.add(_grown(kind, what, had, has))


OURS = frozenset(
    {"pictor up", "pixel child", "gateway", "ingest", "header", "preview", "quality", "astrometry"}
    | {"calibration-stacker"}
)


def _grown(kind: str, what: str, had: int, has: int) -> Violation:
    return Violation(
        "grown",
        f"{kind} has {has} {what}, {had} at the baseline",
        "the machine may run short after some nights",
        "restart Pictor after the night, and report the two numbers to the developers",
        subject={"process": kind},
    )


STATE_FOLDERS = ("scratch", "postgres", "nats", "store")
"""Folders only Pictor's own processes work in; people may read logs."""


def check_strays(data: Path, owner: int | None, finding: Finding) -> None:
    """Tell of processes that hold state of an installation, but do not belong to it."""
    own = {os.getpid(), *descendants(os.getpid()), *([owner, *descendants(owner)] if owner else [])}
    places = tuple(f"{data.resolve() / name}/" for name in STATE_FOLDERS)
    for pid, _ in _parents():
        if pid not in own and (held := _held_below(pid, places)):
            finding.add(
                Violation(
                    "process-left",
                    f"process {pid} ({kind_of(pid)}) holds {held}, but belongs to no running installation",
                    "it may keep a server from starting, or fill the disk",
                    f"look at it (`ps -fp {pid}`) and end it (`kill {pid}`)",
                    subject={"pid": str(pid)},
                )
            )


def _held_below(pid: int, places: tuple[str, ...]) -> str | None:
    """Return a file or working folder of a process below one of some folders."""
    for link in _links(pid):
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if f"{target}/".startswith(places):
            return target
    return None


def _links(pid: int) -> list[Path]:
    process = Path(f"/proc/{pid}")
    try:
        return [process / "cwd", *(process / "fd").iterdir()]
    except OSError:
        return []

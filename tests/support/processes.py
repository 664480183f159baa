"""Whether programs are really gone, and what they started."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Tell a running process from one that ended, reaped or not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def eventually(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait until a condition holds, at most so long; returns whether it does."""
    deadline = time.monotonic() + within_s
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return condition()


async def gone(pid: int, within_s: float) -> bool:
    """Wait until a process has ended, at most so long; returns whether it has."""
    return await eventually(lambda: not is_alive(pid), within_s)


def family(pid: int) -> list[int]:
    """Return a process and everything it started that still runs, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int(
                    (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
                )
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def signal_family(pid: int, number: signal.Signals) -> list[int]:
    """Send a signal to a process and everything it started, parents first; returns them."""
    found = family(pid)
    for one in found:
        with suppress(ProcessLookupError):
            os.kill(one, number)
    return found

"""Whether programs are really gone."""

import asyncio
import time
from collections.abc import Callable
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

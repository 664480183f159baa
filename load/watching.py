"""Memory and open files of processes while they work, sampled from /proc."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_S = 0.1
SETTLED = 0.2
"""Share of a run left out of the slope: pools and caches fill once."""


@dataclass(slots=True)
class Watched:
    """What was seen of one process."""

    pid: int
    times: list[float] = field(default_factory=list)
    rss_mib: list[float] = field(default_factory=list)

    @property
    def highest_mib(self) -> float:
        """Highest resident size seen."""
        return max(self.rss_mib, default=0.0)

    @property
    def growth_mib(self) -> float:
        """How much the highest size was above the first."""
        return self.highest_mib - self.rss_mib[0] if self.rss_mib else 0.0

    @property
    def slope_mib_per_min(self) -> float:
        """Least-squares slope of the resident size once it has settled."""
        first = int(len(self.times) * SETTLED)
        x, y = self.times[first:], self.rss_mib[first:]
        if len(x) < 3:
            return 0.0
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        spread = sum((one - mean_x) ** 2 for one in x)
        return 60 * sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0


def memory_mib(pid: int, name: str = "VmRSS") -> float:
    """Return a memory figure of a process; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith(name)), 0.0)


def open_files(pid: int) -> int:
    """Count the open files of a process."""
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


@asynccontextmanager
async def watching(pid: int) -> AsyncIterator[Watched]:
    """Sample a process until the block ends."""
    watched = Watched(pid)

    async def sample() -> None:
        while True:
            watched.times.append(time.monotonic())
            watched.rss_mib.append(memory_mib(pid))
            await asyncio.sleep(SAMPLE_S)

    task = asyncio.create_task(sample())
    try:
        yield watched
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

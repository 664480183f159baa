"""L1 and L6: sustained uploads; the bus switched off under them."""

import asyncio
import time
from collections.abc import Callable

from load.frames import frame
from load.rows import Figure, Row, p95
from load.stand import Stand, stand
from load.watching import watching

from pictor.contracts.modules import OPTIONAL_MODULES, Service

PER_MINUTE = 120
STORED = frozenset({200, 201})
"""200 answers a second try whose first one was stored, but not answered."""


async def send_steadily(
    place: Stand, count: int, size_mb: float, *, per_minute: float = PER_MINUTE, first: int = 0
) -> list[tuple[int, float]]:
    """Send frames on a fixed beat, late answers or not; returns status and seconds since each was due."""
    began = time.monotonic()

    async def one(number: int) -> tuple[int, float]:
        due = began + (number - first) * 60 / per_minute
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        status = await place.upload(frame(number, size_mb), f"light-{number}.fits")
        return status, time.monotonic() - due

    return await asyncio.gather(*(one(number) for number in range(first, first + count)))


async def sustained(*, full: bool) -> Row:
    """L1: 120 uploads a minute, modules off."""
    return await sustained_for(10.0, 32.0) if full else await sustained_for(1.0, 8.0, deep=True)


async def sustained_for(minutes: float, size: float, *, deep: bool = False) -> Row:
    """Send frames of some size at the rate of L1."""
    async with stand(Service.INGEST) as place:
        await place.modules_off(*map(str, OPTIONAL_MODULES))
        await send_steadily(place, 4, size, per_minute=600, first=60_000)
        async with watching(place.pid("gateway")) as gateway:
            sent = await send_steadily(place, int(PER_MINUTE * minutes), size)
        await place.until("jobs", within_s=300)
        figures = [
            Figure("lost or refused", sum(status not in STORED for status, _ in sent), "frames", 0),
            Figure("sent again after a broken line", place.broken_lines, "uploads"),
            Figure("p95", p95([took for _, took in sent]), "s", 2.0),
            Figure("gateway", gateway.highest_mib, "MiB", 150),
            Figure("slope", gateway.slope_mib_per_min, "MiB/min", 1.0),
        ]
        load = f"{len(sent)} uploads of {size:g} MB, {PER_MINUTE}/min, only ingest runs"
        return Row("L1", load, figures, await place.check(deep=deep))


async def without_bus(*, full: bool) -> Row:
    """L6: NATS off under uploads at the rate of L1."""
    size, off_s = (32.0, 300.0) if full else (4.0, 30.0)
    async with stand(Service.INGEST) as place:
        await place.modules_off(*map(str, OPTIONAL_MODULES))
        sending = asyncio.create_task(send_steadily(place, int((off_s + 20) * PER_MINUTE / 60), size))
        await asyncio.sleep(10)
        await place.bus_off()
        await asyncio.sleep(off_s)
        waiting = await place.unsent()
        await place.bus_on()
        drained = await place.until("outbox", within_s=300)
        sent = await sending
        finished = await place.until("jobs", within_s=300)
        figures = [
            Figure("refused", sum(status not in STORED for status, _ in sent), "uploads", 0),
            Figure("p95", p95([took for _, took in sent]), "s"),
            Figure("waited in the outbox", waiting, "messages"),
            Figure("drained after", drained, "s", 120),
            Figure("all jobs ended after another", finished, "s"),
        ]
        load = f"{len(sent)} uploads of {size:g} MB at {PER_MINUTE}/min, NATS off for {off_s:g} s of it"
        return Row("L6", load, figures, await place.check(deep=not full))


ROWS: dict[str, Callable[..., object]] = {"L1": sustained, "L6": without_bus}

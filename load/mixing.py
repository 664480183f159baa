"""L2, L4 and L5: the whole pipeline, slow clients, hostile bodies."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
from load.frames import frame, hostile
from load.rows import Figure, Row, p95
from load.sending import STORED, send_steadily
from load.stand import Stand, stand
from load.watching import open_files, watching

from pictor.contracts.modules import OPTIONAL_MODULES, Service

BUS_SERVICES = tuple(service for service in Service if service is not Service.GATEWAY)


async def pipeline(*, full: bool) -> Row:
    """L2: every module on."""
    size, minutes = (32.0, 30.0) if full else (8.0, 1.0)
    async with stand(*BUS_SERVICES) as place:
        highest = 0

        async def count() -> None:
            nonlocal highest
            while True:
                highest = max(highest, await place.open_jobs())
                await asyncio.sleep(0.5)

        counting = asyncio.create_task(count())
        sent = await send_steadily(place, int(12 * minutes), size, per_minute=12)
        await place.until("jobs", within_s=600)
        counting.cancel()
        slowest = await place.pool.fetchval("SELECT max(extract(epoch FROM finished_at - created_at)) FROM job")
        failed = await place.pool.fetchval(
            "SELECT count(*) FROM module_run WHERE state = 'failed' AND module <> 'astrometry'"
        )
        figures = [
            Figure("lost or refused", sum(status not in STORED for status, _ in sent), "frames", 0),
            Figure("slowest frame", float(slowest), "s", 180),
            Figure("open jobs at most", highest, "jobs"),
            Figure("failed modules", failed, "runs", 0),
        ]
        load = f"{len(sent)} lights of {size:g} MB, 12/min, every module on, no star index (astrometry says so)"
        return Row("L2", load, figures, await place.check(deep=not full))


async def slow_clients(*, full: bool) -> Row:
    """L4: 200 clients that send ten bytes a second, and ten as they should be."""
    slow = 200
    size = 32.0 if full else 8.0
    async with stand(Service.INGEST) as place:
        await place.modules_off(*map(str, OPTIONAL_MODULES))
        gateway = place.pid("gateway")
        await send_steadily(place, 2, size, per_minute=600, first=60_000)
        alone = await send_steadily(place, 10, size, per_minute=60, first=0)
        files = open_files(gateway)
        tasks = [asyncio.create_task(_dribble(place, number)) for number in range(slow)]
        await asyncio.sleep(3)
        held = open_files(gateway) - files
        beside = await send_steadily(place, 10, size, per_minute=60, first=100)
        cut = await asyncio.gather(*tasks)
        await asyncio.sleep(20)
        await place.until("jobs", within_s=120)
        normal, under = p95([took for _, took in alone]), p95([took for _, took in beside])
        figures = [
            Figure("normal p95 alone", normal, "s"),
            Figure("normal p95 beside them", under, "s", max(2 * normal, 0.5)),
            Figure("normal uploads refused", sum(status not in STORED for status, _ in beside), "uploads", 0),
            Figure("connections held", held, "files"),
            Figure("last slow client cut after", max(took for took, _ in cut), "s", 60),
            Figure("slow clients told 408", sum(status == "408" for _, status in cut), "clients", slow, least=True),
            Figure("files above the start afterwards", open_files(gateway) - files, "files", 4),
        ]
        load = f"{slow} uploads at 10 bytes/s beside 10 of {size:g} MB"
        return Row("L4", load, figures, await place.check())


async def _dribble(place: Stand, number: int) -> tuple[float, str]:
    """Send ten bytes a second until the gateway has enough of it; returns after how many seconds, and the status."""
    where = urlsplit(place.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    digest = f"{number:064x}"
    writer.write(
        f"PUT /api/v1/frames/{digest} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {place.token}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: 8000000\r\n\r\n".encode()
    )
    began = time.monotonic()
    answered = asyncio.create_task(reader.read(12))
    status, sent, body = "", 0, frame(number, 0.1)
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - began < 120 and not answered.done():
            writer.write(body[sent : sent + 10])
            sent += 10
            await writer.drain()
            await asyncio.wait({answered}, timeout=1.0)
    took = time.monotonic() - began
    if answered.done() and answered.exception() is None:
        status = answered.result().decode(errors="replace")[9:12]
    answered.cancel()
    writer.close()
    return took, status


async def hostile_mix(*, full: bool) -> Row:
    """L5: one upload in ten is hostile."""
    count = 1000 if full else 150
    size = 2.0 if full else 1.0
    async with stand(Service.INGEST) as place:
        await place.modules_off(*map(str, OPTIONAL_MODULES))
        pids = {name: process.pid for name, process in place.processes.items()}
        clean = await _all_of(place, [frame(number, size) for number in range(count)])
        async with watching(place.pid("gateway")) as gateway:
            bodies = [hostile(n) if n % 10 == 0 else frame(10_000 + n, size) for n in range(count)]
            mixed = await _all_of(place, bodies)
        good = await place.pool.fetchval(
            "SELECT count(*) FROM frame f JOIN job j ON j.frame_id = f.id WHERE j.state = 'completed' "
            "AND f.state = 'registered'"
        )
        lost = count + count - -(-count // 10) - good
        restarts = sum(place.processes[name].pid != pid or place.processes[name].returncode is not None
                       for name, pid in pids.items())  # fmt: skip
        figures = [
            Figure("good frames not finished", lost, "frames", 0),
            Figure("hostile ones accepted as frames", good - (count + count - -(-count // 10)), "frames", 0),
            Figure("services restarted or dead", restarts, "services", 0),
            Figure("wall over that of a clean run", mixed / clean, "x", 2.0),
            Figure("gateway", gateway.highest_mib, "MiB", 150),
        ]
        load = f"{count} uploads of {size:g} MB by 8 clients, every tenth hostile"
        return Row("L5", load, figures, await place.check())


async def _all_of(place: Stand, bodies: list[bytes]) -> float:
    """Send bodies with eight clients and wait for all jobs; returns the seconds."""
    began = time.monotonic()
    waiting = iter(enumerate(bodies))

    async def client() -> None:
        for number, body in waiting:
            with contextlib.suppress(aiohttp.ClientError):
                await place.upload(body, f"mixed-{number}.fits")

    await asyncio.gather(*(client() for _ in range(8)))
    await place.until("jobs", within_s=600)
    return time.monotonic() - began


ROWS: dict[str, Callable[..., object]] = {"L2": pipeline, "L4": slow_clients, "L5": hostile_mix}

"""L3, L9 and L10: a backlog drained, a thousand cancels, more workers; all without pixels."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID, uuid4

from load.rows import Figure, Row, p95
from load.stand import Stand, stand
from load.stub import MODULE
from load.watching import memory_mib, watching

from pictor.cli.stack import environment_of, settings_for
from pictor.contracts.jobs import JobKind
from pictor.contracts.modules import Lane, Service
from pictor.contracts.work import WorkOrder
from pictor.runtime.passing import give_first
from pictor.state import jobs

AT_A_TIME = 500


async def order(place: Stand, count: int) -> list[UUID]:
    """Write jobs of one module, and wait until their orders are on the bus."""
    where = await place.pool.fetchval("SELECT id FROM observatory LIMIT 1")
    slug = await place.pool.fetchval("SELECT slug FROM observatory WHERE id = $1", where)
    made = [uuid4() for _ in range(count)]
    for start in range(0, count, AT_A_TIME):
        async with place.pool.acquire() as db, db.transaction():
            for job_id in made[start : start + AT_A_TIME]:
                await jobs.create(db, job_id, where, frame_id=None, kind=JobKind.STACK, lane=Lane.LIVE, owner="load")
                await give_first(
                    db, WorkOrder(observatory=slug, observatory_id=where, job_id=job_id, module=MODULE, lane=Lane.LIVE)
                )
    await place.until("outbox", within_s=600)
    return made


async def stub(place: Stand, name: str, *, wait_s: float = 0.0, slots: int = 1) -> None:
    """Start a worker without pixels."""
    own = settings_for(place.settings, place.endpoints, place.data, user=str(Service.HEADER))
    variables = environment_of(own.model_copy(update={"slots": slots, "log_level": "error", "log_format": "json"}))
    log = str(place.data / "stub.log")
    await place.spawn(name, ["-m", "load.stub"], {**variables, "LOAD_WAIT_S": str(wait_s), "LOAD_LOG": log})


def told(place: Stand, what: str) -> list[tuple[str, float]]:
    """Return what the workers wrote down: job and time."""
    path = place.data / "stub.log"
    lines = path.read_text(encoding="ascii").splitlines() if path.exists() else []
    return [(line.split()[1], float(line.split()[2])) for line in lines if line.startswith(f"{what} ")]


async def backlog(*, full: bool) -> Row:
    """L3: a backlog is drained; memory does not grow with it."""
    small, large = (1_000, 10_000) if full else (300, 3_000)
    rates, highest = {}, {}
    async with stand() as place:
        for count in (small, large):
            await order(place, count)
            await stub(place, "stub", slots=8)
            async with watching(place.pid("stub")) as worker:
                await place.until("jobs", within_s=1200)
            first, last = min(t for _, t in told(place, "begin")), max(t for _, t in told(place, "end"))
            rates[count], highest[count] = count / (last - first), worker.highest_mib
            await place.stop("stub")
            (place.data / "stub.log").unlink()
        figures = [
            Figure(f"drained at {large}", rates[large], "orders/s", 500, least=True),
            Figure(f"drained at {small}", rates[small], "orders/s"),
            Figure("worker at the large backlog above the small one", highest[large] - highest[small], "MiB", 20),
            Figure("worker", highest[large], "MiB"),
        ]
        load = f"{small}, then {large} orders waiting; one worker of 8 slots claims, ends and announces each"
        return Row("L3", load, figures, await place.check())


@dataclass(slots=True)
class Cancels:
    """What became of cancels on a steady beat."""

    took: list[float]
    asked: dict[str, float]
    """When each job's cancel was asked for."""
    refused: int = 0
    """Answers 503 or 429, after which the client asked again."""


async def cancel_all(place: Stand, made: list[UUID], over_s: float) -> Cancels:
    """Cancel jobs one after the other."""
    found = Cancels([], {})
    began = time.monotonic()

    async def cancel(number: int, job_id: UUID) -> None:
        await asyncio.sleep(max(0.0, began + number * over_s / len(made) - time.monotonic()))
        found.asked[str(job_id)] = time.time()
        start = time.perf_counter()
        while True:
            async with place.client.post(f"{place.url}/api/v1/jobs/{job_id}/cancel") as answer:
                if answer.status == 200:
                    found.took.append(time.perf_counter() - start)
                    return
                assert answer.status in {429, 503}, await answer.text()
                found.refused += 1
                await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))

    await asyncio.gather(*(cancel(number, job_id) for number, job_id in enumerate(made)))
    return found


async def cancels(*, full: bool) -> Row:
    """L9: cancels on a steady beat, of jobs that wait and jobs that run."""
    count, over_s = (1_000, 60.0) if full else (200, 12.0)
    async with stand() as place:
        made = await order(place, count)
        await stub(place, "stub", wait_s=300.0, slots=4)
        while not told(place, "begin"):
            await asyncio.sleep(0.1)
        found = await cancel_all(place, made, over_s)
        await asyncio.sleep(6)
        off = told(place, "off")
        cancelled = await place.pool.fetchval("SELECT count(*) FROM job WHERE state = 'cancelled'")
        running = len({job for job, _ in told(place, "begin")})
        figures = [
            Figure("not cancelled", count - cancelled, "jobs", 0),
            Figure("slowest answer", max(found.took), "s", 5),
            Figure("p95 of the answers", p95(found.took), "s", 1),
            Figure("answered 503 and asked again", found.refused, "requests"),
            Figure(
                "slowest stop of a running one", max((at - found.asked[job] for job, at in off), default=0.0), "s", 5
            ),
            Figure("running ones that went on", running - len({job for job, _ in off}), "jobs", 0),
            Figure("results after a cancel", len(told(place, "end")), "runs", 0),
        ]
        load = f"{count} cancels over {over_s:g} s, {running} of jobs that ran"
        return Row("L9", load, figures, await place.check())


async def scale_out(*, full: bool) -> Row:
    """L10: one, two and four workers."""
    return await scaled_out(300 if full else 60)


async def scaled_out(count: int, *, wait_s: float = 0.2, steps: tuple[int, ...] = (1, 2, 4)) -> Row:
    """Give every worker so many orders, with more and more of them."""
    rates = {}
    double = 0
    async with stand() as place:
        for workers in steps:
            made = await order(place, count * workers)
            names = [f"stub-{number}" for number in range(workers)]
            await asyncio.gather(*(stub(place, name, wait_s=wait_s) for name in names))
            await place.until("jobs", within_s=1200)
            begun = told(place, "begin")
            rates[workers] = len(made) / (max(t for _, t in told(place, "end")) - min(t for _, t in begun))
            double += len(begun) - len({job for job, _ in begun})
            await asyncio.gather(*(place.stop(name) for name in names))
            (place.data / "stub.log").unlink()
        figures = [
            Figure("one worker", rates[1], "orders/s"),
            *(
                Figure(f"{more} over {fewer}", rates[more] / rates[fewer], "x", 1.7, least=True)
                for fewer, more in pairwise(steps)
            ),
            Figure("begun twice", double, "orders", 0),
            Figure("gateway", memory_mib(place.pid("gateway"), "VmHWM"), "MiB"),
        ]
        load = f"orders of {wait_s:g} s without processor time, one at a time per worker"
        return Row("L10", load, figures, await place.check())


ROWS: dict[str, Callable[..., object]] = {"L3": backlog, "L9": cancels, "L10": scale_out}

"""The bus and the flow on it: real NATS that syncs every write, real PostgreSQL, no pixels."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

from bench.clock import processor_seconds, status_mib
from bench.rows import Bound, Of, Row
from faststream import FastStream
from faststream.nats import NatsBroker
from nats.js.api import ConsumerConfig, StreamConfig

from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module
from pictor.contracts.subjects import WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.consuming import consume
from pictor.runtime.embedded.config import EmbeddedConfig, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.hosting import serving
from pictor.runtime.lanes import Gate
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import Step
from tests.support.flow import Flow, open_flow, serving_flow

SERVERS = EmbeddedConfig(servers=frozenset({ServerName.NATS, ServerName.POSTGRES}))
AT_ONCE = 8
"""Jobs submitted at the same time while a backlog is made."""

SLOTS = 4
"""Orders a worker has in hand at a time: two for each core, because most of an order is waiting for disks."""


def rows(*, quick: bool) -> list[Row]:
    """Measure hops and the draining of a backlog."""
    return asyncio.run(_rows(jobs=20 if quick else 50, backlog=200 if quick else 1000))


async def _rows(*, jobs: int, backlog: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        async with Embedded(Path(name) / "servers", SERVERS) as embedded:
            where = embedded.endpoints
            async with open_flow(where.postgres_dsns["pictor"], where, Path(name) / "flow") as flow:
                hops = [await _hop(flow, 4 * jobs), await _module_hop(flow, jobs)]
                return [*hops, await _delivered(flow, backlog), await _drained(flow, backlog)]


async def _hop(flow: Flow, count: int) -> Row:
    """From publish to handler through our consumers, in turns with a bare publish and pull on the same server."""
    arrivals: asyncio.Queue[float] = asyncio.Queue()
    js = flow.runtime.bus.js
    await js.add_stream(StreamConfig(name="BENCH", subjects=["bench.hop"]))
    await js.add_consumer("BENCH", ConsumerConfig(durable_name="bench"))
    bare = await js.pull_subscribe_bind("bench", "BENCH")
    ours: list[float] = []
    peer: list[float] = []
    async with _noting(flow.runtime, arrivals):
        for number in range(count):
            order = WorkOrder(
                observatory="hill", observatory_id=flow.observatory_id, job_id=uuid4(), module=Module.STACK
            )
            started = time.perf_counter()
            await js.publish(WORK[Module.STACK][Lane.LIVE].name, order.encode())
            ours.append(await arrivals.get() - started)
            waiting = asyncio.create_task(bare.fetch(1, timeout=5))
            await asyncio.sleep(0.002)
            started = time.perf_counter()
            await js.publish("bench.hop", order.encode())
            message = (await waiting)[0]
            peer.append(time.perf_counter() - started)
            await message.ack()
            if number == 0:
                ours.clear()
                peer.clear()
    return Row(
        "bus hop, publish to handler, sync always", "ms", statistics.median(ours) * 1e3, statistics.median(peer) * 1e3,
        "bare nats-py publish and pull", n=len(ours), bounds=(Bound(Of.OURS, 2.0),),
    )  # fmt: skip


@asynccontextmanager
async def _noting(runtime: Runtime, arrivals: asyncio.Queue[float]) -> AsyncIterator[None]:
    """Serve one module with a handler that only says when it was called."""

    async def note(_order: WorkOrder, _runtime: Runtime) -> None:
        arrivals.put_nowait(time.perf_counter())

    def create_app(broker: NatsBroker, own: Runtime) -> FastStream:
        consume(broker, own, Module.STACK, note)
        return FastStream(broker)

    async with serving(runtime, create_app):
        yield


async def _module_hop(flow: Flow, jobs: int) -> Row:
    """From one module's work to the next: commit, publish, delivery and claim."""
    begun: dict[UUID, list[float]] = {}

    async def note(step: Step) -> None:
        begun.setdefault(step.order.job_id, []).append(time.perf_counter())

    flow.acts = dict.fromkeys(LIGHT_ITINERARY, note)
    async with serving_flow(flow):
        for _ in range(jobs):
            await flow.ended(await flow.submit())
    steps = [after - before for times in begun.values() for before, after in pairwise(times)]
    return Row(
        "module hop: results committed, next order published, delivered and claimed", "ms",
        statistics.median(steps) * 1e3, n=len(steps),
    )  # fmt: skip


async def _delivered(flow: Flow, backlog: int) -> Row:
    """Work orders per second through the bus alone: delivered to a handler that does nothing, and acknowledged."""
    arrivals: asyncio.Queue[float] = asyncio.Queue()
    subject, js = WORK[Module.STACK][Lane.LIVE].name, flow.runtime.bus.js
    for _ in range(backlog):
        order = WorkOrder(observatory="hill", observatory_id=flow.observatory_id, job_id=uuid4(), module=Module.STACK)
        await js.publish(subject, order.encode())
    started = time.perf_counter()
    async with _noting(flow.runtime, arrivals):
        for _ in range(backlog):
            last = await arrivals.get()
    return Row(
        f"work orders through the bus alone, backlog {backlog}", "1/s", backlog / (last - started), n=backlog,
        bounds=(Bound(Of.OURS, 500, least=True),),
    )  # fmt: skip


async def _drained(flow: Flow, backlog: int) -> Row:
    """Work orders per second when a worker of several slots meets a backlog of jobs of one module.

    The clock stops with the last order that has begun and whose job is closed; until then nobody asks the database
    beside the worker.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def submit() -> None:
        async with gate:
            await flow.submit(itinerary=(Module.QUALITY,))

    await asyncio.gather(*(submit() for _ in range(backlog)))
    flow.acts, before = {}, len(flow.seen)
    flow.runtime = replace(flow.runtime, children=ChildPool(SLOTS), gate=Gate(SLOTS))
    async with serving_flow(flow):
        used, started = processor_seconds(os.getpid()), time.perf_counter()
        while len(flow.seen) < before + backlog:  # noqa: ASYNC110 - the worker below is what is measured
            await asyncio.sleep(0.02)
        while await _open_jobs(flow):  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.02)
        taken, spent = time.perf_counter() - started, processor_seconds(os.getpid())
    each = {name: round((spent[name] - used.get(name, 0.0)) / backlog * 1e3, 2) for name in spent}
    return Row(
        f"work orders drained, claims and results committed, backlog {backlog}", "1/s", backlog / taken, n=backlog,
        rss_mib=status_mib("self", "VmHWM"),
        bounds=(Bound(Of.OURS, 500, least=True),),
        accuracy=f"every job completed once; {sum(each.values()):.1f} ms of processor time an order",
        more={"cpu_ms_per_order": each, "slots": SLOTS},
    )  # fmt: skip


async def _open_jobs(flow: Flow) -> int:
    return int(await flow.runtime.pool.fetchval("SELECT count(*) FROM job WHERE state IN ('pending', 'running')"))

"""A whole flow on real NATS and Postgres whose modules do what a test tells them; no pixels."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from faststream import FastStream
from faststream.nats import NatsBroker
from pydantic import SecretStr

from pictor.contracts.jobs import FINISHED, JobKind, JobState
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module, RunState, Service
from pictor.contracts.work import WorkOrder
from pictor.runtime.bus import Bus
from pictor.runtime.cache import FrameCache
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.consuming import consume
from pictor.runtime.control import Control
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.hosting import close_pool, serving
from pictor.runtime.lanes import Gate
from pictor.runtime.passing import give_first
from pictor.runtime.provision import provision
from pictor.runtime.runtime import Runtime
from pictor.runtime.settings import Settings
from pictor.runtime.step import Step, open_step
from pictor.runtime.store.file import FileStore
from pictor.state import frames, jobs, runs
from pictor.state.database import migrate, open_pool

Act = Callable[[Step], Awaitable[None]]


@dataclass
class Flow:
    """The runtime, what each module was asked to do, and what it did."""

    runtime: Runtime
    observatory_id: UUID
    acts: dict[Module, Act] = field(default_factory=dict)
    seen: list[tuple[UUID, Module]] = field(default_factory=list)

    async def submit(self, *, lane: Lane = Lane.LIVE, itinerary: tuple[Module, ...] = LIGHT_ITINERARY) -> UUID:
        """Do what an accepted upload does; returns the job."""
        frame_id, job_id = uuid4(), uuid4()
        order = WorkOrder(
            observatory="hill", observatory_id=self.observatory_id, job_id=job_id, frame_id=frame_id,
            module=itinerary[0], lane=lane, itinerary=itinerary[1:],
        )  # fmt: skip
        async with self.runtime.pool.acquire() as db, db.transaction():
            await frames.create(
                db, frame_id, self.observatory_id, rig_id=None, sha256=frame_id.hex * 2, size=1, name="a.fits",
                raw_key=f"raw/{self.observatory_id}/{frame_id}", uploaded_by=None, metadata={},
            )  # fmt: skip
            await jobs.create(
                db, job_id, self.observatory_id, frame_id=frame_id, kind=JobKind.UPLOAD, lane=lane, owner="plugin"
            )
            outgoing = [await give_first(db, order)]
        await self.runtime.bus.publish(outgoing)
        return job_id

    async def ended(self, job_id: UUID, *, within_s: float = 20.0) -> JobState:
        """Wait for the end of a job."""
        async with asyncio.timeout(within_s):
            while True:
                job = await jobs.get(self.runtime.pool, job_id, None)
                if job is not None and job.state in FINISHED:
                    return job.state
                await asyncio.sleep(0.02)

    async def states(self, job_id: UUID) -> dict[Module, RunState]:
        """Return what became of every module of a job."""
        return await runs.states(self.runtime.pool, job_id)

    def times(self, job_id: UUID, module: Module) -> int:
        """Count how often a module was run for a job."""
        return self.seen.count((job_id, module))


@asynccontextmanager
async def serving_flow(flow: Flow) -> AsyncIterator[None]:
    """Run one worker that serves every module."""

    async def work(order: WorkOrder, runtime: Runtime) -> None:
        async with open_step(runtime, order) as step:
            flow.seen.append((order.job_id, order.module))
            act = flow.acts.get(order.module)
            if act is not None:
                await act(step)

    def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
        for module in Module:
            consume(broker, runtime, module, work)
        return FastStream(broker)

    async with serving(flow.runtime, create_app):
        yield


@asynccontextmanager
async def open_flow(
    dsn: str, bus_server: Endpoints, folder: Path, *, slug: str = "hill", shutdown_seconds: float = 30.0
) -> AsyncIterator[Flow]:
    """Open a runtime on the servers of a test."""
    settings = Settings(
        nats_url=bus_server.nats_url, nats_user="pictor", nats_password=SecretStr(bus_server.nats_passwords["pictor"]),
        postgres_dsn=SecretStr(dsn), data_dir=folder, reconcile_seconds=1, shutdown_seconds=shutdown_seconds,
    )  # fmt: skip
    pool = await open_pool(dsn)
    await migrate(pool)
    bus = await Bus.connect(settings, pool, name="test")
    await provision(bus.js, settings)
    control = Control(bus)
    await control.start()
    runtime = Runtime(
        settings=settings, service=Service.QUALITY, pool=pool, store=FileStore(folder / "store"), bus=bus,
        control=control, children=ChildPool(1), cache=FrameCache(folder / "cache", 2**20), gate=Gate(4),
        stopping=asyncio.Event(),
    )  # fmt: skip
    observatory_id = uuid4()
    await pool.execute("INSERT INTO observatory (id, slug, name) VALUES ($1, $2, 'Hill')", observatory_id, slug)
    try:
        yield Flow(runtime, observatory_id)
    finally:
        await control.stop()
        await bus.close()
        await close_pool(pool)


@pytest.fixture
async def flow(database_dsn: str, bus_server: Endpoints, tmp_path: Path) -> AsyncIterator[Flow]:
    """A flow of one test, its worker not yet started."""
    async with open_flow(database_dsn, bus_server, tmp_path / "flow") as opened:
        yield opened

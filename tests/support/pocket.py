"""A whole installation inside the test's own process: real broker, database, store and gateway, workers as told.

What a module does is either its service's real handler or an act of the test; several workers may run side by side,
so that races are made by barriers and not by luck.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from faststream import FastStream
from faststream.nats import NatsBroker
from pydantic import SecretStr

from pictor.cli.check import Access, Wishes, check
from pictor.cli.services import BUS_SERVICES, create_app_of
from pictor.cli.setup import set_up
from pictor.contracts.jobs import FINISHED, JobState
from pictor.contracts.modules import MODULES_OF, Module, Service
from pictor.contracts.subjects import STREAM_WORK
from pictor.contracts.work import WorkOrder
from pictor.gateway.app import create_app
from pictor.gateway.bootstrap import bootstrap
from pictor.runtime.bus import Bus
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.consuming import consume
from pictor.runtime.delivery import Handler
from pictor.runtime.embedded.config import EmbeddedConfig, NatsUser, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.hosting import keeping, open_runtime, serving
from pictor.runtime.nats_config import SETUP_USER, bus_users
from pictor.runtime.runtime import Runtime
from pictor.runtime.settings import Settings
from pictor.runtime.step import Step, open_step
from pictor.state import jobs, parked, runs
from pictor.state.runs import ModuleRun
from tests.faults.harness.rows import Row

Act = Callable[[Step], Awaitable[None]]

BLOCK = 2880

HOLLOW = "is completed, but its result for frame"
"""What the check says of a module that was acted."""

TESTER = "tester"
"""A bus user that may do everything: for messages nobody in the installation would send."""


def tiny_frame(number: int = 0, kind: str = "LIGHT", *, size: int = 8) -> bytes:
    """The smallest FITS file of its number."""
    cards = [
        f"SIMPLE  = {'T':>20}", f"BITPIX  = {16:>20}", f"NAXIS   = {2:>20}", f"NAXIS1  = {size:>20}",
        f"NAXIS2  = {size:>20}", f"IMAGETYP= '{kind:<8}'", f"NUMBER  = {number:>20}", "END",
    ]  # fmt: skip
    header = "".join(f"{card:<80}" for card in cards).encode()
    data = bytes(2 * size * size)
    return header.ljust(BLOCK, b" ") + data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\x00")


@dataclass
class Pocket:
    """The gateway's runtime, an administrator's client, and what the workers were told and did."""

    runtime: Runtime
    bus: Bus
    client: httpx.AsyncClient
    observatory_id: UUID
    passwords: Mapping[str, str]
    acts: dict[Module, Act] = field(default_factory=dict)
    seen: list[tuple[UUID, Module]] = field(default_factory=list)
    hollow: bool = False
    """Whether modules were acted and not run: then they leave no results the check could look for."""

    async def send(self, body: bytes, **options: Any) -> httpx.Response:
        """Upload bytes as a plugin would; return the answer whatever it is."""
        digest = hashlib.sha256(body).hexdigest()
        return await self.client.put(f"/api/v1/frames/{digest}", content=body, **options)

    async def upload(self, body: bytes) -> tuple[UUID, UUID]:
        """Upload bytes that must be accepted; return frame and job."""
        answer = await self.send(body)
        assert answer.status_code in {200, 201}, answer.text
        found = answer.json()
        return UUID(found["frame_id"]), UUID(found["job_id"])

    async def post(self, address: str, **options: Any) -> httpx.Response:
        """Post to the API."""
        return await self.client.post(f"/api/v1{address}", **options)

    async def ended(self, job_id: UUID, *, within_s: float = 90.0) -> JobState:
        """Wait for the end of a job."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            job = await jobs.get(self.runtime.pool, job_id, None)
            if job is not None and job.state in FINISHED:
                return job.state
            await asyncio.sleep(0.02)
        raise AssertionError(f"job {job_id} did not end: {await self.runs(job_id)}")

    async def idle(self, *, within_s: float = 90.0) -> None:
        """Wait until no job is open and no order waits on the bus."""
        end = time.monotonic() + within_s
        query = "SELECT count(*) FROM job WHERE state IN ('pending', 'running')"
        while time.monotonic() < end:
            waiting = (await self.bus.js.stream_info(STREAM_WORK)).state.messages
            if not waiting and not await self.runtime.pool.fetchval(query):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"jobs are open after {within_s} s, or {waiting} orders wait")

    async def runs(self, job_id: UUID) -> dict[Module, ModuleRun]:
        """Return the timeline of a job by module."""
        return {run.module: run for run in await runs.timeline(self.runtime.pool, job_id)}

    async def order_of(self, job_id: UUID, module: Module) -> WorkOrder:
        """Return the order of a run as it was given."""
        body = await self.runtime.pool.fetchval(
            "SELECT order_body FROM module_run WHERE job_id = $1 AND module = $2", job_id, str(module)
        )
        return WorkOrder.model_validate(body)

    async def letters(self) -> list[parked.DeadLetter]:
        """Return the dead letters nobody has decided about."""
        found, _ = await parked.page(self.runtime.pool, limit=200)
        return found

    async def violations(self) -> list[str]:
        """Return what ``pictor check`` complains about; with pixel children, as ``--deep`` does."""
        runtime = self.runtime
        children = runtime.children if runtime.children.pids else None
        access = Access(
            runtime.settings, runtime.settings.data_dir, runtime.pool, runtime.store, self.bus, "", children
        )
        report = await check(access, Wishes(deep=children is not None))
        found = [f"{name}: {one.sentence}" for name, finding in report.findings.items() for one in finding.violations]
        return found + [
            f"{name}: {finding.unchecked}" for name, finding in report.findings.items() if finding.unchecked
        ]

    async def whole(self, row: Row, *, allowed: tuple[str, ...] = ()) -> None:
        """Wait until nothing is open and the deep check finds nothing but what belongs to the fault."""
        await self.idle(within_s=row.left_s)
        known = (*allowed, HOLLOW) if self.hollow else allowed
        while True:
            row.seconds = time.monotonic() - row._over
            broken = [one for one in await self.violations() if not any(word in one for word in known)]
            if not broken:
                break
            assert row.left_s > 0, broken[:10]
            await asyncio.sleep(0.5)
        print(f"{row.number}: whole after {row.seconds:.1f} s")

    def worker(self, service: Service, children: ChildPool | None = None) -> Runtime:
        """Return a runtime like ours for another service, or for the same service elsewhere."""
        password = SecretStr(self.passwords[str(service)])
        settings = self.runtime.settings.model_copy(update={"nats_user": str(service), "nats_password": password})
        return replace(
            self.runtime, service=service, settings=settings, children=children or self.runtime.children,
            stopping=asyncio.Event(), pulls=[],
        )  # fmt: skip

    @asynccontextmanager
    async def working(self, *services: Service) -> AsyncIterator[None]:
        """Run the real services in this process."""
        async with AsyncExitStack() as stack:
            for service in services or BUS_SERVICES:
                await stack.enter_async_context(serving(self.worker(service), create_app_of(service)))
            await stack.enter_async_context(keeping(self.runtime))
            yield

    @asynccontextmanager
    async def acting(self, *services: Service) -> AsyncIterator[None]:
        """Run workers whose modules do what the test tells them, and nothing where it tells them nothing."""
        self.hollow = True
        async with AsyncExitStack() as stack:
            for service in services or BUS_SERVICES:
                worker = self.worker(service)
                await stack.enter_async_context(serving(worker, serving_acts(service, self._act)))
            await stack.enter_async_context(keeping(self.runtime))
            yield

    async def _act(self, order: WorkOrder, runtime: Runtime) -> None:
        async with open_step(runtime, order) as step:
            self.seen.append((order.job_id, order.module))
            act = self.acts.get(order.module)
            if act is not None:
                await act(step)


def serving_acts(service: Service, handler: Handler) -> Callable[[NatsBroker, Runtime], FastStream]:
    """Return a ``create_app`` that serves the modules of a service with another handler."""

    def create(broker: NatsBroker, runtime: Runtime) -> FastStream:
        for module in MODULES_OF[service]:
            consume(broker, runtime, module, handler)
        return FastStream(broker)

    return create


@asynccontextmanager
async def open_pocket(
    dsn: str, folder: Path, *, children: ChildPool | None = None, slots: int = 4, **changed: Any
) -> AsyncIterator[Pocket]:
    """Open an installation on an empty database, a broker of its own and a folder."""
    async with AsyncExitStack() as stack:
        users = (*bus_users(), NatsUser(TESTER))
        config = EmbeddedConfig(servers=frozenset({ServerName.NATS}), nats_users=users)
        embedded = await stack.enter_async_context(Embedded(folder / "bus", config))
        passwords = embedded.endpoints.nats_passwords
        settings = Settings(
            postgres_dsn=SecretStr(dsn), nats_url=embedded.endpoints.nats_url, nats_user=str(Service.GATEWAY),
            nats_password=SecretStr(passwords[str(Service.GATEWAY)]), data_dir=folder, allowed_hosts="gateway.test",
            postgres_pool=16, **{"reconcile_seconds": 1, **changed},
        )  # fmt: skip
        setup = settings.model_copy(update={"nats_user": SETUP_USER, "nats_password": SecretStr(passwords[SETUP_USER])})
        await set_up(setup)
        tester = setup.model_copy(update={"nats_user": TESTER, "nats_password": SecretStr(passwords[TESTER])})
        runtime = await stack.enter_async_context(
            open_runtime(settings, Service.GATEWAY, pixels=(), slots=slots, children=children or ChildPool(4))
        )
        eyes = await Bus.connect(tester, runtime.pool, name=TESTER)
        stack.push_async_callback(eyes.close)
        token = await bootstrap(runtime.pool)
        home: UUID = await runtime.pool.fetchval("SELECT id FROM observatory")
        transport = httpx.ASGITransport(create_app(runtime), raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {token}"}
        client = await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://gateway.test", headers=headers, timeout=60)
        )
        yield Pocket(runtime, eyes, client, home, passwords)

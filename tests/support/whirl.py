"""An installation in miniature in which everything happens at once: modules leave small real products, a frozen worker
hangs until it is let go, and darks are stacked by the real decisions."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.calibration_stacker.handlers import on_ingested, on_master, on_sweep
from pictor.calibration_stacker.ordering import KEPT, Sources, keep_master
from pictor.contracts.frames import FrameIngested, FrameType, ProductKind
from pictor.contracts.modules import Module, Service
from pictor.contracts.subjects import FRAME_INGESTED, MASTER_CREATED, SWEEP_DUE, WORK
from pictor.contracts.work import WorkOrder
from pictor.imaging.errors import ImagingError
from pictor.runtime.consuming import consume, listen
from pictor.runtime.hosting import keeping, serving
from pictor.runtime.provision import CALIBRATION_INGESTED, CALIBRATION_MASTERS, CALIBRATION_SWEEP
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import Step, open_step
from pictor.state import stacks
from pictor.state.database import Connection
from tests.support.pocket import Pocket

PRODUCTS = {
    Module.PREVIEW: ProductKind.PREVIEW,
    Module.QUALITY: ProductKind.STARS,
    Module.QUALITY_HEADERS: ProductKind.PROCESSED,
}
MODE = "0123456789abcdef"

REGISTER = """
    UPDATE frame SET state = 'registered', frame_type = 'dark', camera_mode = $2, exposure_s = 300,
        start_utc = '2026-01-01T20:00:00Z', description = $3 WHERE id = $1
"""

OPEN = """
    SELECT r.order_body FROM module_run r JOIN job j ON j.id = r.job_id
    WHERE j.state IN ('pending', 'running') AND r.state IN ('pending', 'running') AND r.order_body IS NOT NULL
"""


@dataclass
class Whirl:
    """The installation, and what its workers are to suffer."""

    pocket: Pocket
    to_freeze: int = 0
    """So many of the next acts hang."""
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    async def act(self, order: WorkOrder, runtime: Runtime) -> None:
        """Do what a service does, with a result that can be counted."""
        async with open_step(runtime, order) as step:
            await self._suffer()
            if order.module is Module.STACK:
                await self._stack(step)
            else:
                await self._frame(step)
            await asyncio.sleep(self.dice.random() * 0.01)
            step.save(_effect, order)
            await self._suffer()

    async def _suffer(self) -> None:
        if self.to_freeze > 0:
            self.to_freeze -= 1
            await self.thawed.wait()

    async def _frame(self, step: Step) -> None:
        frame = await step.frame()
        module = step.order.module
        if module is Module.INGEST:
            described = {"camera": "a camera", "width": 8, "height": 8, "binning_x": 1, "binning_y": 1}
            step.save(lambda db: db.execute(REGISTER, frame.id, MODE, described))
            step.announce(FRAME_INGESTED, FrameIngested(
                observatory=step.order.observatory, job_id=step.order.job_id, frame_id=frame.id,
                frame_type=FrameType.DARK, is_master=False, filter=None, exposure_s=300.0, night=None, target=None,
            ))  # fmt: skip
        elif module in PRODUCTS:
            await step.keep(PRODUCTS[module], self._file(step), "application/octet-stream")

    def _file(self, step: Step) -> Path:
        """Write one of two possible products, so that runs of a frame meet at the same key."""
        path = step.scratch / "product.bin"
        path.write_bytes(f"{step.order.frame_id}/{step.order.module}/{self.dice.randrange(2)}".encode())
        return path

    async def _stack(self, step: Step) -> None:
        request = await step.read(stacks.request_of, step.order.job_id)
        if request is None:
            raise ImagingError("the request of this stack is gone", reason="request-missing")
        frames = await step.read(stacks.members, request.frame_ids)
        if len(frames) < 2:
            raise ImagingError("fewer than 2 frames are left", reason="frames-deleted")
        found = {"verdict": "active", "ncombine": len(frames), "reasons": [], "bad_pixels_path": None}
        found |= dict.fromkeys(KEPT) | {"master_path": str(self._file(step))}
        await keep_master(step, Sources(request, tuple(frames)), found)

    def create_app(self, service: Service, broker: NatsBroker, runtime: Runtime) -> FastStream:
        """Serve the modules of a service; the stacker hears what the real one hears."""
        from pictor.contracts.modules import MODULES_OF  # noqa: PLC0415

        if service is Service.CALIBRATION_STACKER:
            listen(broker, runtime, FRAME_INGESTED, CALIBRATION_INGESTED, on_ingested)
            listen(broker, runtime, MASTER_CREATED, CALIBRATION_MASTERS, on_master)
            listen(broker, runtime, SWEEP_DUE, CALIBRATION_SWEEP, on_sweep)
        for module in MODULES_OF[service]:
            consume(broker, runtime, module, self.act)
        return FastStream(broker)

    @asynccontextmanager
    async def turning(self) -> AsyncIterator[None]:
        """Run two workers of every service."""
        self.pocket.hollow = True
        async with AsyncExitStack() as stack:
            for service in [one for one in Service if one is not Service.GATEWAY] * 2:
                worker = self.pocket.worker(service)
                create = lambda broker, runtime, service=service: self.create_app(service, broker, runtime)  # noqa: E731
                await stack.enter_async_context(serving(worker, create))
            await stack.enter_async_context(keeping(self.pocket.runtime))
            yield

    async def give_up_leases(self) -> None:
        """Let every lease have ended, and deliver what is open once more, as the reconciler would later."""
        pool = self.pocket.runtime.pool
        await pool.execute("UPDATE module_run SET lease_until = now() - interval '1 s' WHERE state = 'running'")
        await self.deliver_open()

    async def deliver_open(self) -> None:
        """Publish the orders of all open runs again."""
        for row in await self.pocket.runtime.pool.fetch(OPEN):
            await self.deliver(WorkOrder.model_validate(row["order_body"]))

    async def deliver(self, order: WorkOrder) -> None:
        """Publish an order once more."""
        await self.pocket.bus.js.publish(WORK[order.module][order.lane].name, order.encode())

    async def calm(self, observatory_id: UUID, *, within_s: float = 60.0) -> None:
        """Let everybody go on and wait until no job of an observatory is open."""
        self.to_freeze = 0
        self.thawed.set()
        self.thawed = asyncio.Event()
        query = "SELECT count(*) FROM job WHERE observatory_id = $1 AND state IN ('pending', 'running')"
        async with asyncio.timeout(within_s):
            while await self.pocket.runtime.pool.fetchval(query, observatory_id):
                await asyncio.sleep(0.3)
                await self.give_up_leases()


async def _effect(db: Connection, order: WorkOrder) -> None:
    await db.execute("INSERT INTO effect VALUES ($1, $2)", order.job_id, str(order.module))

"""A stacker that can be held between its pixels and its record."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.calibration_stacker.handlers import TIMEOUT_S, on_ingested, on_master, on_sweep
from pictor.calibration_stacker.ordering import keep_master, sources
from pictor.contracts.modules import Module, Service
from pictor.contracts.subjects import FRAME_INGESTED, MASTER_CREATED, SWEEP_DUE
from pictor.contracts.work import WorkOrder
from pictor.runtime.consuming import consume, listen
from pictor.runtime.hosting import serving
from pictor.runtime.provision import CALIBRATION_INGESTED, CALIBRATION_MASTERS, CALIBRATION_SWEEP
from pictor.runtime.runtime import Runtime
from pictor.runtime.step import open_step
from tests.support.pocket import Pocket


class Hold:
    """A stacker that stops between its pixels and its record until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def stack(self, order: WorkOrder, runtime: Runtime) -> None:
        async with open_step(runtime, order) as step:
            made_of, arguments = await sources(step)
            found = await step.compute("pictor.calibration_stacker.compute:stack", timeout_s=TIMEOUT_S, **arguments)
            self.reached.set()
            await self.go_on.wait()
            await keep_master(step, made_of, found)

    def create_app(self, broker: NatsBroker, runtime: Runtime) -> FastStream:
        listen(broker, runtime, FRAME_INGESTED, CALIBRATION_INGESTED, on_ingested)
        listen(broker, runtime, MASTER_CREATED, CALIBRATION_MASTERS, on_master)
        listen(broker, runtime, SWEEP_DUE, CALIBRATION_SWEEP, on_sweep)
        consume(broker, runtime, Module.STACK, self.stack)
        return FastStream(broker)


@asynccontextmanager
async def held(pocket: Pocket) -> AsyncIterator[Hold]:
    """Run such a stacker beside everything else."""
    hold = Hold()
    async with serving(pocket.worker(Service.CALIBRATION_STACKER), hold.create_app):
        yield hold

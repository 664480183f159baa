"""A worker without pixels: claims, waits, ends. ``python -m load.stub`` with the settings of the header service.

``LOAD_WAIT_S`` is how long an order takes, ``LOAD_LOG`` the file that gets a line for every order begun, ended or
called off, with the time.
"""

import asyncio
import os
import time
from pathlib import Path

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.cli.signals import on_stop
from pictor.contracts.modules import Module, Service
from pictor.contracts.work import WorkOrder
from pictor.runtime import logs
from pictor.runtime.child.errors import ChildCancelled
from pictor.runtime.consuming import consume
from pictor.runtime.hosting import open_runtime, serving
from pictor.runtime.runtime import Runtime
from pictor.runtime.settings import Settings
from pictor.runtime.step import open_step

MODULE = Module.HEADER_UPDATE
"""A module whose success promises no product, so that the check has nothing to miss."""


async def work(order: WorkOrder, runtime: Runtime) -> None:
    """Run one order."""
    async with open_step(runtime, order) as step:
        _tell("begin", order)
        wait_s = float(os.environ.get("LOAD_WAIT_S", "0"))
        if wait_s:
            try:
                await asyncio.wait_for(step.cancel.wait(), wait_s)
            except TimeoutError:
                pass
            else:
                _tell("off", order)
                raise ChildCancelled("called off")
    _tell("end", order)


def _tell(what: str, order: WorkOrder) -> None:
    with Path(os.environ["LOAD_LOG"]).open("a", encoding="ascii") as file:
        file.write(f"{what} {order.job_id} {time.time():.3f}\n")


def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
    """Subscribe to one module."""
    consume(broker, runtime, MODULE, work)
    return FastStream(broker)


async def main() -> None:
    """Work until asked to stop."""
    settings = Settings()
    logs.configure(style="json", level=settings.log_level)
    stop = asyncio.Event()
    on_stop(stop)
    async with (
        open_runtime(settings, Service.HEADER, pixels=(), slots=settings.slots) as runtime,
        serving(runtime, create_app),
    ):
        await stop.wait()
        runtime.stopping.set()


if __name__ == "__main__":
    asyncio.run(main())

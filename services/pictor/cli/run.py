"""One service in a process of its own, as in production."""

import asyncio
import sys
from contextlib import AsyncExitStack

from pictor.cli.health import serve_health
from pictor.cli.services import create_app_of
from pictor.cli.signals import on_stop
from pictor.contracts.modules import Service
from pictor.runtime import closing, logs
from pictor.runtime.broker import UnsafeBusError
from pictor.runtime.hosting import CLOSE_S, keeping, open_runtime, serving
from pictor.runtime.settings import Settings


def main(service: str) -> int:
    """Run a service until it is asked to stop."""
    try:
        wanted = Service(service)
    except ValueError:
        print(f"{service!r} is not a service; choose one of {', '.join(Service)}", file=sys.stderr)
        return 2
    settings = Settings()
    logs.configure(style=settings.log_format, level=settings.log_level)
    try:
        closing.run(run(settings, wanted))
    except UnsafeBusError as error:
        print(f"pictor: {error}", file=sys.stderr)
        return 1
    return 0


async def run(settings: Settings, service: Service) -> None:
    """Open the runtime, serve, and leave within the time for shutdown."""
    stop = asyncio.Event()
    on_stop(stop)
    opened = asyncio.Event()
    serving_ = asyncio.ensure_future(_serve(settings, service, opened, stop))
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({serving_, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not stop.is_set():
        await serving_
    elif opened.is_set():
        await closing.close(str(service), serving_, within_s=settings.shutdown_seconds)
    else:
        await closing.end(serving_, within_s=settings.shutdown_seconds, repeat_s=CLOSE_S)


async def _serve(settings: Settings, service: Service, opened: asyncio.Event, stop: asyncio.Event) -> None:
    pixels = () if service is Service.GATEWAY else (service,)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(open_runtime(settings, service, pixels=pixels, slots=settings.slots))
        if service is Service.GATEWAY:
            from pictor.cli.web import serve_gateway

            await stack.enter_async_context(keeping(runtime))
            await stack.enter_async_context(serve_gateway(runtime))
        else:
            await stack.enter_async_context(serving(runtime, create_app_of(service)))
        await stack.enter_async_context(serve_health(runtime))
        opened.set()
        await stop.wait()
        runtime.stopping.set()

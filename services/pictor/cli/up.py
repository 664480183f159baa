"""Everything on this machine: embedded servers and the seven services, until someone stops it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from pictor.cli.attach import write_settings
from pictor.cli.backends import Backends
from pictor.cli.health import serve_health
from pictor.cli.links import TOKEN_FILE, login_link
from pictor.cli.processes import Processes
from pictor.cli.services import BUS_SERVICES, create_app_of
from pictor.cli.signals import on_stop
from pictor.cli.stack import OPERATOR, embedded_stack, settings_for
from pictor.cli.sweeping import sweeping
from pictor.cli.web import serve_gateway
from pictor.contracts.modules import Service
from pictor.gateway.bootstrap import bootstrap
from pictor.runtime import closing, logs
from pictor.runtime.broker import UnsafeBusError
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.embedded.errors import EmbeddedError
from pictor.runtime.embedded.folder import write_private
from pictor.runtime.hosting import as_service, keeping, open_runtime, pixel_children, serving
from pictor.runtime.settings import Settings
from pictor.state.database import open_pool

log = structlog.get_logger()

INDEX_FOLDER = "indexes"
"""Where star indexes are looked for when no folder is set; they are found without a restart."""


def main(data: Path, *, host: str, port: int, separate: bool) -> int:
    """Start, print the address once a first upload would succeed, and stop cleanly when asked."""
    data = data.absolute()
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = Settings().model_copy(update={"host": host, "port": port, "data_dir": data})
    settings = settings.model_copy(update={"health_host": settings.health_host or "127.0.0.1"})
    if settings.index_dir is None:
        settings = settings.model_copy(update={"index_dir": data / INDEX_FOLDER})
    logs.configure(style="json", level=settings.log_level, folder=data / "logs")
    try:
        return closing.run(_main(settings, separate=separate))
    except (EmbeddedError, UnsafeBusError) as error:
        print(f"pictor: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"pictor: {error}", file=sys.stderr)
        return 1


async def _main(settings: Settings, *, separate: bool) -> int:
    stop = asyncio.Event()
    on_stop(stop)
    starting = asyncio.ensure_future(_serve(settings, stop, separate=separate))
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
    return await starting


async def _serve(settings: Settings, stop: asyncio.Event, *, separate: bool) -> int:
    first = not (settings.data_dir / TOKEN_FILE).exists()
    async with running(settings, separate=separate) as (url, failure):
        print(f"Pictor ready at {url}", flush=True)
        if first:
            print(f"Log in within ten minutes, once: {await login_link(url, settings.data_dir)}", flush=True)
        asked = asyncio.create_task(stop.wait())
        both: list[asyncio.Future[Any]] = [asked, failure]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if failure.done():
            print(f"pictor: {failure.result()}", file=sys.stderr)
            return 1
    return 0


@asynccontextmanager
async def running(settings: Settings, *, separate: bool) -> "AsyncIterator[tuple[str, asyncio.Future[str]]]":
    """Run the whole stack; yields its address and a future that resolves if a server cannot be kept alive."""
    data = settings.data_dir
    async with AsyncExitStack() as stack:
        slots = os.cpu_count() or 1
        pool = pixel_children(settings, BUS_SERVICES, slots)
        warming = None if separate else asyncio.ensure_future(stack.enter_async_context(pool))
        embedded, endpoints = await stack.enter_async_context(embedded_stack(data, settings))
        failure = asyncio.ensure_future(embedded.failure())
        stack.callback(failure.cancel)
        operator = settings_for(settings, endpoints, data, user=OPERATOR)
        write_settings(operator)
        await _admin_token(settings_for(settings, endpoints, data, user=str(Service.GATEWAY)))
        if warming is None:
            port = await stack.enter_async_context(_separately(settings, endpoints))
        else:
            port = await stack.enter_async_context(_together(settings, endpoints, pool, slots))
            await warming
        await stack.enter_async_context(sweeping(operator))
        yield f"http://{settings.host}:{port}", failure


@asynccontextmanager
async def _together(settings: Settings, endpoints: Endpoints, pool: ChildPool, slots: int) -> AsyncIterator[int]:
    data = settings.data_dir
    async with AsyncExitStack() as stack:
        own = settings_for(settings, endpoints, data, user=str(Service.GATEWAY))
        runtime = await stack.enter_async_context(
            open_runtime(own, Service.GATEWAY, pixels=(), slots=slots + 1, children=pool)
        )
        backends = Backends(stack)
        for service in BUS_SERVICES:
            own = settings_for(settings, endpoints, data, user=str(service))
            theirs = await backends.of(as_service(runtime, service, own))
            await stack.enter_async_context(serving(theirs, create_app_of(service)))
        await stack.enter_async_context(keeping(runtime))
        port = await stack.enter_async_context(serve_gateway(runtime))
        await stack.enter_async_context(serve_health(runtime))
        try:
            yield port
        finally:
            runtime.stopping.set()


@asynccontextmanager
async def _separately(settings: Settings, endpoints: Endpoints) -> AsyncIterator[int]:
    processes = Processes(settings, endpoints)
    try:
        yield await processes.start()
    finally:
        await processes.stop()


async def _admin_token(settings: Settings) -> None:
    path = settings.data_dir / TOKEN_FILE
    pool = await open_pool(settings.postgres_dsn.get_secret_value(), size=2)
    try:
        token = await bootstrap(pool, present=path.exists() and path.stat().st_size > 0)
    finally:
        await pool.close()
    if token is not None:
        write_private(path, token + "\n")

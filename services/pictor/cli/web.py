"""Listen for users: the gateway."""

import asyncio
import logging
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import cast

import structlog
import uvicorn
from litestar.types import ASGIApp

from pictor.runtime.closing import close, end
from pictor.runtime.runtime import Runtime
from pictor.runtime.settings import Settings

log = structlog.get_logger()

FILES_PER_CONNECTION = 4
"""An upload holds its own socket and at most one each to store, database and scratch disk."""

REQUESTS_PART = 0.5
"""Part of the time for shutdown that running requests may take; the rest is for closing."""


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the command line owns the signals."""

    def install_signal_handlers(self) -> None:
        """Leave signals alone."""


@asynccontextmanager
async def serve_gateway(runtime: Runtime) -> AsyncIterator[int]:
    """Serve the gateway; yields the port."""
    from pictor.gateway.app import create_app

    async with serve(create_app(runtime), runtime.settings) as port:
        yield port


@asynccontextmanager
async def serve(app: ASGIApp, settings: Settings) -> AsyncIterator[int]:
    """Serve an application on guarded connections; yields the port."""
    from pictor.gateway.pace import Patience
    from pictor.gateway.transport import GuardedProtocol, watch

    patience = replace(Patience.of(settings), connections=affordable(settings.max_connections))
    server = _Server(
        _config(app, settings, cast("type[asyncio.Protocol]", partial(GuardedProtocol, patience=patience)))
    )
    task = asyncio.create_task(server.serve(), name="gateway")
    while not server.started:
        if task.done():
            task.result()
            raise OSError(f"the gateway cannot listen on {settings.host}:{settings.port}")
        await asyncio.sleep(0.01)
    watcher = asyncio.create_task(watch(server.server_state.connections), name="connections")
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await close("gateway", task, within_s=settings.shutdown_seconds)
        await end(watcher)


def _config(app: ASGIApp, settings: Settings, protocol: type[asyncio.Protocol]) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds * REQUESTS_PART)),
    )


def affordable(wanted: int) -> int:
    """Return how many connections this process has files for, after raising its limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    needed = wanted * FILES_PER_CONNECTION
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < needed:
        log.warning(
            "fewer connections than wanted: too few files", files=soft, connections=soft // FILES_PER_CONNECTION
        )
    return min(wanted, soft // FILES_PER_CONNECTION)

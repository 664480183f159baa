"""Listen for users: the gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from pictor.runtime.runtime import Runtime


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the command line owns the signals."""

    def install_signal_handlers(self) -> None:
        """Leave signals alone."""


@asynccontextmanager
async def serve_gateway(runtime: Runtime) -> AsyncIterator[int]:
    """Serve the gateway; yields the port."""
    from pictor.gateway.app import create_app

    config = uvicorn.Config(
        create_app(runtime),
        host=runtime.settings.host,
        port=runtime.settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(runtime.settings.shutdown_seconds),
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(), name="gateway")
    while not server.started:
        if task.done():
            task.result()
            raise OSError(f"the gateway cannot listen on {runtime.settings.host}:{runtime.settings.port}")
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task

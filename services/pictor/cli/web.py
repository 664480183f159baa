"""Listen: the gateway for users, the health page of a worker for its keeper."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pictor.runtime.health import readiness
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


@asynccontextmanager
async def serve_health(runtime: Runtime) -> AsyncIterator[None]:
    """Serve /health/live, /health/ready and /metrics of a worker, when a port is set."""
    if not runtime.settings.health_port:
        yield
        return

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        parts = await readiness(runtime)
        return web.json_response(parts, status=200 if all(parts.values()) else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes(
        [web.get("/health/live", live), web.get("/health/ready", ready), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, runtime.settings.host, runtime.settings.health_port).start()
    try:
        yield
    finally:
        await runner.cleanup()

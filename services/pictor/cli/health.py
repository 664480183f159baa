"""The health page of a service, for whoever keeps it running, on a port of its own that no stranger reaches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pictor.runtime.health import can_work, liveness, readiness
from pictor.runtime.runtime import Runtime


@asynccontextmanager
async def serve_health(runtime: Runtime) -> AsyncIterator[None]:
    """Serve /health/live, /health/ready and /metrics of a service, when a port is set."""
    if not runtime.settings.health_port:
        yield
        return
    from aiohttp import web

    async def live(_request: web.Request) -> web.Response:
        reason = liveness(runtime)
        return web.json_response({"status": reason or "ok"}, status=503 if reason else 200)

    async def ready(_request: web.Request) -> web.Response:
        parts = await readiness(runtime)
        return web.json_response(parts, status=200 if can_work(runtime, parts) else 503)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes(
        [web.get("/health/live", live), web.get("/health/ready", ready), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host = runtime.settings.health_host or runtime.settings.host
    await web.TCPSite(runner, host, runtime.settings.health_port).start()
    try:
        yield
    finally:
        await runner.cleanup()

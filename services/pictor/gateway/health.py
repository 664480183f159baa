"""Whether the gateway lives, whether it can work, and its numbers."""

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from pictor.gateway.wiring import RuntimeDep
from pictor.runtime.health import readiness


class Alive(BaseModel):
    """The event loop turns."""

    status: str = "ok"


class Readiness(BaseModel):
    """What answers at this moment."""

    database: bool
    store: bool
    bus: bool


@get("/health/live", summary="Liveness", opt={"public": True})
async def live() -> Alive:
    """Answer while the event loop turns."""
    return Alive()


@get("/health/ready", summary="Readiness", opt={"public": True})
async def ready(runtime: RuntimeDep) -> Response[Readiness]:
    """Answer 200 when an upload would succeed, 503 otherwise."""
    parts = Readiness(**await readiness(runtime))
    good = parts.database and parts.store and parts.bus
    return Response(parts, status_code=200 if good else 503, headers={} if good else {"Retry-After": "5"})


@get("/metrics", summary="Prometheus metrics", include_in_schema=False, opt={"public": True})
async def metrics() -> Response[bytes]:
    """Return the numbers of this process; they name no frame and no observatory."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

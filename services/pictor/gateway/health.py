"""Whether the gateway lives: all a stranger may ask. The rest is told on the health port (``cli/health.py``)."""

from litestar import Response, get
from pydantic import BaseModel

from pictor.gateway.wiring import RuntimeDep
from pictor.runtime.health import liveness


class Alive(BaseModel):
    """The event loop turns, and what this process listens to arrives."""

    status: str = "ok"


@get("/health/live", summary="Liveness", opt={"public": True})
async def live(runtime: RuntimeDep) -> Response[Alive]:
    """Answer 200 while this process is well or waits for a server; 503 when only a new process helps."""
    dead = liveness(runtime) is not None
    return Response(Alive(status="must be replaced" if dead else "ok"), status_code=503 if dead else 200)

"""Whether the gateway lives: all a stranger may ask. The rest is told on the health port (``cli/health.py``)."""

from litestar import get
from pydantic import BaseModel


class Alive(BaseModel):
    """The event loop turns."""

    status: str = "ok"


@get("/health/live", summary="Liveness", opt={"public": True})
async def live() -> Alive:
    """Answer while the event loop turns."""
    return Alive()

"""What a client asks first: does it work, who am I, what are the limits."""

from datetime import datetime
from uuid import UUID

from litestar import get
from pydantic import BaseModel

from pictor.contracts.access import Role, Scope
from pictor.contracts.messages import utc_now
from pictor.gateway.auth import require
from pictor.gateway.limits import UPLOADS_AT_ONCE, UPLOADS_PER_MINUTE
from pictor.gateway.observatories import ObservatoryView, RigView
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.version import VERSION
from pictor.state import observatories


class Pong(BaseModel):
    """The gateway answers."""

    name: str = "pictor"
    version: str
    time: datetime


class Me(BaseModel):
    """What this token is, what it sees, and what it may send."""

    token_id: str
    name: str
    role: Role
    scopes: list[Scope]
    observatory_id: UUID | None
    rig_id: UUID | None
    observatories: list[ObservatoryView]
    rigs: list[RigView]
    max_upload_bytes: int
    uploads_at_once: int
    uploads_per_minute: int
    accepted: list[str]
    server_version: str
    server_time: datetime


@get("/ping", summary="Does it work?", opt={"public": True})
async def ping() -> Pong:
    """Answer with version and time, so that a client can compare clocks."""
    return Pong(version=VERSION, time=utc_now())


@get("/me", guards=[require()], summary="What is this token?")
async def me(runtime: RuntimeDep, caller: Caller) -> Me:
    """Say what a token is good for, and the limits it works under."""
    async with runtime.pool.acquire() as db:
        places = await observatories.visible(db, caller.observatories)
        rigs = await observatories.rigs(db, caller.observatories)
    return Me(
        token_id=caller.token_id, name=caller.name, role=caller.role, scopes=sorted(caller.scopes),
        observatory_id=caller.observatory_id, rig_id=caller.rig_id,
        observatories=[ObservatoryView.model_validate(one, from_attributes=True) for one in places],
        rigs=[RigView.model_validate(rig) for rig in rigs],
        max_upload_bytes=runtime.settings.max_upload_bytes, uploads_at_once=UPLOADS_AT_ONCE,
        uploads_per_minute=UPLOADS_PER_MINUTE, accepted=["fits", "fits.gz", "fits.fz", "xisf"],
        server_version=VERSION, server_time=utc_now(),
    )  # fmt: skip

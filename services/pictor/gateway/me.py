"""What a client asks first: does it work, who am I, what are the limits."""

from datetime import datetime
from uuid import UUID

from litestar import get, put
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.messages import utc_now
from pictor.gateway import trail
from pictor.gateway.auth import access_of, address_of, changing, limits_of, require
from pictor.gateway.bodies import body_of
from pictor.gateway.observatories import ObservatoryView, RigView
from pictor.gateway.passwords import check_password
from pictor.gateway.problems import Http, Problem
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.version import VERSION
from pictor.state import observatories, users


class Pong(BaseModel):
    """The gateway answers."""

    name: str = "pictor"
    version: str
    time: datetime


class Me(BaseModel):
    """Who asks, what they see, and what they may send."""

    token_id: str | None
    user_id: UUID | None
    name: str
    role: Role = Field(description="The highest anywhere")
    administers: list[UUID] = Field(description="Observatories the caller administers")
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


class NewPassword(BaseModel):
    """A password to be."""

    model_config = ConfigDict(extra="forbid")

    current: str | None = Field(default=None, max_length=1000, description="Not needed where there is none yet")
    new: str = Field(max_length=1000)


@get("/ping", guards=[require()], summary="Does it work?")
async def ping() -> Pong:
    """Answer with version and time, so that a client can compare clocks."""
    return Pong(version=VERSION, time=utc_now())


@get("/me", guards=[require()], summary="Who am I?")
async def me(runtime: RuntimeDep, caller: Caller) -> Me:
    """Say what the caller is, and the limits it works under."""
    async with runtime.pool.acquire() as db:
        places = await observatories.visible(db, caller.observatories)
        rigs = await observatories.rigs(db, caller.observatories)
    return Me(
        token_id=caller.token_id, user_id=caller.user_id, name=caller.name, role=caller.role,
        administers=[one.id for one in places if caller.may(Role.OBSERVATORY_ADMIN, one.id)],
        scopes=sorted(caller.scopes),
        observatory_id=caller.observatory_id, rig_id=caller.rig_id,
        observatories=[ObservatoryView.model_validate(one, from_attributes=True) for one in places],
        rigs=[RigView.model_validate(rig) for rig in rigs],
        max_upload_bytes=runtime.settings.max_upload_bytes, uploads_at_once=runtime.settings.uploads_at_once,
        uploads_per_minute=runtime.settings.uploads_per_minute, accepted=["fits", "fits.gz", "fits.fz", "xisf"],
        server_version=VERSION, server_time=utc_now(),
    )  # fmt: skip


@put("/me/password", guards=[require()], opt={"body": NewPassword}, status_code=204, summary="Change the own password")
async def change_password(request: Http, runtime: RuntimeDep, caller: Caller) -> None:
    """Choose another password; every other session of the caller ends."""
    wanted = await body_of(request, NewPassword)
    if caller.user_id is None or caller.session is None:
        raise Problem("forbidden", "Only somebody who logged in with a name can change a password; this is a token.")
    passwords = access_of(request).passwords
    async with runtime.pool.acquire() as db:
        user, stored = await users.get(db, caller.user_id), await users.password_of(db, caller.user_id)
    if stored is not None:
        limits_of(request).logins.check(address_of(request))
        if not await passwords.fits(stored, wanted.current or ""):
            limits_of(request).logins.take(address_of(request))
            raise Problem("forbidden", "The current password is not this one.")
    check_password(wanted.new, user.name if user else "")
    hashed = await passwords.hashed(wanted.new)
    async with changing(runtime, caller) as db:
        await users.set_password(db, caller.user_id, hashed)
        await users.end_sessions(db, caller.user_id, but=caller.session)
        await trail.record(db, request, caller, "user.password", f"user:{caller.user_id}")
    access_of(request).forget()

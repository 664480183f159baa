"""People: accounts of the server, and who is a member of which observatory."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID, uuid4

from litestar import Response, delete, get, post, put
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import Role, Scope
from pictor.gateway import trail
from pictor.gateway.auth import access_of, changing, require
from pictor.gateway.bodies import body_of
from pictor.gateway.observatories import own_observatory
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.signin import invitation
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import users
from pictor.state.database import Connection
from pictor.state.users import Membership, User

ADMIN = [require(Scope.ADMIN, role=Role.OBSERVATORY_ADMIN)]
SERVER = [require(Scope.ADMIN, role=Role.SERVER_ADMIN)]
NAME = r"^[a-z0-9][a-z0-9._@-]{0,62}$"


class NewUser(BaseModel):
    """A person to be; they choose their own password by a link that works once."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME, description="What they log in with")
    display_name: str = Field(default="", max_length=100, description="The name when left out")
    server_admin: bool = False


class UserFacts(BaseModel):
    """What an administrator says about a person."""

    model_config = ConfigDict(extra="forbid")

    display_name: str = Field(min_length=1, max_length=100)
    server_admin: bool
    disabled: bool


class MembershipBrief(View):
    """Where somebody is a member."""

    observatory_id: UUID
    observatory: str
    can_admin: bool


class UserView(View):
    """A person; nothing of the password but whether there is one."""

    id: UUID
    name: str
    display_name: str
    server_admin: bool
    has_password: bool
    disabled_at: datetime | None
    created_by: str
    created_at: datetime
    last_login_at: datetime | None
    memberships: list[MembershipBrief] = Field(default_factory=list)


class UserInvited(BaseModel):
    """A person and the way in, which works once within three days and is never shown again."""

    user: UserView
    login_path: str


class NewMember(BaseModel):
    """Somebody with an account, to belong to an observatory."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=NAME)
    can_admin: bool = False


class MemberFacts(BaseModel):
    """What a member may do."""

    model_config = ConfigDict(extra="forbid")

    can_admin: bool


class MemberView(View):
    """A member of an observatory."""

    user_id: UUID
    name: str
    display_name: str
    can_admin: bool
    disabled: bool
    added_by: str
    added_at: datetime


@get("/users", guards=SERVER, summary="List users")
async def list_users(request: Http, runtime: RuntimeDep, *, page: PageNumber = 1, limit: Limit = 50) -> Page[UserView]:
    """List everybody with an account, by name."""
    async with runtime.pool.acquire() as db:
        found, total = await users.page(db, limit=limit, offset=(page - 1) * limit)
        shown = await shown_users(db, found)
    return page_of(request, shown, page=page, limit=limit, total=total)


async def shown_users(db: Connection, found: list[User]) -> list[UserView]:
    """Show people with their memberships."""
    places: dict[UUID, list[Membership]] = {}
    for one in await users.memberships(db, [user.id for user in found]):
        places.setdefault(one.user_id, []).append(one)
    return [
        UserView.model_validate(user).model_copy(
            update={"memberships": [MembershipBrief.model_validate(one) for one in places.get(user.id, [])]}
        )
        for user in found
    ]


async def _user(db: Connection, user_id: UUID) -> User:
    found = await users.get(db, user_id)
    if found is None:
        raise not_found("user", user_id)
    return found


@post("/users", guards=SERVER, opt={"body": NewUser}, summary="Add a user")
async def make_user(request: Http, runtime: RuntimeDep, caller: Caller) -> Response[UserInvited]:
    """Add a person; the answer holds the link by which they begin and choose a password."""
    wanted = await body_of(request, NewUser)
    async with changing(runtime, caller) as db:
        made = await users.create(
            db, uuid4(), wanted.name, wanted.display_name or wanted.name, server_admin=wanted.server_admin,
            created_by=caller.actor,
        )  # fmt: skip
        if made is None:
            raise Problem("conflict", f"There is a user {wanted.name} already.")
        code = await invitation(db, made.id)
        await trail.record(db, request, caller, "user.create", f"user:{made.id}", detail=wanted.model_dump())
    return _invited(UserView.model_validate(made), code)


def _invited(user: UserView, code: str) -> Response[UserInvited]:
    body = UserInvited(user=user, login_path=f"/login?code={code}")
    return Response(body, headers={"Cache-Control": "no-store"})


@get("/users/{user_id:uuid}", guards=SERVER, summary="One user")
async def read_user(runtime: RuntimeDep, user_id: UUID) -> UserView:
    """Return a person and where they are a member."""
    async with runtime.pool.acquire() as db:
        return (await shown_users(db, [await _user(db, user_id)]))[0]


@put("/users/{user_id:uuid}", guards=SERVER, opt={"body": UserFacts}, summary="Change or disable a user")
async def change_user(request: Http, runtime: RuntimeDep, caller: Caller, user_id: UUID) -> UserView:
    """Rename a person, make them a server administrator or not, disable them: sessions end, their tokens stop."""
    wanted = await body_of(request, UserFacts)
    async with changing(runtime, caller) as db:
        before = await _user(db, user_id)
        if caller.user_id == user_id and (wanted.disabled or not wanted.server_admin):
            raise Problem("conflict", "You cannot take your own rights away; ask another administrator.")
        await users.change(
            db, user_id, wanted.display_name, server_admin=wanted.server_admin, disabled=wanted.disabled
        )  # fmt: skip
        if wanted.disabled:
            await users.end_sessions(db, user_id)
        action = "user.role" if wanted.server_admin != before.server_admin else "user.change"
        held = {**asdict(before), "disabled": before.disabled_at is not None}
        detail = trail.difference(held, wanted.model_dump())
        await trail.record(db, request, caller, action, f"user:{user_id}", detail=detail)
        shown = (await shown_users(db, [await _user(db, user_id)]))[0]
    access_of(request).forget()
    return shown


@post("/users/{user_id:uuid}/invitation", guards=SERVER, summary="Let a user begin anew")
async def invite_user(request: Http, runtime: RuntimeDep, caller: Caller, user_id: UUID) -> Response[UserInvited]:
    """Take a forgotten password away, end the sessions, and make a new link by which they choose another."""
    async with changing(runtime, caller) as db:
        found = await _user(db, user_id)
        if found.disabled_at is not None:
            raise Problem("conflict", "The user is disabled.")
        code = await invitation(db, user_id)
        await trail.record(db, request, caller, "user.invite", f"user:{user_id}")
        shown = (await shown_users(db, [await _user(db, user_id)]))[0]
    access_of(request).forget()
    return _invited(shown, code)


@get("/observatories/{observatory_id:uuid}/members", guards=ADMIN, summary="Members of an observatory")
async def list_members(runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> list[MemberView]:
    """List who belongs to an observatory."""
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id, role=Role.OBSERVATORY_ADMIN)
        return [MemberView.model_validate(one) for one in await users.members(db, observatory_id)]


@post("/observatories/{observatory_id:uuid}/members", guards=ADMIN, opt={"body": NewMember}, summary="Add a member")
async def add_member(request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> MemberView:
    """Make somebody with an account a member or an administrator."""
    wanted = await body_of(request, NewMember)
    async with changing(runtime, caller) as db:
        await own_observatory(db, caller, observatory_id, role=Role.OBSERVATORY_ADMIN)
        found = await users.by_name(db, wanted.name)
        if found is None:
            raise not_found("user")
        if any(one.user_id == found[0].id for one in await users.members(db, observatory_id)):
            raise Problem("conflict", f"{wanted.name} is a member already.")
        return await _joined(db, request, caller, (found[0].id, observatory_id), can_admin=wanted.can_admin)


@put(
    "/observatories/{observatory_id:uuid}/members/{user_id:uuid}",
    guards=ADMIN,
    opt={"body": MemberFacts},
    summary="Change a member's role",
)
async def change_member(
    request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID, user_id: UUID
) -> MemberView:
    """Make a member an administrator of the observatory, or an administrator a member."""
    wanted = await body_of(request, MemberFacts)
    async with changing(runtime, caller) as db:
        before = await _member(db, caller, observatory_id, user_id)
        shown = await _joined(
            db, request, caller, (user_id, observatory_id), can_admin=wanted.can_admin, before=before
        )  # fmt: skip
    access_of(request).forget()
    return shown


@delete("/observatories/{observatory_id:uuid}/members/{user_id:uuid}", guards=ADMIN, summary="Remove a member")
async def remove_member(
    request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID, user_id: UUID
) -> None:
    """End a membership; the person's tokens for this observatory stop working."""
    async with changing(runtime, caller) as db:
        before = await _member(db, caller, observatory_id, user_id)
        await users.leave(db, user_id, observatory_id)
        await trail.record(
            db, request, caller, "member.remove", f"user:{user_id}", observatory_id=observatory_id,
            detail={"can_admin": {"was": before.can_admin}},
        )  # fmt: skip
    access_of(request).forget()


async def _member(db: Connection, caller: Principal, observatory_id: UUID, user_id: UUID) -> Membership:
    await own_observatory(db, caller, observatory_id, role=Role.OBSERVATORY_ADMIN)
    for one in await users.members(db, observatory_id):
        if one.user_id == user_id:
            return one
    raise not_found("member")


async def _joined(
    db: Connection, request: Http, caller: Principal, who_where: tuple[UUID, UUID], *, can_admin: bool,
    before: Membership | None = None,
) -> MemberView:  # fmt: skip
    user_id, observatory_id = who_where
    await users.join(db, user_id, observatory_id, can_admin=can_admin, added_by=caller.actor)
    await trail.record(
        db, request, caller, "member.role", f"user:{user_id}", observatory_id=observatory_id,
        detail=trail.difference({"can_admin": before.can_admin if before else None}, {"can_admin": can_admin}),
    )  # fmt: skip
    return MemberView.model_validate(await _member(db, caller, observatory_id, user_id))

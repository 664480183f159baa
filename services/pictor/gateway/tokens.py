"""Tokens: made (and shown once), listed, replaced by a successor, revoked."""

from datetime import datetime
from uuid import UUID

from litestar import Response, delete, get, post
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import ALLOWED_SCOPES, DEFAULT_SCOPES, Role, Scope
from pictor.gateway import credentials, trail
from pictor.gateway.auth import access_of, changing, permit, require
from pictor.gateway.bodies import body_of
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import observatories, tokens
from pictor.state.database import Connection
from pictor.state.tokens import Token

MEMBER = [require(role=Role.MEMBER)]
DEFAULT_DAYS = 365
MAX_DAYS = 730
OVERLAP_HOURS = 24
"""Longest time a token and its successor are both good."""


class NewToken(BaseModel):
    """What a token shall be for."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="Where it will be used")
    role: Role = Role.PLUGIN
    scopes: list[Scope] | None = Field(default=None, description="All that are usual for the role when left out")
    observatory_id: UUID | None = Field(default=None, description="The caller's own when left out")
    rig_id: UUID | None = Field(default=None, description="Binds uploads to one rig")
    days: int = Field(default=DEFAULT_DAYS, ge=1, le=MAX_DAYS)


class Rotation(BaseModel):
    """How a token is replaced."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(default=DEFAULT_DAYS, ge=1, le=MAX_DAYS, description="Life of the successor")
    overlap_hours: int = Field(
        default=OVERLAP_HOURS, ge=0, le=OVERLAP_HOURS, description="How long the old token stays good"
    )


class TokenView(View):
    """A token without its secret."""

    id: str
    name: str
    role: Role
    scopes: list[Scope]
    observatory_id: UUID | None
    rig_id: UUID | None
    created_by: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    rotated_at: datetime | None
    parent: str | None = Field(description="The token this one replaces")
    alive: bool

    @classmethod
    def show(cls, token: Token) -> "TokenView":
        """Show a token."""
        values = {name: getattr(token, name) for name in cls.model_fields}
        return cls(**values | {"scopes": sorted(token.scopes)})


class TokenMade(BaseModel):
    """A new token; its text is never shown again."""

    token: str
    details: TokenView


@post("/tokens", guards=MEMBER, opt={"body": NewToken}, summary="Make a token")
async def make_token(request: Http, runtime: RuntimeDep, caller: Caller) -> Response[TokenMade]:
    """Make a token of at most the caller's own rights; the text is in this answer and nowhere else."""
    wanted = await body_of(request, NewToken)
    scopes = _scopes(caller, wanted)
    text, credential = credentials.make()
    async with changing(runtime, caller) as db:
        observatory_id, rig_id = await _place(db, caller, wanted)
        token = await tokens.create(
            db, credential.id, credential.secret_sha256, name=wanted.name, role=wanted.role, scopes=scopes,
            observatory_id=observatory_id, rig_id=rig_id, created_by=caller.actor, days=wanted.days,
            account_id=await _maker(db, caller),
        )  # fmt: skip
        await trail.record(
            db, request, caller, "token.create", f"token:{token.id}", observatory_id=observatory_id,
            detail={"name": wanted.name, "role": str(wanted.role), "scopes": sorted(scopes)},
        )  # fmt: skip
    return _made(text, token)


def _made(text: str, token: Token) -> Response[TokenMade]:
    return Response(TokenMade(token=text, details=TokenView.show(token)), headers={"Cache-Control": "no-store"})


async def _maker(db: Connection, caller: Principal) -> UUID | None:
    """Return the person behind a caller: what a person's token makes is the person's as well."""
    if caller.token_id is None:
        return caller.user_id
    found = await tokens.find(db, caller.token_id)
    return found[0].account_id if found else None


def _scopes(caller: Principal, wanted: NewToken) -> frozenset[Scope]:
    if wanted.role.rank > caller.role.rank:
        raise Problem("forbidden", f"With the role {caller.role} you cannot make a token with the role {wanted.role}.")
    scopes = DEFAULT_SCOPES[wanted.role] & caller.scopes if wanted.scopes is None else frozenset(wanted.scopes)
    excess = scopes - (ALLOWED_SCOPES[wanted.role] & caller.scopes)
    if excess:
        raise Problem("forbidden", f"The role {wanted.role} made by you cannot have {', '.join(sorted(excess))}.")
    return scopes


async def _place(db: Connection, caller: Principal, wanted: NewToken) -> tuple[UUID | None, UUID | None]:
    """Return observatory and rig of a new token: the caller's own, or among what the caller may give."""
    observatory_id = wanted.observatory_id or caller.observatory_id
    if observatory_id is None and wanted.role is not Role.SERVER_ADMIN:
        raise Problem("invalid-value", "Name the observatory of the token.")
    if observatory_id is not None:
        if caller.role_at(observatory_id) is None or await observatories.get(db, observatory_id) is None:
            raise not_found("observatory", observatory_id)
        permit(caller, wanted.role, observatory_id)
    administers = caller.may(Role.OBSERVATORY_ADMIN, observatory_id)
    rig_id = wanted.rig_id if administers else wanted.rig_id or caller.rig_id
    if rig_id is not None:
        rig = await observatories.rig(db, rig_id)
        bound = caller.rig_id not in {None, rig_id} and not administers
        if rig is None or rig.observatory_id != observatory_id or bound:
            raise not_found("rig", rig_id)
    return observatory_id, rig_id


@get("/tokens", guards=MEMBER, summary="List tokens")
async def list_tokens(
    request: Http, runtime: RuntimeDep, caller: Caller, *, page: PageNumber = 1, limit: Limit = 50
) -> Page[TokenView]:
    """List the caller's own tokens, and those of observatories the caller administers."""
    async with runtime.pool.acquire() as db:
        found, total = await tokens.page(
            db, caller.administered if Scope.ADMIN in caller.scopes else [], of=sorted(caller.aliases), limit=limit,
            offset=(page - 1) * limit,
        )  # fmt: skip
    return page_of(request, [TokenView.show(token) for token in found], page=page, limit=limit, total=total)


@post("/tokens/{token_id:str}/rotate", guards=MEMBER, opt={"body": Rotation}, summary="Replace a token")
async def rotate_token(request: Http, runtime: RuntimeDep, caller: Caller, token_id: str) -> Response[TokenMade]:
    """Make the successor of a token with the same rights; the old one ends with the overlap, at most a day later."""
    wanted = await body_of(request, Rotation, optional=True)
    text, credential = credentials.make()
    async with changing(runtime, caller) as db:
        old = await _own_token(db, caller, token_id)
        if not old.scopes <= caller.scopes:
            raise Problem("forbidden", "The token has scopes that you do not have.")
        if old.role is not Role.PLUGIN and old.account_id not in {None, await _maker(db, caller)}:
            raise Problem("forbidden", "This token speaks for somebody else; they replace it, or you revoke it.")
        token = await tokens.rotate(
            db, old, credential.id, credential.secret_sha256, created_by=caller.actor, days=wanted.days,
            overlap_hours=wanted.overlap_hours,
        )  # fmt: skip
        if token is None:
            raise Problem("conflict", "The token is dead, or has a successor already.")
        await trail.record(
            db, request, caller, "token.rotate", f"token:{token_id}", observatory_id=old.observatory_id,
            detail={"successor": token.id, "overlap_hours": wanted.overlap_hours},
        )  # fmt: skip
    access_of(request).forget(token_id)
    return _made(text, token)


@delete("/tokens/{token_id:str}", guards=MEMBER, summary="Revoke a token")
async def revoke_token(request: Http, runtime: RuntimeDep, caller: Caller, token_id: str) -> None:
    """Revoke a token; it and its sessions stop working within five seconds everywhere."""
    async with changing(runtime, caller) as db:
        found = await _own_token(db, caller, token_id)
        await tokens.revoke(db, token_id)
        await trail.record(
            db, request, caller, "token.revoke", f"token:{token_id}", observatory_id=found.observatory_id
        )  # fmt: skip
    access_of(request).forget(token_id)


async def _own_token(db: Connection, caller: Principal, token_id: str) -> Token:
    """Return a token the caller may replace or revoke; any other does not exist."""
    found = await tokens.find(db, token_id)
    if found is None or not _may_manage(caller, found[0]):
        raise not_found("token", token_id)
    return found[0]


def _may_manage(caller: Principal, token: Token) -> bool:
    own = not caller.aliases.isdisjoint({token.created_by, f"token:{token.id}", f"user:{token.account_id}"})
    role = max(token.role, Role.OBSERVATORY_ADMIN, key=lambda one: one.rank)
    administers = Scope.ADMIN in caller.scopes and caller.may(role, token.observatory_id)
    return administers or (own and token.role.rank <= caller.role.rank)

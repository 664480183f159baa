"""Tokens: made (and shown once), listed, revoked."""

from datetime import datetime
from uuid import UUID

from litestar import Response, delete, get, post
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import ALLOWED_SCOPES, DEFAULT_SCOPES, Role, Scope
from pictor.gateway import credentials
from pictor.gateway.auth import Principal, access_of, require
from pictor.gateway.bodies import body_of
from pictor.gateway.paging import Limit, Page, PageNumber, page_of
from pictor.gateway.problems import Http, Problem, not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import audit, observatories, tokens
from pictor.state.database import Connection
from pictor.state.tokens import Token

MEMBER = [require(role=Role.MEMBER)]
DEFAULT_DAYS = 365
MAX_DAYS = 730


class NewToken(BaseModel):
    """What a token shall be for."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100, description="Where it will be used")
    role: Role = Role.PLUGIN
    scopes: list[Scope] | None = Field(default=None, description="All that are usual for the role when left out")
    observatory_id: UUID | None = Field(default=None, description="The caller's own when left out")
    rig_id: UUID | None = Field(default=None, description="Binds uploads to one rig")
    days: int = Field(default=DEFAULT_DAYS, ge=1, le=MAX_DAYS)


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
    async with runtime.pool.acquire() as db, db.transaction():
        observatory_id = await _place(db, caller, wanted)
        token = await tokens.create(
            db, credential.id, credential.secret_sha256, name=wanted.name, role=wanted.role, scopes=scopes,
            observatory_id=observatory_id, rig_id=wanted.rig_id, created_by=caller.actor, days=wanted.days,
        )  # fmt: skip
        await audit.record(
            db, caller.actor, "token.create", f"token:{token.id}", observatory_id=observatory_id,
            detail={"name": wanted.name, "role": str(wanted.role), "scopes": sorted(scopes)},
        )  # fmt: skip
    return Response(TokenMade(token=text, details=TokenView.show(token)), headers={"Cache-Control": "no-store"})


def _scopes(caller: Principal, wanted: NewToken) -> frozenset[Scope]:
    if wanted.role.rank > caller.role.rank:
        raise Problem("forbidden", f"A token with the role {caller.role} cannot make one with the role {wanted.role}.")
    scopes = DEFAULT_SCOPES[wanted.role] & caller.scopes if wanted.scopes is None else frozenset(wanted.scopes)
    excess = scopes - (ALLOWED_SCOPES[wanted.role] & caller.scopes)
    if excess:
        raise Problem("forbidden", f"The role {wanted.role} made by you cannot have {', '.join(sorted(excess))}.")
    return scopes


async def _place(db: Connection, caller: Principal, wanted: NewToken) -> UUID | None:
    observatory_id = wanted.observatory_id or caller.observatory_id
    seen = caller.observatories
    if observatory_id is not None and (
        (seen is not None and observatory_id not in seen) or await observatories.get(db, observatory_id) is None
    ):
        raise not_found("observatory")
    if observatory_id is None and wanted.role is not Role.SERVER_ADMIN:
        raise Problem("invalid-value", "Name the observatory of the token.")
    if wanted.rig_id is not None:
        rig = await observatories.rig(db, wanted.rig_id)
        if rig is None or rig.observatory_id != observatory_id:
            raise not_found("rig")
    return observatory_id


@get("/tokens", guards=MEMBER, summary="List tokens")
async def list_tokens(
    request: Http, runtime: RuntimeDep, caller: Caller, *, page: PageNumber = 1, limit: Limit = 50
) -> Page[TokenView]:
    """List tokens of an administrator's observatory, else those the caller made."""
    made_by = None if caller.administers else caller.actor
    async with runtime.pool.acquire() as db:
        found, total = await tokens.page(
            db, caller.observatories, created_by=made_by, limit=limit, offset=(page - 1) * limit
        )
    return page_of(request, [TokenView.show(token) for token in found], page=page, limit=limit, total=total)


@delete("/tokens/{token_id:str}", guards=MEMBER, summary="Revoke a token")
async def revoke_token(request: Http, runtime: RuntimeDep, caller: Caller, token_id: str) -> None:
    """Revoke a token; it and its sessions stop working within five seconds everywhere."""
    async with runtime.pool.acquire() as db, db.transaction():
        found = await tokens.find(db, token_id)
        if found is None or not _may_revoke(caller, found[0]):
            raise not_found("token")
        await tokens.revoke(db, token_id)
        await audit.record(
            db, caller.actor, "token.revoke", f"token:{token_id}", observatory_id=found[0].observatory_id
        )  # fmt: skip
    access_of(request).forget(token_id)


def _may_revoke(caller: Principal, token: Token) -> bool:
    own = caller.actor in {token.created_by, f"token:{token.id}"}
    seen = caller.observatories is None or token.observatory_id in caller.observatories
    return own or (caller.administers and seen and token.role.rank <= caller.role.rank)

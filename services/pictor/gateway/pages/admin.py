"""The pages of people, members and tokens, of the audit log, and of one's own account."""

import math
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from litestar import Response, get
from litestar.params import Parameter

from pictor.contracts.access import Role, Scope
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import Visitor, within
from pictor.gateway.problems import Problem, not_found
from pictor.gateway.users import shown_users
from pictor.gateway.wiring import RuntimeDep
from pictor.state import audit, observatories, tokens, users
from pictor.state.database import Connection
from pictor.state.observatories import Observatory

LINES = 100
"""Lines of the audit log on one page."""

MOST = 200
"""People and tokens on one page; more are told and left to the API."""


@get("/admin", guards=[within(Scope.ADMIN)], include_in_schema=False)
async def show_admin(runtime: RuntimeDep, visitor: Visitor, observatory: UUID | None = None) -> Response[str]:
    """Members and tokens of an observatory; all people for the administrators of the server."""
    _administrators_only(visitor)
    async with runtime.pool.acquire() as db:
        places = await observatories.visible(db, visitor.principal.administered)
        chosen = _chosen(places, observatory)
        return page(
            "admin.html", visitor=visitor, here="/admin", places=places, chosen=chosen,
            people=await _people(db) if visitor.may_operate else [],
            members=await users.members(db, chosen.id) if chosen else [],
            rigs=await observatories.rigs(db, [chosen.id]) if chosen else [],
            tokens=(await tokens.page(db, [chosen.id] if chosen else [], of=[], limit=MOST))[0],
            roles=[role for role in Role if role.rank <= visitor.principal.role.rank],
        )  # fmt: skip


async def _people(db: Connection) -> list[object]:
    found, _ = await users.page(db, limit=MOST)
    return list(await shown_users(db, found))


def _chosen(places: list[Observatory], wanted: UUID | None) -> Observatory | None:
    if wanted is None:
        return places[0] if places else None
    for one in places:
        if one.id == wanted:
            return one
    raise not_found("observatory", wanted)


@get("/audit", guards=[within(Scope.ADMIN)], include_in_schema=False)
async def show_audit(
    runtime: RuntimeDep, visitor: Visitor, *,
    number: Annotated[int, Parameter(query="page", ge=1, le=100_000)] = 1,
    what: Annotated[str | None, Parameter(query="object", max_length=200)] = None,
    action: Annotated[str | None, Parameter(max_length=200)] = None,
    outcome: Annotated[str | None, Parameter(max_length=200)] = None,
) -> Response[str]:  # fmt: skip
    """Show who did what, and what was refused, newest first."""
    _administrators_only(visitor)
    sought = audit.Sought(what or None, action or None, outcome=outcome or None)
    async with runtime.pool.acquire() as db:
        lines, total = await audit.page(
            db, visitor.principal.administered, sought, limit=LINES, offset=(number - 1) * LINES
        )
        people = await users.names(db, visitor.principal.administered)
        names = {one.id: one.slug for one in await observatories.visible(db, visitor.principal.administered)}
    return page(
        "audit.html", visitor=visitor, here="/audit", lines=lines, total=total, names=names, sought=sought,
        people={f"user:{user_id}": name for user_id, name in people.items()},
        page=number, pages=max(1, math.ceil(total / LINES)),
        query=urlencode({"object": what or "", "action": action or "", "outcome": outcome or ""}),
    )  # fmt: skip


@get("/account", include_in_schema=False)
async def show_account(runtime: RuntimeDep, visitor: Visitor) -> Response[str]:
    """Show who one is, one's password and one's tokens."""
    caller = visitor.principal
    async with runtime.pool.acquire() as db:
        user = await users.get(db, caller.user_id) if caller.user_id else None
        own, _ = await tokens.page(db, [], of=sorted(caller.aliases), limit=MOST)
        places = await observatories.visible(db, caller.observatories)
    return page(
        "account.html", visitor=visitor, here="/account", caller=caller, user=user, tokens=own, places=places,
        roles={one.id: caller.role_at(one.id) for one in places},
    )  # fmt: skip


def _administrators_only(visitor: Visitor) -> None:
    if not visitor.may_administer:
        raise Problem("forbidden", "This page is for administrators of an observatory.")

"""Who is asking, and whether they may: the only place that decides."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from pictor.contracts.access import Role, Scope
from pictor.gateway.identity import Access, Dead, still
from pictor.gateway.limits import GatewayLimits
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Problem
from pictor.runtime.runtime import Runtime
from pictor.state import tenancy
from pictor.state.database import Connection as Database

COOKIE = "pictor_session"
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Connection: TypeAlias = ASGIConnection[Any, Any, Any, State]
"""Any connection: Litestar's handler, user and auth types are not used here."""

Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


def access_of(connection: Connection) -> Access:
    """Return the look-ups of this gateway."""
    access: Access = connection.app.state.access
    return access


def limits_of(connection: Connection) -> GatewayLimits:
    """Return the counters of this gateway."""
    limits: GatewayLimits = connection.app.state.limits
    return limits


def address_of(connection: Connection) -> str:
    """Return the address a request comes from, as the socket knows it: headers can say anything."""
    return connection.client.host if connection.client else "unknown"


async def identify(connection: Connection) -> Principal | None:
    """Find out who is asking: a bearer token first, else the session cookie."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, text = header.partition(" ")
        found = await access_of(connection).by_bearer(text.strip()) if scheme.lower() == "bearer" else None
        if isinstance(found, Dead):
            connection.scope["state"]["dead"] = found
            return None
        return found
    cookie = connection.cookies.get(COOKIE)
    return await access_of(connection).by_session(cookie) if cookie else None


def admitted(connection: Connection, principal: Principal) -> None:
    """Remember who asks, and see the rows of their observatories from here on, and no others."""
    connection.scope["state"]["principal"] = principal
    tenancy.see(principal.observatories)
    connection.scope["state"]["allowance"] = limits_of(connection).reads.take(principal.key)


def require(scope: Scope | None = None, *, role: Role = Role.PLUGIN) -> Guard:
    """Make a guard: the caller has at least this role somewhere, and this scope.

    What counts for a row is the role at its observatory: see `permit`.
    """

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        principal = await identify(connection)
        if principal is None:
            limits_of(connection).refusals.take(address_of(connection))
            raise Problem(
                "unauthenticated", "Send a valid token as 'Authorization: Bearer ...'; this one is missing or dead.",
                headers={"WWW-Authenticate": 'Bearer realm="pictor"'},
            )  # fmt: skip
        admitted(connection, principal)
        if principal.role.rank < role.rank:
            raise Problem("forbidden", f"This needs the role {role}; you have the role {principal.role}.")
        if scope is not None and scope not in principal.scopes:
            raise Problem("forbidden", f"This needs the scope {scope}, which you do not have.")
        check_csrf(connection, principal)

    return guard


def permit(caller: Principal, role: Role, observatory_id: UUID | None) -> None:
    """Refuse what the caller's role at an observatory does not allow; that the row is there, they know."""
    if not caller.may(role, observatory_id):
        raise Problem("forbidden", f"This needs the role {role} at this observatory.")


@asynccontextmanager
async def changing(runtime: Runtime, caller: Principal) -> AsyncIterator[Database]:
    """Open a transaction in which the caller's rights are looked up again and hold until it is committed."""
    async with runtime.pool.acquire() as db, db.transaction():
        await still(db, caller)
        yield db


def check_csrf(connection: Connection, principal: Principal) -> None:
    """Refuse a change asked for by another site in a signed-in browser."""
    if principal.csrf is None or str(connection.scope.get("method")) in SAFE:
        return
    if not hmac.compare_digest(connection.headers.get(CSRF_HEADER, "").encode(), principal.csrf.encode()):
        raise Problem("csrf", "Reload the page and try again: its security token does not fit your session.")


def principal_of(connection: Connection) -> Principal:
    """Return who the guard let in."""
    principal: Principal = connection.scope["state"]["principal"]
    return principal

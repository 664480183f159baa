"""Who is asking, and whether they may: the only place that decides."""

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from pictor.contracts.access import Role, Scope
from pictor.gateway import credentials
from pictor.gateway.problems import Problem
from pictor.state import sessions, tokens
from pictor.state.database import Pool
from pictor.state.tokens import Token

CACHE_S = 3.0
"""How long a looked-up token is believed; a revocation elsewhere takes effect within this time."""

COOKIE = "pictor_session"
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NOBODY = b"\x00" * 32

Connection: TypeAlias = ASGIConnection[Any, Any, Any, State]
"""Any connection: Litestar's handler, user and auth types are not used here."""

Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a token: what they are and what they may see."""

    token_id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    observatory_id: UUID | None
    rig_id: UUID | None
    csrf: str | None = None

    @property
    def actor(self) -> str:
        """Name of this bearer in jobs and in the audit log."""
        return f"token:{self.token_id}"

    @property
    def observatories(self) -> list[UUID] | None:
        """The observatories whose rows exist for this bearer; None for all."""
        if self.role is Role.SERVER_ADMIN:
            return None
        return [] if self.observatory_id is None else [self.observatory_id]

    @property
    def administers(self) -> bool:
        """Whether this bearer administers what it sees."""
        return self.role.rank >= Role.OBSERVATORY_ADMIN.rank


@dataclass(slots=True)
class Access:
    """Tokens and sessions looked up recently."""

    pool: Pool
    _tokens: dict[str, tuple[float, Token, bytes]] = field(default_factory=dict)
    _sessions: dict[bytes, tuple[float, str, str]] = field(default_factory=dict)

    async def by_bearer(self, text: str) -> Principal | None:
        """Return who a token stands for; None for a typo, an unknown, a revoked or an expired one."""
        credential = credentials.parse(text)
        if credential is None:
            return None
        token, known = await self._token(credential.id)
        same = hmac.compare_digest(known, credential.secret_sha256)
        return _principal(token) if token is not None and same else None

    async def by_session(self, cookie: str) -> Principal | None:
        """Return who a browser session stands for."""
        key = credentials.digest(cookie)
        cached = self._sessions.get(key)
        if cached is None or time.monotonic() - cached[0] > CACHE_S:
            async with self.pool.acquire() as db:
                found = await sessions.get(db, key)
            if found is None:
                self._sessions.pop(key, None)
                return None
            cached = (time.monotonic(), found.token_id, found.csrf)
            self._sessions[key] = cached
        token, _ = await self._token(cached[1])
        return None if token is None else _principal(token, csrf=cached[2])

    def forget(self, token_id: str | None = None) -> None:
        """Look everything up again that hangs on a token (None: every session)."""
        if token_id is not None:
            self._tokens.pop(token_id, None)
        self._sessions.clear()

    async def _token(self, token_id: str) -> tuple[Token | None, bytes]:
        cached = self._tokens.get(token_id)
        if cached is None or time.monotonic() - cached[0] > CACHE_S:
            async with self.pool.acquire() as db:
                found = await tokens.find(db, token_id)
                if found is None:
                    return None, _NOBODY
                if found[0].alive:
                    await tokens.used(db, token_id)
            cached = (time.monotonic(), *found)
            self._tokens[token_id] = cached
            if len(self._tokens) > 10_000:
                self._tokens.clear()
        return (cached[1] if cached[1].alive else None), cached[2]


def _principal(token: Token, *, csrf: str | None = None) -> Principal:
    return Principal(token.id, token.name, token.role, token.scopes, token.observatory_id, token.rig_id, csrf)


def access_of(connection: Connection) -> Access:
    """Return the look-ups of this gateway."""
    access: Access = connection.app.state.access
    return access


async def identify(connection: Connection) -> Principal | None:
    """Find out who is asking: a bearer token first, else the session cookie."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, text = header.partition(" ")
        return await access_of(connection).by_bearer(text.strip()) if scheme.lower() == "bearer" else None
    cookie = connection.cookies.get(COOKIE)
    return await access_of(connection).by_session(cookie) if cookie else None


def require(scope: Scope | None = None, *, role: Role = Role.PLUGIN) -> Guard:
    """Make a guard: the bearer has at least this role, and this scope."""

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        principal = await identify(connection)
        if principal is None:
            connection.app.state.limits.refusals.take(connection.client.host if connection.client else "unknown")
            raise Problem(
                "unauthenticated", "Send a valid token as 'Authorization: Bearer ...'; this one is missing or dead.",
                headers={"WWW-Authenticate": 'Bearer realm="pictor"'},
            )  # fmt: skip
        connection.app.state.limits.reads.take(principal.token_id)
        if principal.role.rank < role.rank:
            raise Problem("forbidden", f"This needs the role {role}; this token has the role {principal.role}.")
        if scope is not None and scope not in principal.scopes:
            raise Problem("forbidden", f"This needs the scope {scope}, which this token does not have.")
        check_csrf(connection, principal)
        connection.scope["state"]["principal"] = principal

    return guard


def check_csrf(connection: Connection, principal: Principal) -> None:
    """Refuse a change asked for by another site in a signed-in browser."""
    if principal.csrf is None or str(connection.scope.get("method")) in SAFE:
        return
    if not hmac.compare_digest(connection.headers.get(CSRF_HEADER, ""), principal.csrf):
        raise Problem("csrf", "Reload the page and try again: its security token does not fit your session.")


def principal_of(connection: Connection) -> Principal:
    """Return who the guard let in."""
    principal: Principal = connection.scope["state"]["principal"]
    return principal

"""Tokens, sessions and people looked up: believed for three seconds, so that a revocation works everywhere in five."""

import hmac
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar
from uuid import UUID

from pictor.gateway import credentials
from pictor.gateway.passwords import Passwords
from pictor.gateway.principals import Principal, of_token, of_user
from pictor.gateway.problems import Problem
from pictor.state import sessions, tenancy, tokens, users
from pictor.state.database import Connection, Pool
from pictor.state.sessions import Session
from pictor.state.tokens import Token
from pictor.state.users import Standing

CACHE_S = 3.0
"""How long a looked-up token, session or person is believed; a revocation elsewhere takes effect within this time."""

MOST = 10_000
_NOBODY = b"\x00" * 32

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


@dataclass(slots=True)
class Recent(Generic[Key, Found]):
    """Answers believed for some seconds; what was not found is asked again each time."""

    clock: Callable[[], float] = time.monotonic
    _kept: dict[Key, tuple[float, Found]] = field(default_factory=dict)

    async def get(self, key: Key, ask: Callable[[Key], Awaitable[Found | None]]) -> Found | None:
        """Return what is known about a key, or ask."""
        kept = self._kept.get(key)
        if kept is not None and self.clock() - kept[0] <= CACHE_S:
            return kept[1]
        begun = self.clock()
        found = await ask(key)
        if found is None:
            self._kept.pop(key, None)
            return None
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[key] = (begun, found)
        return found

    def forget(self, key: Key | None = None) -> None:
        """Ask again about a key (None: about all)."""
        if key is None:
            self._kept.clear()
        else:
            self._kept.pop(key, None)


@dataclass(frozen=True, slots=True)
class _Person:
    standing: Standing
    tokens: list[str]


@dataclass(frozen=True, slots=True)
class Dead:
    """A token that was good once: revoked, expired, or its maker lost the right."""

    token_id: str
    observatory_id: UUID | None


@dataclass(slots=True)
class Access:
    """Who a token or a session stands for."""

    pool: Pool
    passwords: Passwords = field(default_factory=Passwords)
    _tokens: Recent[str, tuple[Token, bytes]] = field(default_factory=Recent)
    _sessions: Recent[bytes, Session] = field(default_factory=Recent)
    _people: Recent[UUID, _Person] = field(default_factory=Recent)
    _used: Recent[str, bool] = field(default_factory=Recent)

    async def by_bearer(self, text: str) -> Principal | Dead | None:
        """Return who a token stands for; None for a typo or an unknown one."""
        credential = credentials.parse(text)
        if credential is None:
            return None
        with tenancy.seeing_everything():
            found = await self._tokens.get(credential.id, self._token)
            if not hmac.compare_digest(found[1] if found else _NOBODY, credential.secret_sha256) or found is None:
                return None
            principal = await self._bearer(found[0])
            return principal or Dead(credential.id, found[0].observatory_id)

    async def by_session(self, cookie: str) -> Principal | None:
        """Return who a browser session stands for."""
        key = credentials.digest(cookie)
        with tenancy.seeing_everything():
            session = await self._sessions.get(key, self._session)
            if session is None:
                return None
            if session.account_id is not None:
                person = await self._people.get(session.account_id, self._person)
                if person is None:
                    return None
                return of_user(person.standing, tokens=person.tokens, session=key, csrf=session.csrf)
            found = await self._tokens.get(session.token_id or "", self._token)
            principal = await self._bearer(found[0]) if found else None
            return principal and _in_session(principal, key, session.csrf)

    def forget(self, token_id: str | None = None) -> None:
        """Look everything up again that hangs on a token (None: every session and person)."""
        if token_id is not None:
            self._tokens.forget(token_id)
        self._sessions.forget()
        self._people.forget()

    async def _bearer(self, token: Token) -> Principal | None:
        if not token.alive:
            return None
        person = None if token.account_id is None else await self._people.get(token.account_id, self._person)
        principal = of_token(token, person.standing if person else None)
        if principal is not None:
            await self._used.get(token.id, self._use)
        return principal

    async def _use(self, token_id: str) -> bool:
        async with self.pool.acquire() as db:
            await tokens.used(db, token_id)
        return True

    async def _token(self, token_id: str) -> tuple[Token, bytes] | None:
        async with self.pool.acquire() as db:
            return await tokens.find(db, token_id)

    async def _session(self, key: bytes) -> Session | None:
        async with self.pool.acquire() as db:
            return await sessions.get(db, key)

    async def _person(self, user_id: UUID) -> _Person | None:
        async with self.pool.acquire() as db:
            return await person_of(db, user_id)


async def person_of(db: Connection, user_id: UUID) -> _Person | None:
    """Read what a person may do at this moment."""
    standing = await users.standing(db, user_id)
    return None if standing is None else _Person(standing, await tokens.of_account(db, user_id))


def _in_session(principal: Principal, key: bytes, csrf: str) -> Principal:
    return replace(principal, session=key, csrf=csrf)


async def still(db: Connection, caller: Principal) -> None:
    """Make sure that the caller may still do what it could when it asked; holds that until the transaction ends.

    Raises
    ------
    Problem
        If the token, session, person or role is gone: nothing of the transaction happens.
    """
    fresh = None
    if caller.session is None or await sessions.goes_on(db, caller.session):
        fresh = await _again(db, caller)
    if not caller.same_rights(fresh):
        raise Problem("unauthenticated", "Your rights were changed or revoked at this moment; nothing was done.")


async def _again(db: Connection, caller: Principal) -> Principal | None:
    if caller.token_id is not None:
        if not await tokens.hold(db, caller.token_id):
            return None
        found = await tokens.find(db, caller.token_id)
        owner = found[0].account_id if found else None
        person = await person_of(db, owner) if owner and await users.hold(db, owner) else None
        return of_token(found[0], person.standing if person else None) if found else None
    if caller.user_id is None or not await users.hold(db, caller.user_id):
        return None
    person = await person_of(db, caller.user_id)
    return None if person is None else of_user(person.standing, tokens=person.tokens)

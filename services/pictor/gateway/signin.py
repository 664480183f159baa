"""Browser sessions: begun with a password, a token or a one-time code; ended by signing out."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from litestar.datastructures import Cookie

from pictor.gateway import credentials
from pictor.gateway.auth import COOKIE
from pictor.gateway.identity import Access
from pictor.gateway.principals import Principal
from pictor.runtime.settings import Settings
from pictor.state import sessions, tokens, users
from pictor.state.database import Connection, Pool, with_all_rows

SESSION_HOURS = 24 * 14
CODE_MINUTES = 10
INVITATION_MINUTES = 3 * 24 * 60


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session: the cookie's secret, the CSRF token its pages send back, and who it is of."""

    secret: str
    csrf: str
    actor: str
    choose_password: bool = False


async def start_session(access: Access, token: str) -> SignedIn | None:
    """Begin a session for a token typed into the sign-in page; None if the token is not good."""
    principal = await access.by_bearer(token)
    if not isinstance(principal, Principal):
        return None
    async with with_all_rows(access.pool) as db:
        return await _begin(db, token_id=principal.token_id)


async def log_in(access: Access, name: str, password: str) -> SignedIn | None:
    """Begin a session for a person; None for a wrong name, a wrong password, or somebody disabled: all alike."""
    async with with_all_rows(access.pool) as db:
        found = await users.by_name(db, name.strip().lower())
    good = await access.passwords.fits(found[1] if found else None, password)
    if found is None or not good or found[0].disabled_at is not None:
        return None
    async with with_all_rows(access.pool) as db, db.transaction():
        await users.logged_in(db, found[0].id)
        return await _begin(db, user_id=found[0].id)


async def login_code(pool: Pool, token: str) -> str | None:
    """Make a one-time code for a link ``/login?code=...``; None if the token is not good."""
    principal = await Access(pool).by_bearer(token)
    if not isinstance(principal, Principal):
        return None
    async with with_all_rows(pool) as db:
        return await _code(db, token_id=principal.token_id, minutes=CODE_MINUTES)


async def invitation(db: Connection, user_id: UUID) -> str:
    """Make a one-time code with which a person begins: it has no password yet, or none any more."""
    await users.set_password(db, user_id, None)
    await users.end_sessions(db, user_id)
    return await _code(db, user_id=user_id, minutes=INVITATION_MINUTES)


async def redeem_code(access: Access, code: str) -> SignedIn | None:
    """Begin a session for a one-time code; None if it is unknown, used or too old."""
    async with with_all_rows(access.pool) as db, db.transaction():
        found = await sessions.redeem_code(db, credentials.digest(code))
        if found is None:
            return None
        token_id, user_id = found
        if token_id is not None:
            return await _begin(db, token_id=token_id) if await tokens.is_alive(db, token_id) else None
        user = await users.get(db, user_id) if user_id else None
        if user is None or user.disabled_at is not None:
            return None
        await users.logged_in(db, user.id)
        return await _begin(db, user_id=user.id, choose_password=not user.has_password)


async def end_session(access: Access, secret: str) -> None:
    """Sign a browser out."""
    async with with_all_rows(access.pool) as db:
        await sessions.end(db, credentials.digest(secret))
    access.forget()


def session_cookie(signed_in: SignedIn | None, settings: Settings, *, https: bool = False) -> Cookie:
    """Return the cookie to set after signing in, or (None) to clear after signing out."""
    return Cookie(
        key=COOKIE,
        value=signed_in.secret if signed_in else "",
        max_age=SESSION_HOURS * 3600 if signed_in else 0,
        path="/",
        httponly=True,
        samesite="lax",
        secure=https or bool(settings.public_url and settings.public_url.startswith("https:")),
    )


async def _code(db: Connection, *, minutes: int, token_id: str | None = None, user_id: UUID | None = None) -> str:
    code = secrets.token_urlsafe(32)
    await sessions.create_code(
        db, credentials.digest(code), token_id=token_id, account_id=user_id, minutes=minutes
    )  # fmt: skip
    return code


async def _begin(
    db: Connection, *, token_id: str | None = None, user_id: UUID | None = None, choose_password: bool = False
) -> SignedIn:
    actor = f"token:{token_id}" if user_id is None else f"user:{user_id}"
    signed_in = SignedIn(secrets.token_urlsafe(32), secrets.token_urlsafe(32), actor, choose_password)
    digest = credentials.digest(signed_in.secret)
    await sessions.forget_expired(db)
    if user_id is not None:
        await sessions.create_for(db, digest, user_id, signed_in.csrf, hours=SESSION_HOURS)
    elif token_id is not None:
        await sessions.create(db, digest, token_id, signed_in.csrf, hours=SESSION_HOURS)
    return signed_in

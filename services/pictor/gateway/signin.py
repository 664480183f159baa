"""Browser sessions: begun with a token or a one-time code, ended by signing out or with the token."""

import secrets
from dataclasses import dataclass

from litestar.datastructures import Cookie

from pictor.gateway import credentials
from pictor.gateway.auth import COOKIE, Access
from pictor.runtime.settings import Settings
from pictor.state import sessions, tokens
from pictor.state.database import Pool

SESSION_HOURS = 24 * 14
CODE_MINUTES = 10


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session: the cookie's secret and the CSRF token its pages send back."""

    secret: str
    csrf: str


async def start_session(access: Access, token: str) -> SignedIn | None:
    """Begin a session for a token typed into the sign-in page; None if the token is not good."""
    principal = await access.by_bearer(token)
    return None if principal is None else await _begin(access.pool, principal.token_id)


async def login_code(pool: Pool, token: str) -> str | None:
    """Make a one-time code for a link ``/login?code=...``; None if the token is not good."""
    principal = await Access(pool).by_bearer(token)
    if principal is None:
        return None
    code = secrets.token_urlsafe(32)
    async with pool.acquire() as db:
        await sessions.create_code(db, credentials.digest(code), principal.token_id, minutes=CODE_MINUTES)
    return code


async def redeem_code(access: Access, code: str) -> SignedIn | None:
    """Begin a session for a one-time code; None if it is unknown, used or older than ten minutes."""
    async with access.pool.acquire() as db:
        token_id = await sessions.redeem_code(db, credentials.digest(code))
        alive = token_id is not None and await tokens.is_alive(db, token_id)
    return await _begin(access.pool, token_id) if token_id is not None and alive else None


async def end_session(access: Access, secret: str) -> None:
    """Sign a browser out."""
    async with access.pool.acquire() as db:
        await sessions.end(db, credentials.digest(secret))
    access.forget()


def session_cookie(signed_in: SignedIn | None, settings: Settings) -> Cookie:
    """Return the cookie to set after signing in, or (None) to clear after signing out."""
    return Cookie(
        key=COOKIE,
        value=signed_in.secret if signed_in else "",
        max_age=SESSION_HOURS * 3600 if signed_in else 0,
        path="/",
        httponly=True,
        samesite="lax",
        secure=bool(settings.public_url and settings.public_url.startswith("https:")),
    )


async def _begin(pool: Pool, token_id: str) -> SignedIn:
    signed_in = SignedIn(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    async with pool.acquire() as db:
        await sessions.forget_expired(db)
        await sessions.create(
            db, credentials.digest(signed_in.secret), token_id, signed_in.csrf, hours=SESSION_HOURS
        )  # fmt: skip
    return signed_in

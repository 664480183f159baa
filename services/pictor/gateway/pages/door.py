"""Signing in with a name and a password, a token or a one-time link; and signing out."""

from typing import Annotated
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.response import Redirect
from pydantic import BaseModel, Field

from pictor.gateway import trail
from pictor.gateway.auth import COOKIE, access_of, address_of, check_csrf, identify, limits_of
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import way_back
from pictor.gateway.problems import Http, Problem
from pictor.gateway.signin import SignedIn, end_session, log_in, redeem_code, session_cookie, start_session
from pictor.gateway.wiring import RuntimeDep
from pictor.runtime.runtime import Runtime
from pictor.state import users
from pictor.state.database import with_all_rows

BAD_TOKEN = "This is not a token that works: it may be mistyped, revoked or expired."  # noqa: S105 - a sentence
BAD_CODE = "This link does not work any more: it works once, and not for long. Ask for another."
BAD_PASSWORD = "Name or password is wrong, or the account is disabled."  # noqa: S105 - a sentence
FOREIGN = "Another site tried to log you in. Log in here, if you want to."
PASSWORD_PAGE = "/account"  # noqa: S105 - an address


class SignIn(BaseModel):
    """What the sign-in form sends: one of name and password, a token, or the code of a link."""

    name: str = Field(default="", max_length=200)
    password: str = Field(default="", max_length=1000)
    token: str = Field(default="", max_length=200)
    code: str = Field(default="", max_length=200)
    next: str = Field(default="", max_length=2000)


@get("/login", include_in_schema=False)
async def show_login(
    code: Annotated[str | None, Parameter(max_length=200)] = None,
    asked: Annotated[str | None, Parameter(query="next", max_length=2000)] = None,
) -> Response[str]:
    """Show the sign-in form; a one-time link is used up by its button only, never by whoever looks at it first."""
    return _form(asked, code=code)


@post("/login", include_in_schema=False)
async def sign_in(
    request: Http,
    runtime: RuntimeDep,
    data: Annotated[SignIn, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[str]:
    """Sign in."""
    if not same_origin(request, runtime.settings.public_url):
        return _form(data.next, FOREIGN, status=403)
    try:
        with limits_of(request).entering.hold(address_of(request)):
            return await _enter(request, runtime, data)
    except Problem as wait:
        return _form(data.next, wait.detail, status=wait.status, headers=wait.headers)


async def _enter(request: Http, runtime: Runtime, data: SignIn) -> Response[str]:
    signed_in, problem = await _signed_in(request, data)
    if signed_in is None:
        await _failed(request, runtime, data)
        return _refuse(request, data, problem)
    await _entered(request, runtime, signed_in)
    return _welcome(request, signed_in, runtime, data.next)


async def _signed_in(request: Http, data: SignIn) -> tuple[SignedIn | None, str]:
    access, limits = access_of(request), limits_of(request)
    if data.code:
        return await redeem_code(access, data.code), BAD_CODE
    if data.token or not data.name:
        return await start_session(access, data.token.strip()), BAD_TOKEN
    limits.logins.check(address_of(request))
    limits.names.check(data.name.strip().lower())
    return await log_in(access, data.name, data.password), BAD_PASSWORD


@post("/logout", include_in_schema=False, status_code=204)
async def sign_out(request: Http, runtime: RuntimeDep) -> Response[None]:
    """End the session."""
    principal, cookie = await identify(request), request.cookies.get(COOKIE)
    if principal is not None and cookie:
        check_csrf(request, principal)
        await end_session(access_of(request), cookie)
        async with with_all_rows(runtime.pool) as db:
            await trail.record(db, request, principal, "logout", principal.actor)
    status = 401 if principal is None else 204
    return Response(None, status_code=status, cookies=[session_cookie(None, runtime.settings)])


def same_origin(request: Http, public_url: str | None) -> bool:
    """Whether a form was sent by a page of ours: what every browser says, and no program but a browser has to."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    ours = {request.headers.get("host", "").lower(), urlsplit(public_url or "").netloc.lower()}
    return urlsplit(origin).netloc.lower() in ours - {""}


def _form(
    asked: str | None, problem: str | None = None, *, status: int = 200, code: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response[str]:  # fmt: skip
    shown = page("login.html", status=status, visitor=None, problem=problem, next=way_back(asked), code=code)
    shown.headers.update(headers or {})
    return shown


def _refuse(request: Http, data: SignIn, problem: str) -> Response[str]:
    """Show the form again; an address or a name that fails too often is told to wait."""
    limits = limits_of(request)
    limits.logins.take(address_of(request))
    if data.name:
        limits.names.take(data.name.strip().lower())
    return _form(data.next, problem, status=401)


async def _failed(request: Http, runtime: Runtime, data: SignIn) -> None:
    """Write a failed log-in down, by the account's id: what was typed as a name may be a password."""
    how = "link" if data.code else "token" if data.token else "password"
    async with with_all_rows(runtime.pool) as db:
        known = await users.by_name(db, data.name.strip().lower()) if how == "password" else None
        what = f"user:{known[0].id}" if known else "unknown"
        await trail.record(db, request, "anonymous", "login", what, outcome="refused", detail={"with": how})


async def _entered(request: Http, runtime: Runtime, signed_in: SignedIn) -> None:
    async with with_all_rows(runtime.pool) as db:
        await trail.record(db, request, signed_in.actor, "login", signed_in.actor)


def _welcome(request: Http, signed_in: SignedIn, runtime: Runtime, asked: str | None) -> Response[str]:
    place = PASSWORD_PAGE if signed_in.choose_password else way_back(asked)
    cookie = session_cookie(signed_in, runtime.settings, https=request.scope["scheme"] == "https")
    return Redirect(place, status_code=303, cookies=[cookie])

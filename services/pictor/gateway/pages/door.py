"""Signing in with a token or a one-time link, and signing out."""

from typing import Annotated

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.response import Redirect
from pydantic import BaseModel, Field

from pictor.gateway.auth import COOKIE, access_of, check_csrf, identify
from pictor.gateway.limits import GatewayLimits
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import way_back
from pictor.gateway.problems import Http, Problem
from pictor.gateway.signin import SignedIn, end_session, redeem_code, session_cookie, start_session
from pictor.gateway.wiring import RuntimeDep

BAD_TOKEN = "This is not a token that works: it may be mistyped, revoked or expired."  # noqa: S105 - a sentence
BAD_CODE = "This link does not work any more: it works once, for ten minutes. Make another, or paste a token."


class SignIn(BaseModel):
    """What the sign-in form sends."""

    token: str = Field(max_length=200)
    next: str = Field(default="", max_length=2000)


@get("/login", include_in_schema=False)
async def show_login(
    request: Http,
    runtime: RuntimeDep,
    code: Annotated[str | None, Parameter(max_length=200)] = None,
    asked: Annotated[str | None, Parameter(query="next", max_length=2000)] = None,
) -> Response[str]:
    """Show the sign-in form, or sign in with a one-time code."""
    if code is None:
        return _form(asked)
    signed_in = await redeem_code(access_of(request), code)
    return _refuse(request, asked, BAD_CODE) if signed_in is None else _welcome(signed_in, runtime, asked)


@post("/login", include_in_schema=False)
async def sign_in(
    request: Http,
    runtime: RuntimeDep,
    data: Annotated[SignIn, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Response[str]:
    """Sign in with a token."""
    signed_in = await start_session(access_of(request), data.token.strip())
    return _refuse(request, data.next, BAD_TOKEN) if signed_in is None else _welcome(signed_in, runtime, data.next)


@post("/logout", include_in_schema=False, status_code=204)
async def sign_out(request: Http, runtime: RuntimeDep) -> Response[None]:
    """End the session."""
    principal, cookie = await identify(request), request.cookies.get(COOKIE)
    if principal is not None and cookie:
        check_csrf(request, principal)
        await end_session(access_of(request), cookie)
    return Response(None, status_code=204, cookies=[session_cookie(None, runtime.settings)])


def _form(asked: str | None, problem: str | None = None, *, status: int = 200) -> Response[str]:
    return page("login.html", status=status, visitor=None, problem=problem, next=way_back(asked))


def _refuse(request: Http, asked: str | None, problem: str) -> Response[str]:
    """Show the form again; an address that fails too often is told to wait."""
    limits: GatewayLimits = request.app.state.limits
    try:
        limits.logins.take(request.client.host if request.client else "")
    except Problem as wait:
        return _form(asked, wait.detail, status=wait.status)
    return _form(asked, problem, status=401)


def _welcome(signed_in: SignedIn, runtime: RuntimeDep, asked: str | None) -> Response[str]:
    return Redirect(way_back(asked), status_code=303, cookies=[session_cookie(signed_in, runtime.settings)])

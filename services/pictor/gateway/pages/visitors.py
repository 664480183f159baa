"""Who looks at a page; nobody without a session gets past the door."""

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote
from uuid import UUID

from litestar import Response
from litestar.handlers import BaseRouteHandler
from litestar.response import Redirect

from pictor.contracts.access import Role, Scope
from pictor.gateway.auth import Connection, Guard, admitted, identify, principal_of
from pictor.gateway.pages.rendering import page
from pictor.gateway.principals import Principal
from pictor.gateway.problems import Http, Problem, answer


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person with a session.

    Parameters
    ----------
    observatories
        Those whose frames may be seen; None means all.
    name, role
        As shown in the corner of every page.
    csrf
        Token that every change made from a page carries.
    may_operate
        Whether modules and parked orders may be seen, paused, put back or discarded.
    may_administer
        Whether there is an observatory whose members, tokens and audit log may be seen.
    principal
        Who it is to the API.
    """

    observatories: list[UUID] | None
    name: str
    role: str
    csrf: str
    may_operate: bool
    may_administer: bool
    principal: Principal

    @classmethod
    def of(cls, principal: Principal) -> "Visitor":
        """See a bearer as a visitor."""
        return cls(
            observatories=principal.observatories,
            name=principal.name,
            role=str(principal.role),
            csrf=principal.csrf or "",
            may_operate=principal.role is Role.SERVER_ADMIN,
            may_administer=principal.role.rank >= Role.OBSERVATORY_ADMIN.rank,
            principal=principal,
        )


class NotSignedInError(Exception):
    """A page was asked for without a session."""


async def let_in(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Find out who is looking; a plugin's token opens no page."""
    principal = await identify(connection)
    if principal is None:
        raise NotSignedInError
    admitted(connection, principal)
    if principal.role is Role.PLUGIN:
        raise Problem("forbidden", "A plugin's token uploads frames; pages need a person or a token with another role.")


def within(scope: Scope) -> Guard:
    """Make a guard for one page: a session of a narrowed token sees what the token may."""

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        if scope not in principal_of(connection).scopes:
            raise Problem("forbidden", f"This page needs the scope {scope}, which your token does not have.")

    return guard


def provide_visitor(request: Http) -> Visitor:
    """Return who was let in."""
    return Visitor.of(principal_of(request))


def show_door(request: Http, _error: NotSignedInError) -> Response[str]:
    """Lead to the sign-in page, and back afterwards; a piece of a page only says that the session is over."""
    if request.headers.get("hx-request") or request.headers.get("sec-fetch-dest") == "empty":
        return Response("", status_code=401, headers={"HX-Redirect": "/login"})
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return Redirect(f"/login?next={quote(asked, safe='/')}", status_code=303)


def show_problem(request: Http, error: Exception) -> Response[str]:
    """Show a refusal as a page; what nobody expected is logged, never shown."""
    refusal = answer(request, error)
    told = refusal.content
    sentence = (
        f"{told.detail} (trace {told.trace_id})" if told.status >= HTTPStatus.INTERNAL_SERVER_ERROR else told.detail
    )
    return page("problem.html", status=told.status, visitor=None, heading=told.title, sentence=sentence)


def way_back(asked: str | None) -> str:
    """Return where to go after signing in: a page of ours, whatever the address says."""
    fits = asked is not None and asked.startswith("/") and not asked.startswith(("//", "/\\", "/login", "/logout"))
    return asked if fits and asked is not None and asked.isprintable() else "/night"

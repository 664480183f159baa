"""Every refusal is RFC 9457 problem+json: a stable code and title, a specific sentence, a trace id."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import TypeAlias

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from pydantic import BaseModel, ValidationError

from pictor.contracts.access import redacted
from pictor.gateway.wording import in_words, said_as
from pictor.runtime.outages import is_outage
from pictor.state.database import VANISHED, WRONG_VALUES

log = structlog.get_logger()

Http: TypeAlias = Request[object, object, State]
"""A request of this gateway."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

CODES: dict[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "bad-json": (400, "The body is not acceptable JSON"),
    "invalid-request": (400, "The request is not valid"),
    "bad-host": (400, "This host is not served"),
    "bad-metadata": (400, "The frame's metadata cannot be read"),
    "unauthenticated": (401, "A token is needed"),
    "forbidden": (403, "This is not allowed"),
    "quota-exceeded": (403, "The observatory's room is used up"),
    "csrf": (403, "The form is out of date"),
    "not-found": (404, "Not found"),
    "method-not-allowed": (405, "The method is not allowed here"),
    "not-acceptable": (406, "The answer is not available in this form"),
    "conflict": (409, "The state does not allow this"),
    "no-masters": (409, "No master fits the light"),
    "precondition-failed": (412, "It was changed in the meantime"),
    "idempotency-in-flight": (409, "The same request is being answered"),
    "too-large": (413, "The body is too large"),
    "uri-too-long": (414, "The address is too long"),
    "unsupported-media-type": (415, "The content type is not accepted"),
    "not-a-frame": (415, "The file is not a frame"),
    "range-not-satisfiable": (416, "The range lies outside the file"),
    "digest-mismatch": (422, "The bytes are not those announced"),
    "idempotency-mismatch": (422, "The key was used for another request"),
    "empty-body": (422, "The body is empty"),
    "bad-bitpix": (422, "The file's pixel type does not exist"),
    "bad-naxis": (422, "The file's axes cannot be true"),
    "bad-tiles": (422, "The file's compressed tiles cannot be true"),
    "control-characters": (422, "The file's header holds characters FITS forbids"),
    "data-truncated": (422, "The file ends before its pixels"),
    "duplicate-structural-keyword": (422, "The file's header contradicts itself"),
    "frame-too-large": (422, "The file claims a frame that is too large"),
    "header-truncated": (422, "The file ends before its header"),
    "length-mismatch": (422, "The file is longer than it says"),
    "no-end-card": (422, "The file's header does not end"),
    "too-many-cards": (422, "The file's header is too long"),
    "too-many-hdus": (422, "The file has too many parts"),
    "too-slow": (408, "The body came too slowly"),
    "incomplete-body": (400, "The body ended early"),
    "invalid-value": (422, "A value is not acceptable"),
    "too-many-requests": (429, "Too many requests"),
    "headers-too-large": (431, "The request's headers are too large"),
    "internal-error": (500, "Something went wrong"),
    "unavailable": (503, "Not available at the moment"),
}
"""Every code with its status and its title, which never changes."""

_BY_STATUS = {
    400: "invalid-request", 401: "unauthenticated", 403: "forbidden", 404: "not-found", 405: "method-not-allowed",
    406: "not-acceptable", 409: "conflict", 413: "too-large", 415: "unsupported-media-type",
    429: "too-many-requests", 503: "unavailable",
}  # fmt: skip

RETRY_AFTER_S = 5


class FieldError(BaseModel):
    """One field that is wrong, and why."""

    field: str
    message: str


class ProblemDetails(BaseModel):
    """The body of every refusal."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldError] = []
    trace_id: str


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A refusal with its code and a sentence for a person."""

    def __init__(
        self, code: str, detail: str, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = CODES[code][0]
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers)
        self.sought: tuple[str, str] | None = None


def not_found(what: str, sought: object = None) -> Problem:
    """Say that something is not there; what belongs to others is not there either (the audit log tells them apart)."""
    problem = Problem("not-found", f"There is no such {what}, or it is not yours to see.")
    problem.sought = None if sought is None else (what, str(sought))
    return problem


def invalid(error: ValidationError, code: str = "invalid-request") -> Problem:
    """Turn pydantic's findings into a refusal that names the fields."""
    errors = [
        FieldError(field=".".join(str(part) for part in one["loc"]) or "body", message=in_words(one["msg"]))
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    detail = "; ".join(f"{one.field}: {one.message}" for one in errors[:5])
    return Problem(code, detail, errors=errors)


def answer(request: Http, error: Exception) -> Response[ProblemDetails]:
    """Make the response of any error; what nobody expected is logged, never shown."""
    problem = as_problem(error, request.scope.get("route_handler"))
    request.scope["state"]["refusal"] = problem
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        level = log.error if problem.code == "internal-error" else log.warning
        level(
            "request failed", path=redacted(request.scope["path"]), reason=redacted(repr(error)),
            trace=trace_of(request), exc_info=error if problem.code == "internal-error" else None,
        )  # fmt: skip
    body = details(problem, instance=request.scope["path"], trace=trace_of(request))
    return Response(body, status_code=problem.status, media_type="application/problem+json", headers=problem.headers)


def details(problem: Problem, *, instance: str, trace: str) -> ProblemDetails:
    """Write a refusal out; tokens in it are blanked."""
    return ProblemDetails(
        type=f"/problems/{problem.code}",
        title=CODES[problem.code][1],
        status=problem.status,
        detail=redacted(problem.detail),
        instance=redacted(instance),
        code=problem.code,
        errors=[FieldError(field=redacted(one.field), message=redacted(one.message)) for one in problem.errors],
        trace_id=trace,
    )


def as_problem(error: Exception, handler: BaseRouteHandler | None = None) -> Problem:
    """Classify any error; the route tells how its parameters are called."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _litestar(error, handler)
    if isinstance(error, WRONG_VALUES):
        return Problem("invalid-request", "A value is outside of what can be kept.")
    if isinstance(error, VANISHED):
        return Problem("conflict", "What this belongs to was removed at this moment.")
    if is_outage(error):
        return Problem(
            "unavailable", "A server Pictor needs does not answer; try again shortly.",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )  # fmt: skip
    return Problem("internal-error", "The request could not be answered; the log has the reason under this trace id.")


def _litestar(error: HTTPException, handler: BaseRouteHandler | None) -> Problem:
    code = _BY_STATUS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal-error")
    if code == "internal-error":
        return Problem(code, "The request could not be answered; the log has the reason under this trace id.")
    details = {
        "not-found": "There is nothing at this address.",
        "method-not-allowed": "This address does not take this method.",
    }
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [_parameter(one, handler) for one in extra if isinstance(one, dict)]
    told = "; ".join(f"{one.field}: {one.message}" for one in errors)
    return Problem(code, details.get(code) or told or error.detail, errors=errors, headers=error.headers or {})


def _parameter(found: Mapping[str, object], handler: BaseRouteHandler | None) -> FieldError:
    name, choices = said_as(handler, str(found.get("key", "request")))
    return FieldError(field=name, message=in_words(str(found.get("message", "")), choices))


def trace_of(request: Http) -> str:
    """Return the id under which the log knows this request."""
    return str(request.scope["state"].get("trace_id", "-"))

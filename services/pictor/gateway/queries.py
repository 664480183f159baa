"""Query parameters: each known and said once, so that a misspelt filter narrows nothing by surprise."""

import re
from functools import lru_cache
from typing import cast

from litestar.handlers import BaseRouteHandler
from litestar.types.internal_types import PathParameterDefinition

from pictor.gateway.problems import FieldError, Http, Problem

NUMBERS = frozenset({"page", "limit"})
NUMBER = re.compile("-?[0-9]{1,15}")
"""How a number is written: what Python would take for one, as 1e3 or 1_000, was meant for another program."""


async def check_query(request: Http) -> None:
    """Refuse parameters a route does not know, and those that come twice."""
    said = [name for name, _ in request.query_params.multi_items()]
    if not said:
        return
    handler: BaseRouteHandler = request.scope["route_handler"]
    known, many = parameters(handler, frozenset(request.path_params))
    unread = [
        FieldError(field=name, message="is no whole number")
        for name, value in request.query_params.multi_items()
        if name in NUMBERS and not NUMBER.fullmatch(value)
    ]
    wrong = unread + [
        FieldError(field=name, message="comes twice" if name in known else "is not known here")
        for name in dict.fromkeys(said)
        if name not in known or (said.count(name) > 1 and name not in many)
    ]
    if wrong:
        told = "; ".join(f"{one.field} {one.message}" for one in wrong[:5])
        names = ", ".join(sorted(known)) or "none"
        raise Problem("invalid-request", f"{told}. Parameters here: {names}.", errors=wrong[:20])


@lru_cache(maxsize=512)
def parameters(handler: BaseRouteHandler, path: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the query parameters a route takes, and which of them may come more than once."""
    named = cast("dict[str, PathParameterDefinition]", dict.fromkeys(path))
    expected = handler.create_kwargs_model(path_parameters=named).expected_query_params
    return (
        frozenset(one.field_alias for one in expected),
        frozenset(one.field_alias for one in expected if one.is_sequence),
    )

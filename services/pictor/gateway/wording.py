"""Parameters a request got wrong, in words: the name it uses, what was meant, what is allowed."""

import re
from enum import Enum
from types import UnionType
from typing import get_args, get_type_hints

from litestar.handlers import BaseRouteHandler

TYPES = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Expected `\w+` of length (?:<=|<) (\S+)"), "must have at most {} characters"),
    (re.compile(r"Expected `\w+` of length (?:>=|>) (\S+)"), "must have at least {} characters"),
    (re.compile(r"Expected `\w+` >= (\S+)"), "must be at least {}"),
    (re.compile(r"Expected `\w+` <= (\S+)"), "must be at most {}"),
    (re.compile(r"Expected `\w+` > (\S+)"), "must be more than {}"),
    (re.compile(r"Expected `\w+` < (\S+)"), "must be less than {}"),
)
"""What the decoder of parameters says, and how a person says it."""


def in_words(message: str, choices: tuple[str, ...] = ()) -> str:
    """Say a complaint of a decoder so that a person knows what to send."""
    if choices and message.startswith("Invalid enum value"):
        sent = message.removeprefix("Invalid enum value ")
        return f"is {sent}; it may be {', '.join(choices)}"
    for pattern, words in PATTERNS:
        if found := pattern.fullmatch(message):
            return words.format(found[1])
    if found := re.fullmatch(r"Expected `([\w |]+)`, got `\w+`", message):
        wanted = [TYPES[one] for one in found[1].split(" | ") if one in TYPES]
        return f"must be {' or '.join(wanted)}" if wanted else message
    if message == "Invalid RFC3339 encoded datetime":
        return "must be a time such as 2026-03-10T22:00:00Z"
    return message.removeprefix("Value error, ")


def said_as(handler: BaseRouteHandler | None, parameter: str) -> tuple[str, tuple[str, ...]]:
    """Return the name a request uses for a parameter of a route, and the values it may have where they are listed."""
    if handler is None:
        return parameter, ()
    field = handler.parsed_fn_signature.parameters.get(parameter)
    if field is not None:
        name = getattr(field.kwarg_definition, "query", None) or parameter
        return name, _listed(field.annotation)
    provided = (get_type_hints(one.dependency) for one in handler.resolve_dependencies().values())
    return parameter, next((_listed(hints[parameter]) for hints in provided if parameter in hints), ())


def _listed(annotation: object) -> tuple[str, ...]:
    types = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    found = [one for one in types if isinstance(one, type) and issubclass(one, Enum)]
    return tuple(str(value.value) for one in found for value in one)

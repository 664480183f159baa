"""JSON from strangers: bounded, one meaning only, no surprises for what comes after."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from pictor.gateway.digests import check_announced
from pictor.gateway.problems import Http, Problem, invalid

MAX_JSON_BYTES = 1_000_000
MAX_DEPTH = 32

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None
Model = TypeVar("Model", bound=BaseModel)


async def chunks_of(request: Http) -> AsyncIterator[bytes]:
    """Read the body as it arrives, at the pace the shield asks for; one that ends early raises."""
    while True:
        event = await request.receive()
        if event["type"] == "http.disconnect":
            raise Problem("incomplete-body", "The connection was lost before the body was complete.")
        if event["type"] == "http.request":
            if event["body"]:
                yield event["body"]
            if not event.get("more_body", False):
                return


async def body_of(request: Http, model: type[Model], *, optional: bool = False) -> Model:
    """Read the body of a request as a model; fields it does not know are refused."""
    raw = b""
    async for chunk in chunks_of(request):
        raw += chunk
        if len(raw) > MAX_JSON_BYTES:
            raise Problem("too-large", f"A JSON body may have {MAX_JSON_BYTES} bytes.")
    check_announced(request, hashlib.sha256(raw).hexdigest())
    if not raw.strip() and optional:
        return model()
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Problem("unsupported-media-type", f"Send application/json; this is {content_type or 'unnamed'}.")
    check_json(raw)
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise invalid(error) from error


def check_json(raw: bytes) -> Json:
    """Refuse JSON that is deep, ambiguous or not JSON, and return what it says."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("bad-json", f"The JSON is not UTF-8: byte {error.start}.") from error
    if _depth(text) > MAX_DEPTH:
        raise Problem("bad-json", f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    try:
        value: Json = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
    except ValueError as error:
        raise Problem("bad-json", f"This is not JSON: {error}") from error
    _check_text(value)
    return value


def _depth(text: str) -> int:
    """Return how deep brackets nest, without recursion; strings are passed over."""
    depth = deepest = position = 0
    while position < len(text):
        letter = text[position]
        if letter == '"':
            position += 1
            while position < len(text) and text[position] != '"':
                position += 2 if text[position] == "\\" else 1
        elif letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
        position += 1
    return deepest


def _unique(pairs: list[tuple[str, Json]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem("bad-json", "The JSON names the same field twice.")
    return found


def _constant(name: str) -> NoReturn:
    raise Problem("bad-json", f"{name} is not a JSON number.")


def _check_text(value: Json) -> None:
    """Refuse text that a database or a page cannot keep."""
    if isinstance(value, dict):
        for name, one in value.items():
            _check_text(name)
            _check_text(one)
    elif isinstance(value, list):
        for one in value:
            _check_text(one)
    elif isinstance(value, str) and ("\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value)):
        raise Problem("bad-json", "The JSON holds text with NUL or half characters.")

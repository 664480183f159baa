"""The strict way from a line a child wrote to a result: a child that was taken over writes what it likes."""

import json
import math
import re
from typing import NoReturn

from pictor.imaging.errors import ImagingError
from pictor.runtime.child.enclosure import Level
from pictor.runtime.child.errors import ChildError, ChildOutOfMemory

REASON = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LONGEST = 4000


def result_of(line: bytes, call: int) -> dict[str, object]:
    """Read one answer.

    Parameters
    ----------
    line
        What came over the channel.
    call
        Number of the call that was asked; an answer to any other is garbage.

    Raises
    ------
    ImagingError
        If the function found the frame at fault.
    ChildOutOfMemory
        If it ran out of memory.
    ChildError
        If it raised anything else, or if this is no answer (``garbage``).
    """
    answer = _parsed(line)
    if answer.get("call") != call:
        raise _garbage("it answers another call")
    if "imaging" in answer:
        reason = str(answer.get("reason"))
        if not REASON.fullmatch(reason):
            raise _garbage(f"its reason class is {reason[:40]!r}")
        raise ImagingError(_clean(answer["imaging"]), reason=reason)
    if "memory" in answer:
        raise ChildOutOfMemory(_clean(answer["memory"]))
    if "error" in answer:
        reason = str(answer.get("reason", ""))
        raise ChildError(
            _clean(answer["error"]),
            traceback=str(answer.get("traceback", ""))[:_LONGEST],
            reason=reason if REASON.fullmatch(reason) else "child-error",
        )
    result = answer.get("result")
    if not isinstance(result, dict):
        raise _garbage(f"the function returned {type(result).__name__}, not a dict")
    return result


def level_of(answer: dict[str, object]) -> Level:
    """Read how far a child could be enclosed."""
    found = answer.get("enclosure")
    return Level(**found) if isinstance(found, dict) else Level()


def _parsed(line: bytes) -> dict[str, object]:
    try:
        answer = json.loads(line, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _garbage(f"{type(error).__name__}") from error
    if not isinstance(answer, dict):
        raise _garbage(f"it is {type(answer).__name__}, not an object")
    return answer


def _garbage(what: str) -> ChildError:
    return ChildError(f"the child's answer is garbage: {what}", reason="garbage")


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def _clean(value: object) -> str:
    """One printable sentence."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))[:_LONGEST]

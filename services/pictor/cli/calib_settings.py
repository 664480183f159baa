"""Calibration settings on the terminal: how they are written, shown and changed."""

from typing import Any

from pictor.cli.client import CommandError
from pictor.imaging.matching.policy import RANGES, Policy, PolicyError, validate


def read_settings(said: list[str]) -> dict[str, Any]:
    """Read settings written as NAME=VALUE and hold each against its range."""
    found: dict[str, Any] = {}
    for text in said:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise CommandError(f"write a setting as NAME=VALUE, such as min_frames=15, not {text!r}", 2)
        if name in found:
            raise CommandError(f"{name} is given twice", 2)
        found[name] = _value(name, value)
    try:
        validate(found)
    except PolicyError as error:
        raise CommandError(str(error), 2) from error
    return found


def _value(name: str, text: str) -> str | int | float:
    """Read a value in the type of its setting; a wrong one stays text, which the policy then refuses."""
    if name not in RANGES:
        return text
    try:
        return int(text) if isinstance(getattr(Policy(), name), int) else float(text)
    except ValueError:
        return text

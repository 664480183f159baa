"""Text of headers and numbers as HTML: nothing a header says becomes markup."""

import html
import math
import os
import re
from datetime import datetime
from urllib.parse import quote

DASH = "\N{EN DASH}"


def text(value: object) -> str:
    """Write any value as text of a page; control characters and text direction marks are taken out."""
    return html.escape("".join(letter if letter.isprintable() else " " for letter in str(value)), quote=True)


def file_name(value: object) -> str:
    """Write a name of a file, which may be broken behind its signs before it is broken anywhere."""
    return re.sub(r"([_/+]+)(?=\w)", r"\1<wbr>", text(value))


def number(value: object, digits: int = 1, *, unit: str = "") -> str:
    """Write a number with so many digits behind the point; a dash where it is not known."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return DASH
    return f"{value:,.{digits}f}".replace(",", "\N{THIN SPACE}") + (f"\N{NO-BREAK SPACE}{unit}" if unit else "")


def duration(seconds: float | None) -> str:
    """Write a time span as people say it."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def clock(start: str | None, *, year: bool = False) -> str:
    """Write the start of an exposure, with the year where lights are of several."""
    if not start:
        return DASH
    try:
        return datetime.fromisoformat(start).strftime("%Y-%m-%d %H:%M" if year else "%m-%d %H:%M")
    except ValueError:
        return text(start)


def link(path: str, shown: str) -> str:
    """Link a file beside the report."""
    return linked(path, file_name(shown))


def linked(path: str, markup: str) -> str:
    """Let a part of the page lead to a file beside the report."""
    return f'<a href="{quote(os.fsencode(path))}">{markup}</a>'

"""Numbers, times and places as people read them."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

NOTHING = "\N{EN DASH}"
"""Shown for what is not known: never a zero."""

_FILTERS = {
    "l": "lum", "lum": "lum", "luminance": "lum", "clear": "lum", "uv/ir": "lum",
    "r": "red", "red": "red", "rp": "red",
    "g": "green", "green": "green", "gp": "green", "v": "green",
    "b": "blue", "blue": "blue",
    "ha": "ha", "h-alpha": "ha", "halpha": "ha", "h": "ha",
    "oiii": "oiii", "o3": "oiii", "o": "oiii",
    "sii": "sii", "s2": "sii", "s": "sii",
}  # fmt: skip
"""Filters with a colour of their own, the same on every page."""


def number(value: float | None, digits: int = 2) -> str:
    """Format a number with fixed digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{digits}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def clock(moment: datetime | None) -> str:
    """Time of day in UTC."""
    return NOTHING if moment is None else f"{moment.astimezone(UTC):%H:%M:%S}"


def stamp(moment: datetime | None) -> str:
    """Date and time in UTC."""
    return NOTHING if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def span(seconds: float | None) -> str:
    """Format a length of time by its largest fitting unit."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.0f} d"


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago something was."""
    if moment is None:
        return NOTHING
    seconds = max(0.0, ((now or datetime.now(UTC)) - moment).total_seconds())
    return f"{seconds:.0f} s" if seconds < 60 else span(seconds)


def size(count: int) -> str:
    """Format a number of bytes."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def hours(ra_deg: float | None) -> str:
    """Right ascension as hh:mm:ss.ss."""
    if ra_deg is None:
        return NOTHING
    hundredths = round(ra_deg / 15 * 360000) % (24 * 360000)
    whole, rest = divmod(hundredths, 360000)
    return f"{whole:02d}:{rest // 6000:02d}:{rest % 6000 / 100:05.2f}"


def degrees(dec_deg: float | None) -> str:
    """Declination as ±dd:mm:ss.s."""
    if dec_deg is None:
        return NOTHING
    tenths = round(abs(dec_deg) * 36000)
    whole, rest = divmod(tenths, 36000)
    sign = "\N{MINUS SIGN}" if dec_deg < 0 and tenths else "+"
    return f"{sign}{whole:02d}:{rest // 600:02d}:{rest % 600 / 10:04.1f}"


def angle(arcsec: float | None) -> str:
    """Format a small angle by a fitting unit."""
    if arcsec is None or not math.isfinite(arcsec):
        return NOTHING
    if abs(arcsec) < 100:
        return f"{arcsec:.1f}\N{DOUBLE PRIME}"
    if abs(arcsec) < 6000:
        return f"{arcsec / 60:.1f}\N{PRIME}"
    return f"{arcsec / 3600:.2f}°"


def filter_class(name: str | None) -> str:
    """Name of the colour of a filter: one of a fixed set, whatever the header says."""
    return _FILTERS.get((name or "").strip().lower(), "other")


def card(value: object) -> str:
    """Write a header value as the header does."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return "" if value is None else str(value)


def tile_source(parameters: Mapping[str, object]) -> str:
    """Say in JSON what the viewer has to know about a picture's tiles."""
    return json.dumps({name: parameters.get(name) for name in ("width", "height", "tile_size", "levels")})


FORMATS = {
    "number": number,
    "clock": clock,
    "stamp": stamp,
    "span": span,
    "age": age,
    "size": size,
    "hours": hours,
    "degrees": degrees,
    "angle": angle,
    "filter_class": filter_class,
    "card": card,
    "tile_source": tile_source,
}

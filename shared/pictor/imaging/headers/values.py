"""Fuzzy values of header cards: numbers with units, angles in four spellings, times in six."""

import math
import re
from datetime import UTC, datetime, timedelta, timezone

from pictor.imaging.fits.cards import CardValue

_NUMBER = re.compile(r"([+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eEdD][+-]?\d+)?)\s*(?:[A-Za-z°%\"']\S{0,11})?\Z")
_SEXAGESIMAL = re.compile(
    r"([+-]?)\s*(\d{1,3})\s*[hHdD°:\s]\s*(\d{1,2}(?:\.\d*)?)"
    r"(?:\s*[mM'′:\s]\s*(\d{1,2}(?:\.\d*)?)?)?\s*[sS\"″]?\Z"  # noqa: RUF001
)
_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?\Z"
)
_OLD_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})\Z")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?\Z")
_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_OLD_CENTURY = 1900
_YEARS = range(1850, 2100)


def number(value: CardValue) -> float | None:
    """Read a finite number, also from text such as ``060.00``, ``12,5`` or ``44 C``; None if there is none."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _NUMBER.match(value.strip())
        if match is None:
            return None
        value = match.group(1).replace(",", ".").upper().replace("D", "E")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def is_sexagesimal(value: CardValue) -> bool:
    """Tell whether a value is text of hours or degrees with minutes, such as ``18 53 34.9`` or ``18h53m``."""
    return isinstance(value, str) and _SEXAGESIMAL.match(value.strip()) is not None


def angle(value: CardValue, *, hours: bool) -> float | None:
    """Read an angle in degrees.

    Parameters
    ----------
    value
        A number, or text: ``18 53 34.9``, ``18:53:34.9``, ``18h53m34.9s``, ``-31 16 24``, ``18 53.6``, ``283.4``.
    hours
        Whether sexagesimal text and numbers up to 24 count hours.
    """
    if isinstance(value, str):
        match = _SEXAGESIMAL.match(value.strip())
        if match is not None:
            sign, whole, minutes, seconds = match.groups()
            degrees = int(whole) + float(minutes) / 60 + float(seconds or 0) / 3600
            return (-degrees if sign == "-" else degrees) * (15 if hours else 1)
    plain = number(value)
    if plain is not None and hours and abs(plain) < 24:
        return plain * 15
    return plain


def moment(date: CardValue, clock: CardValue = None) -> datetime | None:
    """Read a moment in UTC; None when the text is no date that exists.

    Parameters
    ----------
    date
        ISO 8601 with any number of decimals and an optional offset, or the old ``dd/mm/yy``.
    clock
        Time of day, used when the date carries none.
    """
    if not isinstance(date, str):
        return None
    try:
        return _moment(date.strip(), clock.strip() if isinstance(clock, str) else "")
    except (ValueError, OverflowError):
        return None


def _moment(date: str, clock: str) -> datetime | None:
    iso, old = _ISO.match(date), _OLD_DATE.match(date)
    if iso is not None:
        year, month, day, hour, minute, second, decimals, zone = iso.groups()
        start = datetime(int(year), int(month), int(day), tzinfo=_zone(zone))
    elif old is not None:
        day, month, year = old.groups()
        start = datetime(int(year) + (_OLD_CENTURY if len(year) == 2 else 0), int(month), int(day), tzinfo=UTC)
        hour = None
    else:
        return None
    if start.year not in _YEARS:
        return None
    if hour is None:
        time = _CLOCK.match(clock)
        if time is None:
            return None
        hour, minute, second, decimals = time.groups()
    return (start + _duration(hour, minute, second, decimals)).astimezone(UTC)


def _duration(hour: str, minute: str, second: str | None, decimals: str | None) -> timedelta:
    """Turn a time of day into a span; 60 counts as the leap second it may be."""
    if int(hour) > 24 or int(minute) > 59 or int(second or 0) > 60:
        raise ValueError(hour)
    fraction = float(f"0.{decimals}") if decimals else 0.0
    return timedelta(hours=int(hour), minutes=int(minute), seconds=int(second or 0) + fraction)


def _zone(text: str | None) -> timezone:
    if not text or text in {"Z", "UTC"}:
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def julian(value: CardValue, *, modified: bool) -> datetime | None:
    """Read a (modified) Julian date as a moment in UTC."""
    days = number(value)
    if days is None:
        return None
    days -= 0 if modified else 2_400_000.5
    if not -10_000 < days < 90_000:
        return None
    return _MJD_EPOCH + timedelta(days=days)


def iso(time: datetime) -> str:
    """Write a moment as ISO 8601 text in UTC with a final Z."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

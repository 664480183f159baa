"""Cards a person sets by hand: which may be set, and what they may hold."""

import re
from functools import cache

from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.cards import COMMENTARY, Card, CardValue, parse_value
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.headers.programs import programs
from pictor.imaging.headers.reader import RANGES
from pictor.imaging.headers.values import moment
from pictor.imaging.products import is_input_card

_KEYWORD = re.compile(r"[A-Z][A-Z0-9_-]{0,7}\Z")
_OURS = re.compile(
    r"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|TFIELDS|T(TYPE|FORM|UNIT|DIM|NULL|SCAL|ZERO|DISP)\d*"
    r"|Z[A-Z]+\d*|BSCALE|BZERO|BLANK|BUNIT|CHECKSUM|DATASUM|END|CONTINUE|HIERARCH|CREATOR|EXTNAME|INHERIT|THEAP)\Z"
)
_LONGEST = 200
_UNITS = {
    "_s": ("s", ("s", "sec", "seconds")),
    "_c": ("degC", ("c", "degc", "celsius")),
    "_um": ("um", ("um", "micron", "microns")),
    "_mm": ("mm", ("mm",)),
    "_deg": ("deg", ("deg", "degree", "degrees")),
    "_m": ("m", ("m", "metres", "meters")),
    "_adu": ("adu", ("adu",)),
    "egain": ("electron/adu", ("e-/adu", "electron/adu", "e/adu")),
}
_PLACES = {
    "target_ra_deg": "target", "target_dec_deg": "target", "ra_deg": "target", "dec_deg": "target",
    "site_latitude_deg": "site", "site_longitude_deg": "site", "site_elevation_m": "site", "target_name": "target",
}  # fmt: skip
"""Fields that go together with others."""
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)(?:\s+(\S.{0,14}))?\Z")


def set_card(keyword: str, value: CardValue) -> Card:
    """Check a card that a person sets.

    Parameters
    ----------
    keyword
        At most eight letters, digits, hyphens and underscores. Cards that describe the data, world coordinates,
        checksums and provenance cannot be set.
    value
        Text, number or truth value; text that reads as a number is one. A number may be followed by its unit when the
        keyword is one Pictor knows, as in ``FOCALLEN=530 mm``.

    Returns
    -------
    Card
        The card, its unit in the comment.

    Raises
    ------
    ImagingError
        ``bad-card``, saying what may be set instead.

    Examples
    --------
    >>> set_card("FOCALLEN", "530 mm")
    Card(keyword='FOCALLEN', value=530, comment='[mm] set by hand')
    """
    name = keyword.strip().upper()
    _require_settable(name)
    field = _fields().get(name, "")
    if field in _PLACES:
        raise ImagingError(f"{name} is a position; give it with the {_PLACES[field]}", reason="bad-card")
    if field in RANGES:
        return _number_card(name, field, value)
    plain = parse_value(value.strip()) if isinstance(value, str) else value
    if isinstance(plain, str):
        _require_text(name, plain)
    if field in {"start_utc", "mid_utc"} and moment(plain) is None:
        raise ImagingError(f"{name} is {plain!r}; write a time such as 2026-11-21T23:05:00 (UTC)", reason="bad-card")
    return Card(name, plain, "set by hand")


def _require_settable(name: str) -> None:
    if not _KEYWORD.match(name):
        raise ImagingError(
            f"{name[:20]!r} is no keyword; it has at most 8 letters, digits, hyphens and underscores", reason="bad-card"
        )
    if is_stale(name):
        raise ImagingError(f"{name} is part of the world coordinates; pictor solve writes those", reason="bad-card")
    if _OURS.match(name) or name in COMMENTARY or is_input_card(name):
        raise ImagingError(f"{name} describes the file itself and cannot be set", reason="bad-card")


def _require_text(name: str, text: str) -> None:
    bad = sorted({letter for letter in text if not " " <= letter <= "~"})
    if bad:
        shown = ", ".join(f"U+{ord(letter):04X}" for letter in bad[:3])
        raise ImagingError(f"the value of {name} holds {shown}; a header holds plain ASCII text", reason="bad-card")
    if len(text) > _LONGEST:
        raise ImagingError(
            f"the value of {name} has {len(text)} letters; at most {_LONGEST} are kept", reason="bad-card"
        )


def _number_card(name: str, field: str, value: CardValue) -> Card:
    """Read a number in the unit of its field, and within the range of what can be."""
    text = "" if value is None or isinstance(value, bool) else str(value).strip()
    parts = _NUMBER.match(text)
    low, high = RANGES[field]
    unit, spellings = next((known for ending, known in _UNITS.items() if field.endswith(ending)), ("", ()))
    if parts is None:
        raise ImagingError(f"{name} is {text[:40]!r}; it is a number{f' in {unit}' if unit else ''}", reason="bad-card")
    said = (parts[2] or "").strip().lower()
    if said and said not in spellings:
        known = f"in {unit}" if unit else "without unit"
        raise ImagingError(f"{name} is given in {said[:15]!r}; write it {known}", reason="bad-card")
    number = parse_value(parts[1])
    if not isinstance(number, int | float) or not low <= number <= high:
        raise ImagingError(f"{name} is {parts[1]}; it can be {low:g} to {high:g} {unit}".rstrip(), reason="bad-card")
    return Card(name, number, f"[{unit}] set by hand" if unit else "set by hand")


@cache
def _fields() -> dict[str, str]:
    """Name the field every known keyword fills."""
    generic = programs()[-1]
    return {alias.keyword: field for field, aliases in reversed(tuple(generic.fields.items())) for alias in aliases}

"""Targets by name, without any network: Messier's, Caldwell's and other often photographed objects."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from pictor.imaging.errors import ImagingError
from pictor.imaging.headers.values import angle, is_sexagesimal

CATALOGUE = "Pictor's list of targets"
_PREFIXES = {
    "messier": "m",
    "c": "caldwell",
    "cald": "caldwell",
    "b": "barnard",
    "barnard": "barnard",
    "sharpless2": "sh2",
}
_CODE = re.compile(r"([a-z]+(?:2(?=-))?)-?0*(\d+)([a-z]?)\Z")
_BOTH = re.compile(r"\s*(\S.*?)\s*(?:,\s*|\s+(?=[+-])|\s+(?=\d+(?:\.\d*)?\s*\Z))([+-]?\d.*?)\s*\Z")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a target is, and who says so.

    Parameters
    ----------
    name
        Its name as it is written.
    ra_deg, dec_deg
        Position, ICRS, in degrees.
    source
        Where the position comes from.
    """

    name: str
    ra_deg: float
    dec_deg: float
    source: str = CATALOGUE


def find_target(text: str, own: Mapping[str, Target] | None = None) -> Target:
    """Find a target by name, or read a position.

    Parameters
    ----------
    text
        A name (``M 51``, ``NGC7000``, ``North_America_Nebula``), or right ascension and declination, in degrees or as
        ``20 59 17, +44 31 44``.
    own
        Targets of one's own by name; they go before the catalogue.

    Returns
    -------
    Target
        The target; the name is that of ``text``.

    Raises
    ------
    ImagingError
        ``unknown-target``, with names that look alike.

    Examples
    --------
    >>> found = find_target("NGC7000")
    >>> f"{found.ra_deg:.2f} {found.dec_deg:+.2f}"
    '314.82 +44.52'
    """
    key = plain_name(text)
    for name, target in (own or {}).items():
        if plain_name(name) == key:
            return target
    found = _catalogue().get(key)
    if found is not None:
        return Target(" ".join(text.replace("_", " ").split()), found.ra_deg, found.dec_deg)
    read = read_position(text)
    if read is not None:
        return Target("", *read, "as given")
    alike = [_catalogue()[name].name for name in get_close_matches(key, _catalogue(), n=3)] if key else []
    hint = f"; similar names are {', '.join(dict.fromkeys(alike))}" if alike else ""
    raise ImagingError(
        f"target {text!r} is not in the catalogue{hint}. Give its position, or a YAML file of your own targets",
        reason="unknown-target",
    )


def read_position(text: str) -> tuple[float, float] | None:
    """Read right ascension and declination from one text; None when it holds no position.

    Parameters
    ----------
    text
        Two numbers in degrees, or hours and degrees with minutes and seconds, with a comma or a sign between.
    """
    parts = _BOTH.match(text)
    if parts is None:
        return None
    ra, dec = angle(parts[1], hours=is_sexagesimal(parts[1])), angle(parts[2], hours=False)
    if ra is None or dec is None or not (0 <= ra <= 360 and -90 <= dec <= 90):
        return None
    return ra % 360.0, dec


def own_targets(values: Mapping[str, object]) -> dict[str, Target]:
    """Take targets of one's own: by name, ``{ra: ..., dec: ...}`` or ``"RA DEC"``.

    Parameters
    ----------
    values
        As a YAML file holds them.

    Returns
    -------
    dict
        The targets by name.

    Raises
    ------
    ImagingError
        ``bad-target`` for an entry that holds no position.
    """
    found = {}
    for name, value in values.items():
        text = f"{value.get('ra')}, {value.get('dec')}" if isinstance(value, Mapping) else str(value)
        position = read_position(text)
        if position is None:
            raise ImagingError(
                f"target {name!r} has no position; write {{ra: 20 59 17, dec: +44 31 44}} or degrees",
                reason="bad-target",
            )
        found[str(name)] = Target(str(name), *position, "own list")
    return found


def plain_name(text: str) -> str:
    """Reduce a name to what tells it from others: no blanks, one spelling of each catalogue."""
    letters = re.sub(r"[\s_.'`]+", "", text.casefold()).removeprefix("the")
    code = _CODE.match(letters)
    if code is None:
        return re.sub(r"[^\w]+", "", letters)
    return f"{_PREFIXES.get(code[1], code[1])}{code[2]}{code[3]}"


@cache
def _catalogue() -> dict[str, Target]:
    text = (files("pictor.imaging.headers.catalogues") / "targets.csv").read_text(encoding="utf-8")
    found: dict[str, Target] = {}
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        ra, dec = angle(row["ra"], hours=True), angle(row["dec"], hours=False)
        if ra is None or dec is None:
            raise ValueError(f"targets.csv: {row['name']} has no position")
        for name in filter(None, (row["name"], *row["also"].split("|"))):
            found.setdefault(plain_name(name), Target(name, ra, dec))
    return found

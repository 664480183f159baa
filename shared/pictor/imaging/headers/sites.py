"""Sites by name or Minor Planet Center code, and where the telescopes of iTelescope.net stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from pictor.imaging.errors import ImagingError
from pictor.imaging.headers.observation import Site

_HIGHEST_M, _LOWEST_M = 9000.0, -500.0


@dataclass(frozen=True, slots=True)
class NamedSite:
    """A site with its name.

    Parameters
    ----------
    name
        Name of the observatory.
    site
        Where it stands.
    code
        Code of the Minor Planet Center; empty without one.
    """

    name: str
    site: Site
    code: str = ""


def find_site(name: str) -> NamedSite:
    """Find a site of the catalogue by its MPC code or its name.

    Parameters
    ----------
    name
        Such as ``H06``, ``Mayhill`` or ``Siding Spring``; letters of either case are the same.

    Returns
    -------
    NamedSite
        The site.

    Raises
    ------
    ImagingError
        ``unknown-site``, with the names that are known.

    Examples
    --------
    >>> find_site("siding spring").code
    'Q62'
    """
    found = _by_name().get(_plain(name))
    if found is None:
        known = ", ".join(f"{one.code} ({one.name})" for one in _catalogue()[0])
        raise ImagingError(
            f"site {name!r} is not known; known are {known}. Give any other as LATITUDE,LONGITUDE,ELEVATION "
            "(degrees north and east, metres)",
            reason="unknown-site",
        )
    return found


def site_of_telescope(telescope: str) -> NamedSite | None:
    """Find where a telescope of iTelescope.net stands.

    Parameters
    ----------
    telescope
        Such as ``T20``.

    Returns
    -------
    NamedSite or None
        None when the catalogue does not place it.
    """
    return _catalogue()[1].get(telescope.strip().upper())


def own_site(values: Mapping[str, object]) -> NamedSite:
    """Take a site of one's own.

    Parameters
    ----------
    values
        ``latitude_deg``, ``longitude_deg`` (east positive), and if known ``elevation_m``, ``name``, ``timezone``.

    Returns
    -------
    NamedSite
        The site.

    Raises
    ------
    ImagingError
        ``bad-site`` when a number is missing or cannot be.
    """
    latitude, longitude = _number(values, "latitude_deg"), _number(values, "longitude_deg")
    elevation = _number(values, "elevation_m") if values.get("elevation_m") is not None else 0.0
    if not (-90 <= latitude <= 90 and -360 <= longitude <= 360 and _LOWEST_M <= elevation <= _HIGHEST_M):
        raise ImagingError(
            f"a site at {latitude:g}, {longitude:g} degrees and {elevation:g} m is not on the ground", reason="bad-site"
        )
    zone = values.get("timezone")
    if zone is not None:
        try:
            ZoneInfo(str(zone))
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ImagingError(
                f"time zone {zone!r} is not known; write one such as Europe/Madrid", reason="bad-site"
            ) from error
    east = (longitude + 180.0) % 360.0 - 180.0
    name = str(values.get("name") or "")
    return NamedSite(
        name, Site(latitude, east, elevation, None if zone is None else str(zone)), str(values.get("code") or "")
    )


@cache
def _catalogue() -> tuple[tuple[NamedSite, ...], dict[str, NamedSite], dict[str, NamedSite]]:
    text = (files("pictor.imaging.headers.catalogues") / "sites.yaml").read_text(encoding="utf-8")
    sites: list[NamedSite] = []
    telescopes: dict[str, NamedSite] = {}
    names: dict[str, NamedSite] = {}
    for entry in yaml.safe_load(text)["sites"]:
        found = own_site(entry)
        sites.append(found)
        telescopes |= dict.fromkeys(entry["telescopes"], found)
        names |= dict.fromkeys(map(_plain, (found.code, found.name, *entry["also"])), found)
    return tuple(sites), telescopes, names


def _by_name() -> dict[str, NamedSite]:
    return _catalogue()[2]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _number(values: Mapping[str, object], name: str) -> float:
    value = values.get(name)
    try:
        return float(str(value))
    except ValueError:
        raise ImagingError(f"{name} of a site is {value!r}, not a number", reason="bad-site") from None

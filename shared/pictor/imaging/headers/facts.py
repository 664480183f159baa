"""Decide which site, position and names count, and gather the facts of an observation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from pictor.imaging.headers.night import night
from pictor.imaging.headers.observation import Site, circumstances, sexagesimal

Values = Mapping[str, object]

_SITE_DISAGREEMENT_DEG = 0.1


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of one observation, JSON-able, and what a person should know about them."""

    values: dict[str, object]
    warnings: list[str]


def gather(description: Values, *, site: Values, position: Sequence[float] | None, upload: Values) -> Facts:
    """Gather the facts of an observation.

    Parameters
    ----------
    description
        The header in Pictor's vocabulary.
    site
        The registered site; may be empty.
    position
        Solved centre; None before the frame is solved.
    upload
        What the upload form said; the header wins, a disagreement is a warning.

    Returns
    -------
    Facts
        Facts that cannot be computed are absent, with a warning that says what is missing.
    """
    warnings: list[str] = []
    place = choose_site(description, site, warnings)
    values = _names(description, site, upload, warnings)
    start, mid = _moment(description.get("start_utc")), _moment(description.get("mid_utc"))
    if start is not None:
        found = night(
            start,
            longitude_deg=place.longitude_deg if place else None,
            timezone=place.timezone if place else None,
            utc_offset_h=_number(description.get("utc_offset_h")),
        )
        values["night"] = found.isoformat() if found else None
    if mid is not None:
        values["mid_utc"] = description["mid_utc"]
    if place is not None:
        values |= {f"site_{name}": value for name, value in asdict(place).items() if name != "timezone"}
    look = choose_position(description, position, values)
    if place is None or look is None or mid is None:
        missing = [name for name, part in (("site", place), ("position", look), ("time", mid)) if part is None]
        warnings.append(f"airmass and Moon are not computed: no {' and no '.join(missing)} is known")
    else:
        values["position_source"] = look[2]
        values |= asdict(circumstances(mid, look[0], look[1], place))
        if values["airmass"] is None:
            warnings.append(f"the target was {values['altitude_deg']:.1f} degrees below the horizon")
    return Facts({name: value for name, value in values.items() if value is not None}, warnings)


def choose_site(description: Values, site: Values, warnings: list[str]) -> Site | None:
    """Take the registered site, else the header's; tell when they disagree by more than 0.1 degrees."""
    said = _site(description, "site_")
    registered = _site(site, "")
    if said is not None and registered is not None:
        apart = max(
            abs(said.latitude_deg - registered.latitude_deg),
            abs((said.longitude_deg - registered.longitude_deg + 180) % 360 - 180),
        )
        if apart > _SITE_DISAGREEMENT_DEG:
            warnings.append(
                f"the header's site {said.latitude_deg:.3f}, {said.longitude_deg:.3f} is {apart:.2f} degrees from the "
                "registered one, which counts"
            )
    return registered or said


def choose_position(
    description: Values, position: Sequence[float] | None, values: Values
) -> tuple[float, float, str] | None:
    """Take the solved centre, else the mount's position, else the target's."""
    if position is not None:
        return float(position[0]), float(position[1]), "solution"
    for source, prefix in (("mount", ""), ("target", "target_")):
        record = description if source == "mount" else {**description, **values}
        ra, dec = _number(record.get(f"{prefix}ra_deg")), _number(record.get(f"{prefix}dec_deg"))
        if ra is not None and dec is not None:
            return ra, dec, source
    return None


def _site(record: Values, prefix: str) -> Site | None:
    latitude, longitude = _number(record.get(f"{prefix}latitude_deg")), _number(record.get(f"{prefix}longitude_deg"))
    if latitude is None or longitude is None:
        return None
    timezone = record.get("timezone")
    elevation = _number(record.get(f"{prefix}elevation_m")) or 0.0
    return Site(latitude, longitude, elevation, timezone if isinstance(timezone, str) else None)


def _names(description: Values, site: Values, upload: Values, warnings: list[str]) -> dict[str, object]:
    """Choose names: header first, then upload form, then the observatory record."""
    values: dict[str, object] = {
        "observer": description.get("observer") or upload.get("observer"),
        "observatory": site.get("name") or description.get("observatory"),
        "project": upload.get("project"),
        "target_name": description.get("target_name") or upload.get("target"),
        "planned_pa_deg": _first(description, upload, "planned_pa_deg"),
        "target_ra_deg": _first(description, upload, "target_ra_deg"),
        "target_dec_deg": _first(description, upload, "target_dec_deg"),
    }
    for field, name in (("target_name", "target"), ("observer", "observer")):
        said, sent = description.get(field), upload.get(name)
        if said and sent and str(said).casefold() != str(sent).casefold():
            warnings.append(f"the upload names the {name} {sent!r}, the header {said!r}, which counts")
    ra, dec = _number(values["target_ra_deg"]), _number(values["target_dec_deg"])
    if ra is not None and dec is not None:
        values["target_ra"], values["target_dec"] = sexagesimal(ra, dec)
    return values


def _first(description: Values, upload: Values, name: str) -> float | None:
    found = _number(description.get(name))
    return _number(upload.get(name)) if found is None else found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None

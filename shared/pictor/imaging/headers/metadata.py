"""The cards of an observation, from a file name, a person's words and the header itself: what is known goes together.

A person's word counts before the file name, the file name before the header, and what was solved before what a mount
or a target says. Airmass, Moon and Sun are those of the middle of the exposure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.astrometry.geometry import separation, sky_of
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.cards import Card, CardValue
from pictor.imaging.fits.result_cards import observation_cards
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.facts import choose_position, gather
from pictor.imaging.headers.filenames import NamedFrame
from pictor.imaging.headers.sites import NamedSite, site_of_telescope
from pictor.imaging.headers.targets import Target, find_target

_OLD_SITE = {"SITELAT": ("LAT-OBS",), "SITELONG": ("LONG-OBS", "LON-OBS"), "SITEELEV": ("ALT-OBS",)}
"""The old spellings: written beside the new ones, so that every reader finds the same place. LON-OBS, which some wrote
and nobody read, is only brought into line where it stands."""
_FAR_DEG = 5.0
_ONLY_WHERE_IT_STANDS = frozenset({"LON-OBS"})
_OLD_TARGET = {"OBJCTRA": ("RA-OBJ", "CAT-RA"), "OBJCTDEC": ("DEC-OBJ", "CAT-DEC")}
_FIELDS = {
    "OBSERVER": "observer", "OBSERVAT": "observatory", "TELESCOP": "telescope", "OBJECT": "target_name",
    "OBJCTRA": "target", "OBJCTDEC": "target", "OBJCTROT": "planned_pa_deg", "SITELAT": "site_latitude_deg",
    "SITELONG": "site_longitude_deg",
    "SITEELEV": "site_elevation_m", "DATE-AVG": "mid_utc", "MJD-AVG": "mid_utc",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known beside the header, and from where.

    Parameters
    ----------
    observer, telescope, observatory
        Names; None leaves them to the header.
    site
        Where the telescope stands.
    target
        What was observed, and where that is.
    target_name
        Name of a target whose position is not known.
    cards
        Further cards.
    sources
        Where each came from, by field: ``observer``, ``telescope``, ``site``, ``target`` or the keyword of a card.
    """

    observer: str | None = None
    telescope: str | None = None
    observatory: str | None = None
    site: NamedSite | None = None
    target: Target | None = None
    target_name: str | None = None
    cards: tuple[Card, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    def over(self, other: "Wanted") -> "Wanted":
        """Join two of them; this one counts where both say something."""
        ours = {card.keyword for card in self.cards}
        telescope = self.telescope or other.telescope
        return Wanted(
            self.observer or other.observer, telescope, self.observatory or other.observatory,
            self.site or other.site, self.target or (None if self.target_name else other.target),
            self.target_name or other.target_name,
            (*self.cards, *(card for card in other.cards if card.keyword not in ours)),
            {**other.sources, **self.sources},
        )  # fmt: skip


def wanted_of_name(
    named: NamedFrame, cards: Iterable[Card], own: Mapping[str, Target] | None = None
) -> tuple[Wanted, tuple[str, ...]]:
    """Take what an iTelescope file name tells; filter and exposure time only where the header lacks them.

    Parameters
    ----------
    named
        The parsed name.
    cards
        The header as it is.
    own
        Targets of one's own by name.

    Returns
    -------
    tuple
        What is wanted, and sentences about what does not fit together.
    """
    said, warnings, more = describe(tuple(cards)), [], []
    source = "file name"
    target: Target | None = None
    try:
        target = find_target(named.target, own)
    except ImagingError:
        warnings.append(f"the position of {named.target!r} is not known; give it with --ra and --dec, or --yaml")
    for keyword, known, told in (("FILTER", said.filter, named.filter), ("EXPTIME", said.exposure_s, named.exposure_s)):
        if known is None:
            more.append(Card(keyword, told, "of the file name"))
        elif known != told and keyword == "EXPTIME":
            warnings.append(f"the file name says {told:g} s exposure, the header {known:g} s, which counts")
    telescope = f"iTelescope {named.telescope}"
    sources = dict.fromkeys(("observer", "telescope", "target_name", *(card.keyword for card in more)), source)
    return Wanted(named.observer, telescope, None, None, target, named.target, tuple(more), sources), tuple(warnings)


@dataclass(frozen=True, slots=True)
class PlannedCard:
    """A card that will be set, where its value comes from, and what stood there."""

    card: Card
    source: str
    before: CardValue = None

    @property
    def changes(self) -> bool:
        """Whether the header says something else, or nothing."""
        return self.before != self.card.value


@dataclass(frozen=True, slots=True)
class Plan:
    """The cards that will be set, the facts behind them by name, and what a person should know."""

    cards: tuple[PlannedCard, ...]
    facts: Mapping[str, object]
    warnings: tuple[str, ...]


def plan_metadata(
    cards: Iterable[Card], wanted: Wanted, *, name: str = "", shape: tuple[int, int] | None = None
) -> Plan:
    """Decide which cards a frame gets.

    Parameters
    ----------
    cards
        The header as it is.
    wanted
        What is known beside it.
    name
        File name, a last resort for the frame type.
    shape
        Shape (ny, nx) of the frame: a solved header then tells where it looks at.

    Returns
    -------
    Plan
        Observer, observatory, telescope, target, site (new and old spellings), night, middle of the exposure, airmass,
        altitude and azimuth, hour angle, parallactic angle, Moon and Sun; whatever of it is known.
    """
    there = tuple(cards)
    told = _with_cards(there, wanted.cards)
    said = describe(told, name=name)
    site = wanted.site or _of_itelescope(said, wanted)
    known = _joined(said, wanted)
    position = _solved_centre(told, shape)
    found = gather(asdict(known), site=_site_values(site), position=position, upload={})
    look = choose_position(asdict(known), position, {})
    values = dict(found.values) | ({} if look is None else {"looks_at_ra_deg": look[0], "looks_at_dec_deg": look[1]})
    warnings = list(found.warnings)
    sources = _sources(said, wanted, site, values)
    made = [*wanted.cards, *observation_cards(values)]
    if known.telescope:
        made.append(Card("TELESCOP", known.telescope, "telescope"))
    before = {card.keyword: card.value for card in reversed(there)}
    made += _old_spellings(made, before)
    warnings += _far_away(values, wanted)
    if said.frame_type not in {"light", "unknown", "snapshot"}:
        warnings.append(f"the frame is a {said.frame_type}; airmass and Moon tell nothing about it")
    planned = (PlannedCard(card, sources.get(card.keyword, "computed"), before.get(card.keyword)) for card in made)
    unique = {one.card.keyword: one for one in planned}
    return Plan(tuple(unique.values()), values, tuple(dict.fromkeys(warnings)))


def _far_away(values: Mapping[str, object], wanted: Wanted) -> list[str]:
    """Tell when the frame looks somewhere else than at the target that was named."""
    look = (values.get("looks_at_ra_deg"), values.get("looks_at_dec_deg"))
    if wanted.target is None or not all(isinstance(angle, float) for angle in look):
        return []
    target = (wanted.target.ra_deg, wanted.target.dec_deg)
    away = separation((float(str(look[0])), float(str(look[1]))), target)
    return (
        [f"the frame looks {away:.1f} degrees away from {wanted.target.name or 'the target'}"]
        if away > _FAR_DEG
        else []
    )


def _with_cards(cards: Sequence[Card], new: Sequence[Card]) -> tuple[Card, ...]:
    """Read a header as if cards had been set."""
    names = {card.keyword for card in new}
    return (*new, *(card for card in cards if card.keyword not in names))


def _joined(said: FrameDescription, wanted: Wanted) -> FrameDescription:
    """Put what is wanted over what the header says."""
    target = wanted.target
    if target is not None:
        said = replace(said, target_ra_deg=target.ra_deg, target_dec_deg=target.dec_deg)
    return replace(
        said,
        observer=wanted.observer or said.observer,
        target_name=(target.name if target else "") or wanted.target_name or said.target_name,
        telescope=wanted.telescope or said.telescope,
        observatory=wanted.observatory or said.observatory,
    )


def _of_itelescope(said: FrameDescription, wanted: Wanted) -> NamedSite | None:
    """Find the site of an iTelescope by its number, unless the header holds a site."""
    if said.site_latitude_deg is not None and said.site_longitude_deg is not None:
        return None
    telescope = (wanted.telescope or said.telescope or "").strip()
    number = telescope.lower().removeprefix("itelescope").strip().upper()
    if number == telescope.upper():
        return None
    return site_of_telescope(number if number.startswith("T") else f"T{number.zfill(2)}")


def _site_values(site: NamedSite | None) -> dict[str, object]:
    if site is None:
        return {}
    named = {"name": site.name} if site.name else {}
    return {**asdict(site.site), **named}


def _solved_centre(cards: Sequence[Card], shape: tuple[int, int] | None) -> tuple[float, float] | None:
    if shape is None:
        return None
    wcs = read_wcs({card.keyword: card.value for card in reversed(cards)})
    return None if wcs is None else sky_of(wcs, (shape[1] + 1) / 2, (shape[0] + 1) / 2)


def _sources(
    said: FrameDescription, wanted: Wanted, site: NamedSite | None, values: Mapping[str, object]
) -> dict[str, str]:
    """Tell for every card where its value comes from."""
    fields = {name: f"header {origin.keyword}" for name, origin in said.provenance.items() if origin.keyword}
    fields["target"] = fields.get("target_ra_deg", "computed")
    fields["mid_utc"] = fields.get("mid_utc") or "header DATE-OBS and exposure time"
    wished = {("target_name" if name == "target" else name): source for name, source in wanted.sources.items()}
    fields |= wished
    if site is not None:
        source = wished.get("site", "as given") + (f", site catalogue {site.code}" if site.code else "")
        fields |= dict.fromkeys(
            ("site_latitude_deg", "site_longitude_deg", "site_elevation_m"), source.removeprefix("as given, ")
        )
        if site.name:
            fields["observatory"] = fields["site_latitude_deg"]
    if wanted.target is not None:
        fields["target"] = wanted.target.source
    found = {keyword: fields[name] for keyword, name in _FIELDS.items() if name in fields}
    for new, old in (*_OLD_SITE.items(), *_OLD_TARGET.items()):
        found |= {keyword: found[new] for keyword in old if new in found}
    look = values.get("position_source")
    where = {"solution": "solved centre", "mount": "position of the mount", "target": "position of the target"}
    for keyword in ("AIRMASS", "CENTALT", "CENTAZ", "HA", "PARANGLE", "MOONSEP"):
        found[keyword] = f"computed for the {where.get(str(look), 'frame')}"
    return found | {card.keyword: wanted.sources.get(card.keyword, "as given") for card in wanted.cards}


def _old_spellings(made: Sequence[Card], before: Mapping[str, CardValue]) -> list[Card]:
    """Give the old spellings the same values, so that no card contradicts another."""
    values = {card.keyword: card for card in made}
    found = []
    for new, old in _OLD_SITE.items():
        found += [
            Card(keyword, values[new].value, values[new].comment)
            for keyword in old
            if new in values and (keyword not in _ONLY_WHERE_IT_STANDS or keyword in before)
        ]
    for new, old in _OLD_TARGET.items():
        found += [
            Card(keyword, values[new].value, values[new].comment)
            for keyword in old
            if new in values and keyword in before
        ]
    return found

"""Metadata of frames in files: what is known, from where, and the cards it becomes."""

import json as jsonlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, checked, each, finite, left_to_do, named, require_free
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.cards import Card
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import image_of, read_cards
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.headers.filenames import parse_itelescope
from pictor.imaging.headers.metadata import Plan, Wanted, plan_metadata, wanted_of_name
from pictor.imaging.headers.rewriting import write_cards
from pictor.imaging.headers.settable import set_card
from pictor.imaging.headers.sites import NamedSite, find_site, own_site
from pictor.imaging.headers.targets import Target, find_target, own_targets
from pictor.imaging.products import Input, Provenance
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.version import SOFTWARE

_KNOWN = ("observer", "telescope", "observatory", "site", "target", "ra", "dec", "targets", "cards")
_LARGEST_YAML = 1024**2


@dataclass(frozen=True, slots=True)
class Said:
    """What the caller says."""

    observer: str | None = None
    telescope: str | None = None
    observatory: str | None = None
    site: str | None = None
    target: str | None = None
    ra: str | None = None
    dec: str | None = None
    settings: tuple[str, ...] = ()
    yaml: Path | None = None


@dataclass(frozen=True, slots=True)
class How:
    """Where it is written, and what file names count for."""

    out: Path
    dry_run: bool = False
    overwrite: bool = False
    names: bool = True
    itelescope: bool = False


def main(files: Sequence[Path], said: Said, how: How, *, resume: bool, json: bool) -> int:
    """Write metadata into every frame; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        try:
            wanted, own = understood(said)
        except ImagingError as error:
            raise CommandError(str(error), 2) from error
        going_on = resume and not how.dry_run
        left = left_to_do(files, lambda path: [named(path, "metadata", how.out)], resume=going_on)
        if not how.dry_run:
            require_free([named(path, "metadata", how.out) for path in left], overwrite=how.overwrite, inputs=files)
        return each(left, partial(_one, wanted=wanted, own=own, how=how), label="metadata", say=_text, json=json)

    return checked(run)


def understood(said: Said) -> tuple[Wanted, dict[str, Target]]:
    """Read options and YAML file together: what is wanted, and targets of one's own.

    Raises
    ------
    ImagingError
        If one of them is not understood.
    """
    known = {} if said.yaml is None else _read_yaml(said.yaml)
    targets = known.get("targets") or {}
    if not isinstance(targets, Mapping):
        raise ImagingError(f"targets of {said.yaml} is no mapping of names to positions", reason="bad-yaml")
    own = own_targets(targets)
    given: dict[str, object] = {
        "observer": said.observer,
        "telescope": said.telescope,
        "observatory": said.observatory,
        "site": said.site,
        "target": said.target,
    }
    given |= {"ra": said.ra, "dec": said.dec, "cards": _settings(said.settings)}
    options = _wanted({name: value for name, value in given.items() if value}, own, "--{}")
    return options.over(_wanted(known, own, said.yaml.name if said.yaml else "")), own


def _settings(texts: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    wrong = next((text for text, pair in zip(texts, pairs, strict=True) if not pair[1]), None)
    if wrong is not None:
        raise ImagingError(f"--set {wrong!r} is not KEY=VALUE", reason="bad-card")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read_yaml(path: Path) -> dict[str, object]:
    """Read the file: our own names, and any keyword in capitals as a card."""
    import yaml

    if path.stat().st_size > _LARGEST_YAML:
        raise ImagingError(f"{path} is larger than a list of settings is", reason="bad-yaml")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ImagingError(f"{path} is no YAML: {' '.join(str(error).split())[:200]}", reason="bad-yaml") from error
    if not isinstance(found, dict):
        raise ImagingError(f"{path} is no mapping of names to values", reason="bad-yaml")
    names = {str(name): value for name, value in found.items()}
    strange = [name for name in names if name not in _KNOWN and not name.isupper()]
    if strange:
        raise ImagingError(
            f"{path} sets {strange[0]!r}; known are {', '.join(_KNOWN)}, and keywords in capitals", reason="bad-yaml"
        )
    cards = names.pop("cards", None) or {}
    if not isinstance(cards, Mapping):
        raise ImagingError(f"cards of {path} is no mapping of keywords to values", reason="bad-yaml")
    plain = {name: names.pop(name) for name in list(names) if name not in _KNOWN}
    return names | {"cards": {**cards, **plain}}


def _wanted(known: Mapping[str, object], own: Mapping[str, Target], source: str) -> Wanted:
    """Check every value; ``source`` says where they come from."""
    texts = {name: _text_of(known, name) for name in ("observer", "telescope", "observatory", "target", "ra", "dec")}
    cards = known.get("cards") or {}
    if not isinstance(cards, Mapping):
        raise ImagingError("cards are no mapping of keywords to values", reason="bad-yaml")
    set_by_hand = tuple(set_card(str(key), _plain(value)) for key, value in cards.items())
    target = _target(texts["target"], texts["ra"], texts["dec"], own)
    sources = {name: source.format(name) for name in (*texts, "site") if known.get(name) is not None}
    sources |= {card.keyword: source.format("set") for card in set_by_hand}
    return Wanted(
        texts["observer"], texts["telescope"], texts["observatory"], _site(known.get("site")), target,
        texts["target"], set_by_hand, sources,
    )  # fmt: skip


def _text_of(known: Mapping[str, object], name: str) -> str | None:
    value = known.get(name)
    if value is None:
        return None
    text = " ".join(str(value).split(" ")).strip()
    if not text.isascii() or not text.isprintable() or len(text) > 68:
        raise ImagingError(
            f"{name} is {text[:40]!r}; a header holds up to 68 letters of plain ASCII text", reason="bad-text"
        )
    return text or None


def _plain(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _target(name: str | None, ra: str | None, dec: str | None, own: Mapping[str, Target]) -> Target | None:
    if (ra is None) != (dec is None):
        raise ImagingError("right ascension and declination belong together", reason="bad-target")
    if ra is None:
        return None if name is None else find_target(name, own)
    return replace(find_target(f"{ra}, {dec}"), name=name or "")


def _site(value: object) -> NamedSite | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return own_site({str(key): item for key, item in value.items()})
    parts = [part.strip() for part in str(value).split(",")]
    if len(parts) < 2:
        return find_site(str(value))
    names = ("latitude_deg", "longitude_deg", "elevation_m")
    return own_site(dict(zip(names, parts, strict=False)))


def _one(path: Path, *, wanted: Wanted, own: Mapping[str, Target], how: How) -> Told:
    cards, shape = _read(path)
    together, warnings = _with_name(path, cards, wanted, own, how)
    plan = plan_metadata(cards, together, name=path.name, shape=shape)
    if not plan.cards:
        raise ImagingError("nothing is known that could be written; say who, where or what", reason="nothing-known")
    told: Told = {
        "cards": [
            {"keyword": one.card.keyword, "value": one.card.value, "comment": one.card.comment, "source": one.source,
             "before": one.before, "changes": one.changes}
            for one in plan.cards
        ],
        "facts": dict(plan.facts),
        "warnings": [*warnings, *plan.warnings],
        "dry_run": how.dry_run,
    }  # fmt: skip
    if not how.dry_run:
        told["output"] = str(_write(path, plan, how))
    found: Told = finite(told)
    return found


def _read(path: Path) -> tuple[tuple[Card, ...], tuple[int, int]]:
    """Read the header of a frame, packed or not, without its pixels."""
    with scratch_folder() as scratch:
        plain = unpack(path, scratch).path
        scan = prescan_file(plain)
        shape = image_of(scan).shape
        return read_cards(plain, scan), (shape[-2], shape[-1])


def _with_name(
    path: Path, cards: Sequence[Card], wanted: Wanted, own: Mapping[str, Target], how: How
) -> tuple[Wanted, tuple[str, ...]]:
    """Add what the file name tells, if it has the form of iTelescope.net."""
    if not how.names:
        return wanted, ()
    try:
        told, warnings = wanted_of_name(parse_itelescope(path.name), cards, own)
    except ImagingError:
        if how.itelescope:
            raise
        return wanted, ()
    known = wanted.target is not None
    return wanted.over(told), tuple(text for text in warnings if not (known and "position of" in text))


def _write(path: Path, plan: Plan, how: How) -> Path:
    out = named(path, "metadata", how.out)
    sources = sorted({one.source for one in plan.cards})
    made = Provenance("metadata", [Input.of(path)], {"from": "; ".join(sources)}, SOFTWARE)
    write_cards(path, out, [one.card for one in plan.cards], made, overwrite=how.overwrite)
    return out


def _text(told: Told) -> str:
    lines = [f"{told['input']}:" + ("" if told["dry_run"] else f" {told['output']}")]
    for one in told["cards"]:
        value = jsonlib.dumps(one["value"])
        was = f" (was {jsonlib.dumps(one['before'])})" if one["changes"] and one["before"] is not None else ""
        lines.append(f"  {one['keyword']:<8} = {value:<24} from {one['source']}{was}")
    notes = [f"  note: {warning}" for warning in told["warnings"]]
    if any("are not computed" in note for note in notes):
        notes.append("  (--site, --target or --ra and --dec, and the card DATE-OBS tell them)")
    return "\n".join([*lines, *notes])

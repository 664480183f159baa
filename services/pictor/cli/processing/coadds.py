"""Which lights are coadded with which, and which coadds make a colour picture; pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pictor.cli.processing.rows import Row, Status
from pictor.cli.processing.sorting import slug
from pictor.imaging.compositing.filters import filter_of
from pictor.imaging.matching.filters import FilterNames, usual_name

CHANNELS = ("R", "G", "B")
LUMINANCE = "L"
USUAL_NAMES = FilterNames()
_PLANES = "planes"

_UNFILTERED = frozenset({"clear", "uvir", "uvircut", "irc", "ircut"})
"""Filters that are no colour, and so may be the brightness of a colour picture."""


@dataclass(frozen=True, slots=True)
class CoaddGroup:
    """Lights of one target through one filter with one rig.

    Parameters
    ----------
    name
        File name of the coadd, without ending.
    target
        As the headers write it.
    filter
        As the headers write it; the usual name where they write several.
    rig
        Telescope and camera.
    members
        Rows of the lights, in the order of time.
    channel
        0, 1 or 2 for red, green and blue of one-shot colour; None for grey frames.
    taken_together
        The names of the filter, where the headers write several.
    """

    name: str
    target: str
    filter: str
    rig: str
    members: tuple[Row, ...]
    channel: int | None = None
    taken_together: tuple[str, ...] = ()


def coadd_groups(rows: Iterable[Row], *, names: FilterNames = USUAL_NAMES) -> list[CoaddGroup]:
    """Group the lights that may be coadded: those that are OK and were measured.

    Colour frames, Bayer mosaics and three planes alike, make one group for each of red, green and blue.

    Parameters
    ----------
    rows
        Every file.
    names
        Which names of filters are one filter.
    """
    parts: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.kind == "light" and row.status is Status.OK and row.numbers:
            facts = row.facts
            target = re.sub(r"[\W_]+", "", target_of(row).casefold())
            colour = _PLANES if facts.get("planes", 1) == len(CHANNELS) else "mosaic" if facts.get("bayer") else ""
            named = str(facts.get("filter") or "")
            rig = str(facts.get("rig") or "")
            parts[target, names.read(named, rig) or "", rig, colour].append(row)
    rigs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for target, of_filter, rig, _ in parts:
        rigs[target, of_filter].add(rig)
    made = []
    for (target, of_filter, rig, colour), members in sorted(parts.items(), key=lambda one: str(one[0])):
        members.sort(key=lambda row: (str(row.facts.get("start_utc")), row.label))
        alone = len(rigs[target, of_filter]) == 1
        told = tuple(sorted({str(row.facts.get("filter") or "") for row in members}))
        several = told if len(told) > 1 else ()
        both = colour == _PLANES and (target, of_filter, rig, "mosaic") in parts
        apart = (*([] if alone else [rig]), *([_PLANES] if both else []))
        groups = _groups(members, of_filter if several else told[0], rig, apart=apart, colour=bool(colour))
        made += [replace(group, taken_together=several) for group in groups]
    return made


def target_of(row: Row) -> str:
    """Give the target a header names, else the folder the light lies in: lights of one folder show one field.

    Of a mosaic it is followed by the number of the panel.
    """
    folders = row.label.split("/")[:-1]
    target = str(row.facts.get("target") or (folders[-1] if folders else "no target"))
    return f"{target} panel {row.facts['panel']}" if row.facts.get("panel") else target


def _groups(
    members: Sequence[Row], of_filter: str, rig: str, *, apart: Sequence[str], colour: bool
) -> list[CoaddGroup]:
    target = target_of(members[0])
    parts = [slug(target), *([slug(of_filter)] if of_filter else []), *map(slug, apart)]
    if not colour:
        return [CoaddGroup("_".join(parts), target, of_filter, rig, tuple(members))]
    return [
        CoaddGroup("_".join([*parts, letter]), target, letter, rig, tuple(members), number)
        for number, letter in enumerate(CHANNELS)
    ]


def band_of(of_filter: str) -> str | None:
    """Recognise a filter as colour pictures name it, and luminance besides; None for any other.

    Examples
    --------
    >>> band_of("Hydrogen Alpha"), band_of("Lumi"), band_of("UV/IR cut"), band_of("Hb")
    ('Ha', 'L', 'L', None)
    """
    usual = usual_name(of_filter)
    plain = re.sub(r"[\W_]+", "", usual.casefold())
    return filter_of(usual) or (LUMINANCE if usual == LUMINANCE or plain in _UNFILTERED else None)

"""Which lights are coadded with which, and which coadds make a colour picture; pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pictor.cli.processing.rows import Row, Status
from pictor.cli.processing.sorting import slug
from pictor.imaging.compositing.assigning import filter_of

CHANNELS = ("R", "G", "B")
LUMINANCE = "L"

_LUMINANCE = frozenset({"l", "lum", "luminance", "clear", "uvir", "uvircut", "irc", "ircut"})


@dataclass(frozen=True, slots=True)
class CoaddGroup:
    """Lights of one target through one filter with one rig.

    Parameters
    ----------
    name
        File name of the coadd, without ending.
    target, filter
        As the headers write them.
    rig
        Telescope and camera.
    members
        Rows of the lights, in the order of time.
    channel
        0, 1 or 2 for red, green and blue of one-shot colour; None for grey frames.
    """

    name: str
    target: str
    filter: str
    rig: str
    members: tuple[Row, ...]
    channel: int | None = None


def coadd_groups(rows: Iterable[Row]) -> list[CoaddGroup]:
    """Group the lights that may be coadded: those that are OK and were measured.

    Colour frames, Bayer mosaics and three planes alike, make one group for each of red, green and blue.
    """
    parts: dict[tuple[str, str, str, bool], list[Row]] = defaultdict(list)
    for row in rows:
        if row.kind == "light" and row.status is Status.OK and row.numbers:
            facts = row.facts
            target = re.sub(r"[\W_]+", "", target_of(row).casefold())
            colour = bool(facts.get("bayer")) or facts.get("planes", 1) == len(CHANNELS)
            parts[target, str(facts.get("filter") or ""), str(facts.get("rig") or ""), colour].append(row)
    rigs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for target, of_filter, rig, _ in parts:
        rigs[target, of_filter].add(rig)
    made = []
    for (target, of_filter, rig, colour), members in sorted(parts.items(), key=lambda one: str(one[0])):
        members.sort(key=lambda row: (str(row.facts.get("start_utc")), row.label))
        alone = len(rigs[target, of_filter]) == 1
        made += _groups(members, of_filter, rig, alone=alone, colour=colour)
    return made


def target_of(row: Row) -> str:
    """Give the target a header names, else the folder the light lies in: lights of one folder show one field."""
    folders = row.label.split("/")[:-1]
    return str(row.facts.get("target") or (folders[-1] if folders else "no target"))


def _groups(members: Sequence[Row], of_filter: str, rig: str, *, alone: bool, colour: bool) -> list[CoaddGroup]:
    target = target_of(members[0])
    parts = [slug(target), *([slug(of_filter)] if of_filter else []), *([] if alone else [slug(rig)])]
    if not colour:
        return [CoaddGroup("_".join(parts), target, of_filter, rig, tuple(members))]
    return [
        CoaddGroup("_".join([*parts, letter]), target, letter, rig, tuple(members), number)
        for number, letter in enumerate(CHANNELS)
    ]


def band_of(of_filter: str) -> str | None:
    """Recognise a filter as colour pictures name it, and luminance besides; None for any other."""
    plain = re.sub(r"[\W_]+", "", of_filter.casefold())
    return filter_of(of_filter) or (LUMINANCE if plain in _LUMINANCE else None)

"""Which lights are coadded with which, and which coadds make a colour picture; pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pictor.cli.processing.rows import Row, Status
from pictor.cli.processing.sorting import slug

CHANNELS = ("R", "G", "B")

_FILTERS = {
    "L": r"l|lum|luminance|clear|c|uvir|uvircut", "R": r"r|red|rp", "G": r"g|green|gp", "B": r"b|blue",
    "Ha": r"ha|halpha|h|hydrogenalpha|ha\d+nm", "OIII": r"oiii|o3|o|oiii\d+nm", "SII": r"sii|s2|s|sii\d+nm",
}  # fmt: skip
NARROW = ("Ha", "OIII", "SII")
PALETTES = (("RGB", ("R", "G", "B")), ("SHO", ("SII", "Ha", "OIII")), ("HOO", ("Ha", "OIII", "OIII")))
BROADBAND_OF = {"Ha": ("R", "L"), "SII": ("R", "L"), "OIII": ("G", "L", "B")}
"""Broadband that holds the continuum of a line, the nearest first."""


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
            target = re.sub(r"[\W_]+", "", str(facts.get("target") or "").casefold())
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


def _groups(members: Sequence[Row], of_filter: str, rig: str, *, alone: bool, colour: bool) -> list[CoaddGroup]:
    target = str(members[0].facts.get("target") or "no target")
    parts = [slug(target), *([slug(of_filter)] if of_filter else []), *([] if alone else [slug(rig)])]
    if not colour:
        return [CoaddGroup("_".join(parts), target, of_filter, rig, tuple(members))]
    return [
        CoaddGroup("_".join([*parts, letter]), target, letter, rig, tuple(members), number)
        for number, letter in enumerate(CHANNELS)
    ]


def band(of_filter: str) -> str | None:
    """Give the band of a filter by its name, ``Red`` and ``R`` alike; None for one that is not known."""
    plain = re.sub(r"[^a-z0-9]", "", of_filter.casefold().replace("\N{GREEK SMALL LETTER ALPHA}", "a"))
    return next((name for name, words in _FILTERS.items() if re.fullmatch(words, plain)), None)

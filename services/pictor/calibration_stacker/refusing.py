"""Frames of a stack that do not show what the others show: left out where the others agree, else told to the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from pictor.imaging.calibration.building import Built
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.calibration.unlike import stacks, unlike
from pictor.imaging.combine.combining import Statistics

REFUSED_SHARE = 0.05
"""Honest frames lose a few samples in a thousand; one that loses this many holds something the others do not."""

REFUSED_FACTOR = 10.0
MOST_REFUSED = 0.3
"""If more frames than this are unlike the rest, nobody can say which are right."""

LEVEL_NOISES = 3.0
LEAST_TO_COMPARE = 5
LEAST_TO_SEE_STACKS = 3
"""A stack among single exposures is known by its own noise; of three frames two tell what that must be."""


@dataclass(frozen=True, slots=True)
class Unlike:
    """Frames unlike the others, each with its sentence: those to leave out, and those about which nobody can say."""

    refused: Mapping[str, str]
    disputed: Mapping[str, str]


def unlike_frames(built: Built, frame_ids: Sequence[str], kind: Kind, *, most: int) -> Unlike:
    """Name the frames that do not belong to the others.

    Parameters
    ----------
    built
        The master made of all of them.
    frame_ids
        Their names, in the order combined.
    kind
        What the master calibrates.
    most
        How many may be left out.
    """
    agreement = built.agreement
    quiet = {frame_ids[place]: told for place, told in stacks(agreement).items()}
    found = {frame_ids[place]: told for place, told in unlike(agreement, flat=kind is Kind.FLAT).items()}
    lost = unlike_the_others(built.combined.statistics, frame_ids, built.combined.sci.size)
    parts = (two_levels(built, frame_ids, kind), quiet, found, lost)
    every = {name: "; ".join(part[name] for part in parts if name in part) for name in frame_ids}
    every = {name: told for name, told in every.items() if told}
    if len(frame_ids) >= LEAST_TO_COMPARE and len(every) <= most:
        return Unlike(every, {})
    if len(frame_ids) >= LEAST_TO_SEE_STACKS and len(quiet) == 1 and set(every) == set(quiet):
        return Unlike(every, {})
    return Unlike({}, every)


def two_levels(built: Built, frame_ids: Sequence[str], kind: Kind) -> dict[str, str]:
    """Name both of two frames that stand on different levels; of more the group tells which."""
    if len(frame_ids) != 2 or kind is Kind.FLAT:
        return {}
    one, two = (float(level) for level in built.preparation.levels)
    if abs(one - two) <= LEVEL_NOISES * built.preparation.seen.floor**0.5:
        return {}
    return {
        frame_ids[0]: f"level {one:.1f} ADU, the other {two:.1f} ADU",
        frame_ids[1]: f"level {two:.1f} ADU, the other {one:.1f} ADU",
    }


def unlike_the_others(statistics: Statistics, frame_ids: Sequence[str], pixels: int) -> dict[str, str]:
    """Name the frames of which far more samples were rejected than of the others, each with its sentence."""
    if not statistics.can_reject or len(frame_ids) < LEAST_TO_COMPARE:
        return {}
    shares = [count / pixels for count in statistics.rejected_by_frame]
    usual = median(shares)
    limit = max(REFUSED_SHARE, REFUSED_FACTOR * usual)
    return {
        name: f"{100 * share:.1f} % of its samples were rejected, of the others {100 * usual:.2f} %"
        for name, share in zip(frame_ids, shares, strict=True)
        if share > limit
    }

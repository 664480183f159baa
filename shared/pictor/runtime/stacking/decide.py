"""What to do about one group of individual frames."""

from dataclasses import dataclass
from enum import StrEnum

from pictor.imaging.matching.frames import FrameType

DEFERRED = "Flat auto-stacking deferred: no matching master dark available"
"""The exact sentence operators look for."""

LEAST_FRAMES = 2
"""A master is a combination; one frame has nothing to be combined with."""


class Decision(StrEnum):
    """What happens to a group."""

    ACCUMULATE = "accumulate"
    DEFER = "defer"
    STACK = "stack"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Group:
    """What the decision needs to know of one group.

    ``usable_frames`` counts all admitted frames still at hand, ``new_frames`` those not in the active master. A bias
    that the policy lets stand in for a flat-dark counts as a matching dark. ``doubtful`` is an active master flat whose
    dark was recalled since.
    """

    frame_type: FrameType
    usable_frames: int
    new_frames: int
    has_active_master: bool = False
    has_matching_dark: bool = False
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A decision and the sentence that explains it."""

    decision: Decision
    reason: str


def decide(group: Group, *, min_frames: int, refresh_new_frames: int = 10, force: bool = False) -> Outcome:
    """Decide about one group; ``force`` waives the threshold, not the dark.

    Parameters
    ----------
    group
        Counts of one group.
    min_frames
        Frames a first master needs.
    refresh_new_frames
        Frames newer than the active master that make a new one worth its while.
    force
        Whether a person asked for the master now.
    """
    short = _missing(group, min_frames, refresh_new_frames, force=force)
    if short is not None:
        return short
    if group.frame_type is FrameType.FLAT and not group.has_matching_dark:
        return Outcome(Decision.DEFER, DEFERRED)
    if group.doubtful:
        return Outcome(Decision.STACK, "the dark taken off the active master was recalled")
    if group.has_active_master:
        return Outcome(Decision.STACK, f"{group.new_frames} new frames since the active master")
    return Outcome(Decision.STACK, f"{group.usable_frames} frames, no active master")


def _missing(group: Group, min_frames: int, refresh_new_frames: int, *, force: bool) -> Outcome | None:
    """Say what is missing before a stack is worth it; None when nothing is."""
    have = group.usable_frames
    if have < LEAST_FRAMES:
        return Outcome(Decision.ACCUMULATE, f"{have} of {min_frames} frames; a master needs at least {LEAST_FRAMES}")
    if force:
        return None
    if have < min_frames:
        return Outcome(Decision.ACCUMULATE, f"{have} of {min_frames} frames")
    if group.has_active_master and not group.doubtful and group.new_frames < refresh_new_frames:
        waiting = f"{group.new_frames} of {refresh_new_frames} new frames since the active master"
        return Outcome(Decision.KEEP, waiting)
    return None

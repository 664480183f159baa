"""Whether a master is fresh, about to expire, expired or out of use, in words."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pictor.contracts.frames import FrameType
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import FrameType as MatchedType
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.selection import max_age

EXPIRING = 0.8
"""Share of its age from which a master is announced to expire."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A word for the colour, and a sentence."""

    word: str
    text: str


WORDS = {
    MasterState.SUPERSEDED: ("superseded", "superseded"),
    MasterState.REJECTED: ("rejected", "rejected"),
    MasterState.NEEDS_REVIEW: ("review", "needs review"),
    MasterState.CANDIDATE: ("review", "candidate"),
}


def standing(
    state: MasterState, frame_type: FrameType, aged_from: datetime | None, policy: Policy, *,
    now: datetime | None = None, recalled: bool = False,
) -> Standing:  # fmt: skip
    """Say how a master stands by the time its newest frame was taken; an expired master stays in use."""
    if recalled:
        return Standing("rejected", "recalled")
    if state is not MasterState.ACTIVE:
        return Standing(*WORDS[state])
    if aged_from is None:
        return Standing("active", "active")
    allowed = max_age(MatchedType(str(frame_type)), policy)
    old = (now or datetime.now(UTC)) - aged_from
    left = allowed - old
    if left <= timedelta(0):
        return Standing("expired", f"active, expired {_days(-left)} ago")
    word = "expiring" if old > EXPIRING * allowed else "active"
    return Standing(word, f"active, expires in {_days(left)}")


def _days(span: timedelta) -> str:
    days = span / timedelta(days=1)
    return f"{days:.0f} d" if days >= 1 else f"{24 * days:.0f} h"

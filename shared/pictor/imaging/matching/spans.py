"""When the frames of a master were taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

A_YEAR = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Span:
    """First, mean and last start of some frames."""

    first: datetime
    mean: datetime
    last: datetime


def span_of(starts: Sequence[datetime]) -> Span | None:
    """Return when frames were taken; None of none.

    A start more than a year from the median is that of a wrong clock and does not count: one frame of the year 2000
    would make its master expired for ever.
    """
    if not starts:
        return None
    ordered = sorted(starts)
    median = ordered[len(ordered) // 2]
    sound = [start for start in ordered if abs(start - median) <= A_YEAR]
    mean = sound[0] + sum((start - sound[0] for start in sound), timedelta()) / len(sound)
    return Span(sound[0], mean, sound[-1])

"""Axes of plots: round ticks, and time without the empty hours between sessions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

GAP_S = 2 * 3600.0
"""Nobody observed for so long: the axis is cut."""

_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200)


def ticks(low: float, high: float, *, about: int = 4) -> list[float]:
    """Give round numbers that span a range, the range widened to them."""
    if not high > low:
        low, high = low - (abs(low) * 0.05 or 0.5), high + (abs(high) * 0.05 or 0.5)
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def tick_text(value: float, step: float) -> str:
    """Write a tick with as many digits as its step needs."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    if abs(value) >= 10000 and digits == 0:
        return f"{value / 1000:g}k"
    return f"{value:.{digits}f}"


@dataclass(frozen=True, slots=True)
class Session:
    """Frames without a long gap between them: first and last time, and where they lie on the axis, 0 to 1."""

    first: float
    last: float
    left: float
    right: float

    def place(self, time: float) -> float:
        """Place a time of this session on the axis."""
        if self.last <= self.first:
            return (self.left + self.right) / 2
        return self.left + (self.right - self.left) * (time - self.first) / (self.last - self.first)


def sessions(times: Sequence[float]) -> list[Session]:
    """Cut time into sessions and lay them side by side, each as wide as its share of all frames' time.

    Parameters
    ----------
    times
        Seconds since some epoch, in any order, at least one.
    """
    ordered = sorted(times)
    runs = [[ordered[0]]]
    for time in ordered[1:]:
        if time - runs[-1][-1] > GAP_S:
            runs.append([])
        runs[-1].append(time)
    least = max(sum(run[-1] - run[0] for run in runs), 60.0) * 0.3
    widths = [max(run[-1] - run[0], least) for run in runs]
    gap = 0.04 if len(runs) > 1 else 0.0
    room = max(0.2, 1.0 - gap * (len(runs) - 1))
    made, left = [], 0.0
    for run, width in zip(runs, widths, strict=True):
        right = left + room * width / sum(widths)
        made.append(Session(run[0], run[-1], left, right))
        left = right + gap
    return made


def time_ticks(session: Session, *, most: int) -> list[float]:
    """Give round clock times inside a session, at most so many; its middle when none is inside."""
    span = session.last - session.first
    step = next((step for step in _STEPS if span / step <= most), 86400)
    first = math.ceil(session.first / step) * step
    found = [float(first + index * step) for index in range(most + 1) if first + index * step <= session.last]
    return found or [(session.first + session.last) / 2]

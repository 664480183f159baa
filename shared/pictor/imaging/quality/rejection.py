"""Rules that reject frames of a set: limits of a metric, absolute or relative to the set, and the reason in words."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Numbers = Mapping[str, float | int | bool | None]
"""Metrics of one frame by name; None is unknown."""


class Against(StrEnum):
    """What a frame is compared with: the whole set, or the accepted frames taken before it."""

    SET = "set"
    PREVIOUS = "previous"


class Scatter(StrEnum):
    """Median and 1.4826 MAD, or mean and standard deviation."""

    ROBUST = "robust"
    STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of one metric.

    Parameters
    ----------
    metric
        Name of the number.
    limit
        Value, or number of sigmas from the middle.
    above
        True when larger values are rejected, False for smaller ones.
    relative
        Whether the limit is in sigmas.
    least_share
        The smallest sigma, as a share of the middle, so that a very even set does not reject trifles.
    """

    metric: str
    limit: float
    above: bool = True
    relative: bool = False
    least_share: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules and how they compare.

    Parameters
    ----------
    name
        Name and version, told with every result.
    rules
        All are tried; any rejects.
    against, scatter
        What relative rules compare with, and how they take middle and sigma.
    minimum
        Relative rules wait for this many frames to compare with that know the metric.
    samples
        With `Against.PREVIOUS`, at most so many frames are looked back at; None for all.
    """

    name: str
    rules: tuple[Rule, ...]
    against: Against = Against.SET
    scatter: Scatter = Scatter.ROBUST
    minimum: int = 5
    samples: int | None = None


def reject(frames: Sequence[Numbers], rules: RuleSet) -> list[tuple[str, ...]]:
    """Say of every frame of a set why it is rejected.

    Relative rules compare with the frames that no absolute rule rejects: with all of them, or, in the given order,
    with those accepted before.

    Parameters
    ----------
    frames
        Metrics of the frames of one set, in the order of time.
    rules
        The rules.

    Returns
    -------
    list of tuple of str
        Reasons in words; empty for an accepted frame. An unknown metric rejects nothing.

    Examples
    --------
    >>> rules = RuleSet("example 1", (Rule("fwhm_px", 3.0, relative=True),))
    >>> widths = [2.9, 3.0, 3.1, 3.0, 2.9, 3.1, 6.0]
    >>> [bool(why) for why in reject([{"fwhm_px": width} for width in widths], rules)]
    [False, False, False, False, False, False, True]
    """
    found = [[why for rule in rules.rules if not rule.relative and (why := _absolute(frame, rule))] for frame in frames]
    accepted = [k for k in range(len(frames)) if not found[k]]
    relative = [rule for rule in rules.rules if rule.relative]
    for k, frame in enumerate(frames):
        peers = accepted
        if rules.against is Against.PREVIOUS:
            before = [j for j in accepted if j < k and not found[j]]
            peers = before if rules.samples is None else before[-rules.samples :]
        seen = [frames[j] for j in peers]
        found[k] += [why for rule in relative if (why := _relative(frame, seen, rule, rules))]
    return [tuple(reasons) for reasons in found]


def middle_and_sigma(values: Sequence[float], scatter: Scatter) -> tuple[float, float]:
    """Give median and 1.4826 MAD of at least one value, or mean and sample standard deviation.

    Parameters
    ----------
    values
        Finite numbers.
    scatter
        Which of both.
    """
    if scatter is Scatter.STANDARD:
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
    middle = statistics.median(values)
    return middle, 1.4826 * statistics.median(abs(value - middle) for value in values)


def number(value: float | None) -> float | None:
    """Give a metric as a number; None where it is unknown or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def _absolute(frame: Numbers, rule: Rule) -> str | None:
    value = number(frame.get(rule.metric))
    if value is None or not (value > rule.limit if rule.above else value < rule.limit):
        return None
    return f"{rule.metric} {value:.4g} is {'above' if rule.above else 'below'} {rule.limit:g}"


def _relative(frame: Numbers, peers: Sequence[Numbers], rule: Rule, rules: RuleSet) -> str | None:
    value = number(frame.get(rule.metric))
    known = [other for peer in peers if (other := number(peer.get(rule.metric))) is not None]
    if value is None or len(known) < max(rules.minimum, 1):
        return None
    middle, sigma = middle_and_sigma(known, rules.scatter)
    sigma = max(sigma, rule.least_share * abs(middle))
    distance = value - middle if rule.above else middle - value
    if distance <= rule.limit * sigma:
        return None
    away = f"{distance / sigma:.1f} sigma" if sigma > 0.0 else "out of line"
    what = "before it" if rules.against is Against.PREVIOUS else "of its set"
    side = "above" if rule.above else "below"
    return f"{rule.metric} {value:.4g} is {away} {side} the {middle:.4g} of the {len(known)} frames {what}"

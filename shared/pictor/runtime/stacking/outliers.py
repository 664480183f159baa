"""Which frames of a group are unlike the others: a mislabelled exposure, a step, a stack among single exposures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from pictor.imaging.matching.frames import FrameType

AMONG = "among its group: "
"""What the sentences of this module begin with: they hold as long as the group is as it is, and are judged anew."""

LEAST_TO_COMPARE = 3
FEW = 5
"""Fewer frames tell no width; one of them is an outlier when the others are alike and it is far from all of these."""

FEW_GAP = 5.0
"""Times the range of the others: levels that drift leave no such gap."""

FEW_NOISE_SHARE = 1.5
MEDIAN_SHARE = 0.5
"""A level that changed takes the median along by at least this share; hits do not."""

ALIKE = 1.1
MOST_OUTLIERS = 0.3
"""If more frames than this are unlike the rest, nobody can say which are right; then the gate decides."""

LEVEL_WIDTHS = 10.0
LEVEL_NOISE_SHARE = 0.5
"""Levels within this share of the noise of a pixel drift honestly; the stack aligns them."""

WIDE = 1.4
WIDE_STEPS = 1.5
"""A deviation of whole ADU moves by steps of 1.4826."""

QUIET = 0.5
SAME_VALUE = 0.2
SAME_VALUE_FACTOR = 1.25


@dataclass(frozen=True, slots=True)
class Sample:
    """One frame of a group: mean level and robust standard deviation in ADU, and the share of its commonest value.

    ``middle`` is the median, in ADU: cosmic rays move the mean alone.
    """

    frame_id: str
    level: float
    spread: float
    one_value_share: float = 0.0
    exposure_s: float | None = None
    middle: float | None = None


def outliers(frame_type: FrameType, samples: Sequence[Sample]) -> dict[str, str]:
    """Find the frames that do not belong to their group.

    Levels of flats follow the light; of these nothing is asked. A frame is an outlier only among frames that agree: of
    three or four frames one at most, of more three in ten; else the group is left to the stack and its gate.

    Parameters
    ----------
    frame_type
        What the group holds.
    samples
        Its frames.

    Returns
    -------
    dict
        A sentence with the numbers for each outlier, by frame.
    """
    if frame_type is FrameType.FLAT or len(samples) < LEAST_TO_COMPARE:
        return {}
    few = len(samples) < FEW
    noise = median(one.spread for one in samples)
    share = median(one.one_value_share for one in samples)
    tests: tuple[Callable[[Sample], str | None], ...] = (
        _level_test_of_few(samples, noise) if few else _level_test(samples, noise),
        lambda one: None if few and not _alike(samples, one) else _spread(one, noise, len(samples) - 1),
        lambda one: _same_value(one, share),
    )
    found = {one.frame_id: told for one in samples if (told := [said for test in tests if (said := test(one))])}
    if len(found) > (1 if few else MOST_OUTLIERS * len(samples)):
        return {}
    return {name: AMONG + "; ".join(told) for name, told in found.items()}


def _moved(samples: Sequence[Sample], one: Sample, centre: float) -> bool:
    """Tell whether the median of a frame went with its mean, as far as whole ADU tell."""
    middles = [other.middle for other in samples if other.middle is not None]
    if one.middle is None or len(middles) < len(samples):
        return True
    return abs(one.middle - median(middles)) >= MEDIAN_SHARE * abs(one.level - centre) - 0.5


def _alike(samples: Sequence[Sample], but: Sample) -> bool:
    """Tell whether the others scatter alike."""
    spreads = [one.spread for one in samples if one is not but]
    return max(spreads) <= max(ALIKE * min(spreads), min(spreads) + WIDE_STEPS)


def _level_test_of_few(samples: Sequence[Sample], noise: float) -> Callable[[Sample], str | None]:
    def test(one: Sample) -> str | None:
        others = [other.level for other in samples if other is not one]
        limit = max(FEW_NOISE_SHARE * noise, FEW_GAP * (max(others) - min(others)))
        near = min(abs(one.level - level) for level in others) <= limit
        if near or not _moved(samples, one, median(others)):
            return None
        return _told(one, median(others), limit)

    return test


def _level_test(samples: Sequence[Sample], noise: float) -> Callable[[Sample], str | None]:
    centre = median(one.level for one in samples)
    width = 1.4826 * median(abs(one.level - centre) for one in samples)
    limit = max(LEVEL_WIDTHS * width, LEVEL_NOISE_SHARE * noise)

    def test(one: Sample) -> str | None:
        if abs(one.level - centre) <= limit or not _moved(samples, one, centre):
            return None
        return _told(one, centre, limit)

    return test


def _told(one: Sample, centre: float, limit: float) -> str:
    told = f"level {one.level:.1f} ADU, the others {centre:.1f} ADU, {limit:.1f} ADU apart at most"
    return told if not one.exposure_s else f"{told}; does the exposure it states, {one.exposure_s:g} s, hold?"


def _spread(one: Sample, noise: float, others: int) -> str | None:
    numbers = f"its pixels scatter by {one.spread:.2f} ADU, those of the {others} others by {noise:.2f} ADU"
    if one.spread > max(WIDE * noise, noise + WIDE_STEPS):
        return f"{numbers}: there is structure in it that they do not have"
    if one.spread < QUIET * noise:
        return f"{numbers}: it is a stack, not one exposure"
    return None


def _same_value(one: Sample, share: float) -> str | None:
    if one.one_value_share <= max(SAME_VALUE, SAME_VALUE_FACTOR * share):
        return None
    return f"one value fills {100 * one.one_value_share:.0f} % of its pixels, {100 * share:.0f} % in the others"

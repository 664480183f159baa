"""The curve from sky levels to grey values, as a table of 65536 entries."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.preview.kernels import Indices, Tables
from pictor.imaging.preview.levels import TOP, Levels

SHADOWS = -2.8
"""Black lies this many sigmas from the median: below it is only noise (the default of PixInsight's auto-stretch)."""

TARGET = 0.25
"""Grey value of the median sky, of 1: dark, yet faint signal stands out (the same default)."""

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""

ASINH_SOFTENING = 3.0
"""Sigmas above black up to which the asinh curve is nearly linear."""


class StretchKind(StrEnum):
    """The named curves."""

    STF = "stf"
    ZSCALE = "zscale"
    ASINH = "asinh"
    LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class ChannelStretch:
    """The curve of one channel.

    Parameters
    ----------
    median, sigma
        Sky level and noise of the sample (1.4826 MAD), in ADU.
    black, white
        Values shown as 0 and 255, in ADU.
    midtone
        Midtones balance of the transfer function between black and white; 0.5 is a straight line.
    """

    median: float
    sigma: float
    black: float
    white: float
    midtone: float


def midtones(balance: float, x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Apply the midtones transfer function: 0 and 1 stay, ``balance`` becomes 0.5.

    Parameters
    ----------
    balance
        Between 0 and 1, exclusive.
    x
        Values between 0 and 1, any shape.

    References
    ----------
    .. [1] PixInsight reference documentation, HistogramTransformation: MTF(m, x) = (m-1)x / ((2m-1)x - m).
    """
    values = np.asarray(x, dtype=np.float64)
    result: NDArray[np.float64] = (balance - 1) * values / ((2 * balance - 1) * values - balance)
    return result


def make_table(rows: Indices, levels: Levels, kind: StretchKind) -> tuple[NDArray[np.uint8], ChannelStretch]:
    """Make the table of one channel.

    Parameters
    ----------
    rows
        Sample of the channel as rows of the table, shape (n,); empty if no pixel is finite.
    levels
        What a row is in ADU.
    kind
        Curve. ``stf`` puts the median at 0.25 with black 2.8 sigma below it, ``asinh`` is softer on bright stars,
        ``zscale`` and ``linear`` are straight lines (the contrast limits of IRAF; 0.1 to 99.9 %).

    Returns
    -------
    tuple
        Table of 65536 grey values, and the curve in ADU. A constant frame has no noise to scale by: it is shown on
        the whole range of its pixel type, so that a saturated frame is white and an empty one black.
    """
    counts = np.bincount(rows, minlength=TOP + 1)
    if counts.max() == rows.size:
        return _table(0.0, float(TOP), 0.5), _constant(rows, levels)
    median, sigma = _centre(counts)
    black, white, balance = _limits(kind, rows, counts, (median, sigma))
    table = _asinh_table(black, white, sigma) if kind is StretchKind.ASINH else _table(black, white, balance)
    return table, ChannelStretch(
        levels.value(median), sigma * levels.step, levels.value(black), levels.value(white), balance
    )


def make_tables(
    samples: list[NDArray[np.number]], levels: Levels, kind: StretchKind
) -> tuple[Tables, tuple[ChannelStretch, ...]]:
    """Make one table per channel; each channel is stretched by itself, which makes the sky grey."""
    made = [make_table(levels.indices(values.reshape(1, -1)).ravel(), levels, kind) for values in samples]
    return np.stack([table for table, _ in made]), tuple(curve for _, curve in made)


def _constant(rows: Indices, levels: Levels) -> ChannelStretch:
    value = levels.value(float(rows[0])) if rows.size else 0.0
    return ChannelStretch(value, 0.0, levels.value(0), levels.value(TOP), 0.5)


def _centre(counts: NDArray[np.intp]) -> tuple[float, float]:
    """Median and sigma of a histogram, in rows; where more than half the pixels are equal, from their mean distance."""
    half = (counts.sum() + 1) // 2
    median = int(np.searchsorted(counts.cumsum(), half))
    distances = np.abs(np.arange(TOP + 1) - median)
    folded = np.bincount(distances, weights=counts)
    deviation = float(np.searchsorted(folded.cumsum(), half))
    if deviation == 0:
        return float(median), MAD_TO_SIGMA * float(folded @ np.arange(folded.size)) / float(counts.sum())
    return float(median), MAD_TO_SIGMA * deviation


def _percentile(counts: NDArray[np.intp], percent: float) -> float:
    return float(np.searchsorted(counts.cumsum(), counts.sum() * percent / 100))


def _limits(
    kind: StretchKind, rows: Indices, counts: NDArray[np.intp], sky: tuple[float, float]
) -> tuple[float, float, float]:
    """Black, white and midtones balance, in rows."""
    median, sigma = sky
    shadows = max(0.0, median + SHADOWS * sigma)
    if kind is StretchKind.ZSCALE:
        from astropy.visualization import ZScaleInterval  # noqa: PLC0415 - brings matplotlib where it is installed

        low, high = ZScaleInterval().get_limits(rows.astype(np.float64))
        return float(low), max(float(high), float(low) + 1.0), 0.5
    if kind is StretchKind.LINEAR:
        low = _percentile(counts, 0.1)
        return low, max(_percentile(counts, 99.9), low + 1.0), 0.5
    if kind is StretchKind.ASINH:
        return shadows, max(_percentile(counts, 99.95), median + 10 * sigma), 0.5
    white = float(TOP)
    if shadows >= white:
        return shadows, shadows + 1.0, 0.5
    place = (median - shadows) / (white - shadows)
    balance = float(midtones(TARGET, np.asarray([place]))[0])
    return shadows, white, min(max(balance, 1e-6), 1 - 1e-6)


def _table(black: float, white: float, balance: float) -> NDArray[np.uint8]:
    scaled = np.clip((np.arange(TOP + 1) - black) / (white - black), 0.0, 1.0)
    return np.rint(255 * midtones(balance, scaled)).astype(np.uint8)


def _asinh_table(black: float, white: float, sigma: float) -> NDArray[np.uint8]:
    softening = max(ASINH_SOFTENING * sigma, 1e-3)
    scaled: NDArray[np.float64] = np.arcsinh(np.maximum(np.arange(TOP + 1) - black, 0.0) / softening)
    scaled /= float(np.arcsinh((white - black) / softening))
    return np.rint(255 * np.clip(scaled, 0.0, 1.0)).astype(np.uint8)

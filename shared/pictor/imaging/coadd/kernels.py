"""Compiled loops of coaddition: the samples of one tile become values, errors, counts and bits."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bits = NDArray[np.uint8]
Counts = NDArray[np.uint16]

MEAN, MEDIAN, CLIP = 0, 1, 2
BLOCKING, SOFT, NO_DATA = np.uint8(1 | 4 | 8 | 16), np.uint8(2 | 32), np.uint8(16)


@njit(cache=True, nogil=True)
def _kept(value: float, bit: np.uint8, soft: bool) -> bool:  # noqa: FBT001
    """Whether a sample counts: it has a value, no blocking bit and, unless ``soft``, is not saturated."""
    return value - value == 0.0 and not bit & BLOCKING and (soft or not bit & SOFT)


@njit(cache=True, nogil=True)
def medians(values: Reals, bits: Bits, out: Reals, soft: NDArray[np.bool_], tolls: Bits) -> None:
    """Find the median of the samples, shape (n, h, w), of every pixel; NaN without any.

    ``soft`` tells where only saturated samples are; ``tolls`` collects the bits, that of saturation where at least half
    of the samples are.
    """
    n, height, width = values.shape
    sample = np.empty(n, np.float32)
    for y in range(height):
        for x in range(width):
            count, full, told = 0, 0, np.uint8(0)
            for i in range(n):
                told |= bits[i, y, x]
                full += bits[i, y, x] & SOFT != 0
                if _kept(values[i, y, x], bits[i, y, x], False):
                    sample[count] = values[i, y, x]
                    count += 1
            soft[y, x] = count == 0
            if count == 0:
                for i in range(n):
                    if _kept(values[i, y, x], bits[i, y, x], True):
                        sample[count] = values[i, y, x]
                        count += 1
            tolls[y, x] = told if full >= count or soft[y, x] else told & ~SOFT
            out[y, x] = _median(sample, count) if count else np.nan


@njit(cache=True, nogil=True)
def _median(sample: Reals, count: int) -> float:
    """Sort the first samples in place and return their median."""
    for i in range(1, count):
        value, j = sample[i], i - 1
        while j >= 0 and sample[j] > value:
            sample[j + 1] = sample[j]
            j -= 1
        sample[j + 1] = value
    return 0.5 * (float(sample[(count - 1) // 2]) + float(sample[count // 2]))


@njit(cache=True, nogil=True)
def _slope(image: Reals, y: int, x: int) -> float:
    """Return the largest difference to the four neighbours."""
    centre, most = image[y, x], 0.0
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        j, i = y + dy, x + dx
        if 0 <= j < image.shape[0] and 0 <= i < image.shape[1]:
            step = abs(float(image[j, i]) - float(centre))
            most = max(most, step)
    return most


@njit(cache=True, nogil=True)
def _farthest(values: Reals, y: int, x: int, centre: float) -> float:
    """Return the largest distance of a sample of one pixel from a value; 0 from NaN."""
    worst = 0.0
    for i in range(values.shape[0]):
        away = abs(float(values[i, y, x]) - centre)
        if away > worst:  # noqa: PLR1730 - samples that are NaN do not count
            worst = away
    return worst


@njit(cache=True, nogil=True)
def reject(  # noqa: PLR0917
    values: Reals, variances: Reals, bits: Bits, middle: Reals, soft: NDArray[np.bool_], frames: Doubles, rule: Doubles,
    inner: tuple[int, int, int, int], rejected: NDArray[np.int64],
) -> None:  # fmt: skip
    """Turn samples that cannot belong to the median into NaN.

    A sample may differ by ``sigma`` times its noise, plus a share of the light above the sky and of the slope, which
    its seeing and shift change. Its noise is that of its frame's sky, not interpolated, plus what the median frame has
    beyond its sky, so that a hit does not excuse itself.

    ``frames`` holds variance of the sky, share of light and share of slope of every frame, shape (3, n); ``rule`` is
    (sigma, level of the sky, fewest samples, variance that interpolation leaves of 1); ``inner`` (y0, y1, x0, x1) is
    the part whose rejected samples are counted.
    """
    n, height, width = values.shape
    beyond, least = np.empty(n, np.float32), rule[0] * np.sqrt(frames[0].min())
    for y in range(height):
        for x in range(width):
            centre = float(middle[y, x])
            if _farthest(values, y, x, centre) <= least:
                continue
            count = 0
            for i in range(n):
                if _kept(values[i, y, x], bits[i, y, x], soft[y, x]):
                    beyond[count] = max(float(variances[i, y, x]) - rule[3] * frames[0, i], 0.0)
                    count += 1
            if count < rule[2]:
                continue
            excess = _median(beyond, count)
            light, slope = max(centre - rule[1], 0.0), _slope(middle, y, x)
            counted = inner[0] <= y < inner[1] and inner[2] <= x < inner[3]
            for i in range(n):
                if _kept(values[i, y, x], bits[i, y, x], soft[y, x]):
                    limit = rule[0] * np.sqrt(frames[0, i] + excess) + frames[1, i] * light + frames[2, i] * slope
                    if abs(float(values[i, y, x]) - centre) > limit:
                        values[i, y, x] = np.nan
                        rejected[i] += counted


@njit(cache=True, nogil=True)
def average(  # noqa: PLR0917
    values: Reals, variances: Reals, bits: Bits, weights: Doubles, soft: NDArray[np.bool_],
    corner: tuple[int, int], out: tuple[Reals, Reals, Counts],
) -> None:  # fmt: skip
    """Average the samples that are left; ``out`` (value, variance, number) begins at ``corner`` of the samples."""
    n = values.shape[0]
    value, variance, nused = out
    for row in range(value.shape[0]):
        for column in range(value.shape[1]):
            y, x = row + corner[0], column + corner[1]
            total, noise, weight, count = 0.0, 0.0, 0.0, 0
            for i in range(n):
                if _kept(values[i, y, x], bits[i, y, x], soft[y, x]):
                    w = weights[i]
                    total += w * values[i, y, x]
                    noise += w * w * variances[i, y, x]
                    weight += w
                    count += 1
            nused[row, column] = count
            if count:
                value[row, column], variance[row, column] = total / weight, noise / (weight * weight)
            else:
                value[row, column], variance[row, column] = np.nan, np.nan


@njit(cache=True, nogil=True)
def add(  # noqa: PLR0917
    values: Reals, variances: Reals, bits: Bits, weight: float, sums: Doubles, counts: NDArray[np.uint16], told: Bits
) -> None:
    """Add the samples of one frame to the sums (weighted value, variance and weight; shape (2, 3, h, w)).

    The second of the two layers, and of ``counts``, is for saturated samples.
    """
    height, width = values.shape
    for y in range(height):
        for x in range(width):
            told[y, x] |= bits[y, x]
            if _kept(values[y, x], bits[y, x], True):
                layer = 1 if bits[y, x] & SOFT else 0
                sums[layer, 0, y, x] += weight * values[y, x]
                sums[layer, 1, y, x] += weight * weight * variances[y, x]
                sums[layer, 2, y, x] += weight
                counts[layer, y, x] += 1


@njit(cache=True, nogil=True)
def choose(sums: Doubles, counts: NDArray[np.uint16], told: Bits) -> None:
    """Use the saturated samples where there are no others; tell of them where they are at least half."""
    for y in range(told.shape[0]):
        for x in range(told.shape[1]):
            clean, full = counts[0, y, x], counts[1, y, x]
            if full < clean:
                told[y, x] &= ~SOFT
            if clean == 0:
                counts[0, y, x] = full
                for k in range(3):
                    sums[0, k, y, x] = sums[1, k, y, x]


@njit(cache=True, nogil=True)
def settle(nused: Counts, told: Bits, mask: Bits) -> None:
    """Make the mask: all bits told of where nothing was left, else those of saturation only."""
    for y in range(nused.shape[0]):
        for x in range(nused.shape[1]):
            if nused[y, x] == 0:
                mask[y, x] = told[y, x] | NO_DATA
            else:
                mask[y, x] = told[y, x] & SOFT

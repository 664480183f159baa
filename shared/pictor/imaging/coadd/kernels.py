"""Compiled loops of coaddition: the samples of one tile become values, errors, counts and bits."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import LANES, Comparators, sort_rows
from pictor.imaging.compiling import njit

Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bits = NDArray[np.uint8]
Counts = NDArray[np.uint16]
Numbers = NDArray[np.int32]

MEAN, MEDIAN, CLIP = 0, 1, 2
BLOCKING, SOFT, NO_DATA = np.uint8(1 | 4 | 8 | 16), np.uint8(2 | 32), np.uint8(16)


@njit(cache=True, nogil=True)
def kept(value: float, bit: np.uint8, soft: bool) -> bool:  # noqa: FBT001
    """Whether a sample counts: it has a value, no blocking bit and, unless ``soft``, is not saturated."""
    return value - value == 0.0 and not bit & BLOCKING and (soft or not bit & SOFT)


@njit(cache=True, nogil=True)
def medians(  # noqa: PLR0917
    values: Reals, bits: Bits, pairs: Comparators, out: Reals, reach: Reals, soft: NDArray[np.bool_], tolls: Bits
) -> None:
    """Find the median of the samples, shape (n, h, w), of every pixel; NaN without any.

    The samples of many pixels are sorted at once by the comparators ``pairs``. ``reach`` is the distance of the
    outermost sample from the median; ``soft`` tells where only saturated samples are; ``tolls`` collects the bits,
    that of saturation where at least half of the samples are.
    """
    n, height, width = values.shape
    block = np.zeros((n, LANES), np.float32)
    count, full, told = np.empty(LANES, np.int32), np.empty(LANES, np.int32), np.empty(LANES, np.uint8)
    for y in range(height):
        for x in range(0, width, LANES):
            lanes = min(LANES, width - x)
            here = slice(x, x + lanes)
            _gather(values[:, y, here], bits[:, y, here], block, (count, full, told))
            sort_rows(block, pairs)
            middle, far, tell = out[y, here], reach[y, here], tolls[y, here]
            for k in range(lanes):
                number = count[k]
                soft[y, x + k] = number == 0
                if number == 0:
                    number = _soft_sorted(values[:, y, x + k], bits[:, y, x + k], block[:, k])
                tell[k] = told[k] if full[k] >= count[k] or soft[y, x + k] else told[k] & ~SOFT
                if number == 0:
                    middle[k], far[k] = np.nan, 0.0
                    continue
                centre = np.float32(0.5) * (block[(number - 1) // 2, k] + block[number // 2, k])
                middle[k] = centre
                far[k] = max(block[number - 1, k] - centre, centre - block[0, k])


@njit(cache=True, nogil=True)
def _gather(values: Reals, bits: Bits, block: Reals, about: tuple[Numbers, Numbers, Bits]) -> None:
    """Take the clean samples (n, lanes) of some pixels, infinity for all others; count clean and saturated ones."""
    count, full, told = about
    count[:], full[:], told[:] = 0, 0, 0
    for i in range(values.shape[0]):
        value, bit, row = values[i], bits[i], block[i]
        for k in range(value.shape[0]):
            known = value[k] - value[k] == 0.0 and not bit[k] & BLOCKING
            clean = known and not bit[k] & SOFT
            row[k] = value[k] if clean else np.float32(np.inf)
            count[k] += clean
            full[k] += bit[k] & SOFT != 0
            told[k] |= bit[k]


@njit(cache=True, nogil=True)
def _soft_sorted(values: Reals, bits: Bits, out: Reals) -> int:
    """Sort the samples of one pixel of which none is clean; return how many there are, first in ``out``."""
    count = 0
    for i in range(values.shape[0]):
        if kept(values[i], bits[i], True):
            value, j = values[i], count - 1
            while j >= 0 and out[j] > value:
                out[j + 1] = out[j]
                j -= 1
            out[j + 1] = value
            count += 1
    return count


@njit(cache=True, nogil=True)
def median_of(sample: Reals, count: int) -> float:
    """Sort the first samples in place and return their median."""
    for i in range(1, count):
        value, j = sample[i], i - 1
        while j >= 0 and sample[j] > value:
            sample[j + 1] = sample[j]
            j -= 1
        sample[j + 1] = value
    return 0.5 * (float(sample[(count - 1) // 2]) + float(sample[count // 2]))


@njit(cache=True, nogil=True)
def give_noise(values: Reals, variance: Reals, sky: float, floor: float, slope: float) -> None:
    """Turn the variance of unit noise into that of the sky and, ``slope`` times, of the light above it."""
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            light = max(values[y, x] - np.float32(sky), np.float32(0.0))
            variance[y, x] *= np.float32(floor) + np.float32(slope) * light


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
            if kept(values[y, x], bits[y, x], True):
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
def settled(nused: Counts, told: Bits) -> Bits:
    """Make the mask: all bits told of where nothing was left, else those of saturation only."""
    mask = np.empty(nused.shape, np.uint8)
    for y in range(nused.shape[0]):
        for x in range(nused.shape[1]):
            if nused[y, x] == 0:
                mask[y, x] = told[y, x] | NO_DATA
            else:
                mask[y, x] = told[y, x] & SOFT
    return mask

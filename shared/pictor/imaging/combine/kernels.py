"""Compiled loops over pixels: sort the samples of 64 pixels at once, look closer only where something sticks out."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Samples = NDArray[np.float64]
Integers = NDArray[np.uint16]
Reals = NDArray[np.float32]
Comparators = NDArray[np.int32]

LANES = 64
"""Pixels sorted together: one cache line of uint16, two to four vector registers."""

MEAN, MEDIAN, SIGMA_CLIP = 0, 1, 2
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""

SAFE = 0.9999
"""A sample this far inside the threshold is inside whatever the rounding."""

SATURATED, NO_DATA = np.uint8(2), np.uint8(16)
BYTE, SIGN = np.uint16(8), np.uint16(0x8000)


def sorting_network(count: int) -> Comparators:
    """Return the comparators of Batcher's odd-even merge sort, shape (n, 2).

    References
    ----------
    Batcher K. E., 1968, Sorting networks and their applications, AFIPS 32, 307.
    """
    pairs: list[tuple[int, int]] = []
    p = 1
    while p < count:
        k = p
        while k >= 1:
            for j in range(k % p, count - k, 2 * k):
                first = range(j, j + min(k, count - j - k))
                pairs.extend((i, i + k) for i in first if i // (2 * p) == (i + k) // (2 * p))
            k //= 2
        p *= 2
    return np.array(pairs, dtype=np.int32).reshape(-1, 2)


@njit(cache=True, nogil=True)
def sort_rows(block: Integers | Reals, pairs: Comparators) -> None:
    """Sort every column of ``block`` (n, LANES) in place with a sorting network."""
    for p in range(pairs.shape[0]):
        low, high = block[pairs[p, 0]], block[pairs[p, 1]]
        for lane in range(LANES):
            a, b = low[lane], high[lane]
            low[lane] = min(a, b)
            high[lane] = max(a, b)


@njit(cache=True, nogil=True)
def median_of(v: Samples, lo: int, hi: int) -> float:
    """Return the median of sorted ``v[lo:hi]``."""
    n = hi - lo
    middle: float = v[lo + (n - 1) // 2] + v[lo + n // 2]
    return 0.5 * middle


@njit(cache=True, nogil=True)
def mad_of(v: Samples, lo: int, hi: int, centre: float) -> float:
    """Return the median absolute deviation of sorted ``v[lo:hi]`` from its median ``centre``."""
    n = hi - lo
    left, right = lo + (n - 1) // 2, lo + (n - 1) // 2 + 1
    first, deviation = 0.0, 0.0
    for k in range(n // 2 + 1):
        if right >= hi or (left >= lo and centre - v[left] <= v[right] - centre):
            deviation = centre - v[left]
            left -= 1
        else:
            deviation = v[right] - centre
            right += 1
        if k == (n - 1) // 2:
            first = deviation
    return 0.5 * (first + deviation)


@njit(cache=True, nogil=True)
def survivors(v: Samples, n: int, rule: Samples) -> tuple[int, int]:
    """Clip sorted ``v[:n]``; the survivors are ``v[lo:hi]``.

    ``rule`` is (sigma, iterations, floor, slope, pedestal).
    """
    lo, hi = 0, n
    for _ in range(int(rule[1])):
        centre = median_of(v, lo, hi)
        noise = np.sqrt(rule[2] + rule[3] * max(centre - rule[4], 0.0))
        limit = rule[0] * max(MAD_TO_SIGMA * mad_of(v, lo, hi, centre), noise)
        before = hi - lo
        while v[hi - 1] - centre > limit:
            hi -= 1
        while centre - v[lo] > limit:
            lo += 1
        if hi - lo == before:
            break
    return lo, hi


@njit(cache=True, nogil=True)
def decode(word: np.uint16) -> np.uint16:
    """Turn one stored word, big-endian and offset by 32768, into its value."""
    return np.uint16((word << BYTE) | (word >> BYTE)) ^ SIGN


@njit(cache=True, nogil=True)
def _load(raw: Integers, block: Integers, total: NDArray[np.uint32]) -> None:
    """Decode the samples of up to LANES pixels and add them up."""
    total[:] = 0
    for i in range(raw.shape[0]):
        row, source = block[i], raw[i]
        for lane in range(source.shape[0]):
            value = decode(source[lane])
            row[lane] = value
            total[lane] += value


@njit(cache=True, nogil=True)
def _flag(block: Integers, rule: Samples, sci: Reals, risky: NDArray[np.uint8]) -> None:
    """Flag the sorted pixels whose extremes may lie outside the threshold."""
    n = block.shape[0]
    bottom, low, high, top = block[0], block[(n - 1) // 2], block[n // 2], block[n - 1]
    for lane in range(sci.shape[0]):
        centre = 0.5 * (np.float64(low[lane]) + np.float64(high[lane]))
        reach = max(np.float64(top[lane]) - centre, centre - np.float64(bottom[lane]))
        variance = rule[2] + rule[3] * max(centre - rule[4], 0.0)
        risky[lane] = reach * reach > SAFE * rule[0] * rule[0] * variance


@njit(cache=True, nogil=True)
def _clip_lane(
    block: Integers, raw: Integers, lane: int, rule: Samples, rejected: NDArray[np.int64]
) -> tuple[float, int]:
    """Clip one sorted pixel; return the mean of the survivors and their number, count the others by frame."""
    n = block.shape[0]
    column = np.empty(n, np.float64)
    for i in range(n):
        column[i] = block[i, lane]
    lo, hi = survivors(column, n, rule)
    total = 0.0
    for i in range(lo, hi):
        total += column[i]
    if hi - lo < n:
        for i in range(n):
            value = np.float64(decode(raw[i, lane]))
            rejected[i] += value < column[lo] or value > column[hi - 1]
    return total / (hi - lo), hi - lo


@njit(cache=True, nogil=True)
def combine_integers(  # noqa: PLR0917
    raw: Integers,
    method: int,
    rule: Samples,
    pairs: Comparators,
    sci: Reals,
    nused: NDArray[np.uint8],
    rejected: NDArray[np.int64],
) -> None:
    """Combine stored samples, shape (n, pixels), words as in the file.

    ``rule`` is (sigma, iterations, floor, slope, pedestal); ``rejected`` counts the rejected samples of each frame.
    """
    n, pixels = raw.shape
    block, total = np.empty((n, LANES), np.uint16), np.empty(LANES, np.uint32)
    risky = np.zeros(LANES, np.uint8)
    nused[:] = n
    for start in range(0, pixels, LANES):
        end = min(start + LANES, pixels)
        source, out, used = raw[:, start:end], sci[start:end], nused[start:end]
        _load(source, block, total)
        for lane in range(end - start):
            out[lane] = total[lane] / n
        if method == MEAN:
            continue
        sort_rows(block, pairs)
        if method == MEDIAN:
            for lane in range(end - start):
                out[lane] = 0.5 * (np.float64(block[(n - 1) // 2, lane]) + np.float64(block[n // 2, lane]))
            continue
        _flag(block, rule, out, risky)
        for lane in range(end - start):
            if risky[lane]:
                out[lane], used[lane] = _clip_lane(block, source, lane, rule, rejected)

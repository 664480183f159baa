"""Compiled loops over pixels: the samples of many pixels are sorted at once."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit

Samples = NDArray[np.float64]
Integers = NDArray[np.uint16]
Reals = NDArray[np.float32]
Comparators = NDArray[np.int32]

LANES = 128
"""Pixels sorted together: the samples of twenty frames fit the first-level cache, and loops outweigh their set-up."""

MEAN, MEDIAN, SIGMA_CLIP = 0, 1, 2
MAD_TO_SIGMA = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""

SAFE = 0.9999
"""A sample this far inside the threshold is inside whatever the rounding."""

SATURATED, NO_DATA = np.uint8(2), np.uint8(16)
EIGHT, LOW_BYTES, SIGNS = np.uint64(8), np.uint64(0x00FF00FF00FF00FF), np.uint64(0x8000800080008000)


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
def _nearest(v: Samples, lo: int, hi: int, centre: float, count: int) -> float:
    """Return the distance from ``centre`` within which ``count + 1`` of the sorted values lie.

    These values are neighbours, so the smallest window that holds them tells, without a branch.
    """
    best = np.inf
    for i in range(lo, hi - count):
        best = min(best, max(centre - v[i], v[i + count] - centre))
    return best


@njit(cache=True, nogil=True)
def mad_of(v: Samples, lo: int, hi: int, centre: float) -> float:
    """Return the median absolute deviation of sorted ``v[lo:hi]`` from its median ``centre``."""
    n = hi - lo
    upper = _nearest(v, lo, hi, centre, n // 2)
    if n % 2 == 1:
        return upper
    return 0.5 * (_nearest(v, lo, hi, centre, n // 2 - 1) + upper)


@njit(cache=True, nogil=True)
def _narrow(block: Integers | Reals, windows: tuple[int, int], count: int, near: Integers | Reals) -> None:
    """Narrow ``near`` to the smallest reach about the middle of ``count + 1`` neighbours, from some of the places on.

    Reaches are counted from the nearer of the two middle values, so that those of integers are integers.
    """
    n, kind = block.shape[0], near.dtype.type
    low, high = block[(n - 1) // 2], block[n // 2]
    for i in range(windows[0], windows[1]):
        first, last = block[i], block[i + count]
        for lane in range(LANES):
            near[lane] = min(near[lane], max(kind(low[lane] - first[lane]), kind(last[lane] - high[lane])))


@njit(cache=True, nogil=True)
def deviations(block: Integers | Reals, room: Integers | Reals, out: Reals) -> None:
    """Write the median absolute deviation of every column of sorted ``block`` (n, LANES), as `mad_of` does of one.

    ``room`` is (2, LANES), of the type of the block.
    """
    n, kind = block.shape[0], room.dtype.type
    low, high, half, gap = block[(n - 1) // 2], block[n // 2], n // 2, np.float32(0)
    near, other = room[0], room[1]
    for lane in range(LANES):
        near[lane] = kind(block[n - 1, lane] - block[0, lane])
    _narrow(block, (0, n - half), half, near)
    if n % 2 == 1:
        for lane in range(LANES):
            out[lane] = near[lane]
        return
    for lane in range(LANES):
        other[lane] = min(kind(low[lane] - block[0, lane]), kind(block[n - 1, lane] - high[lane]))
    _narrow(block, (1, n - half), half - 1, other)
    for lane in range(LANES):
        gap = np.float32(high[lane]) - np.float32(low[lane])
        out[lane] = np.float32(0.5) * (np.float32(near[lane]) + np.float32(other[lane]) + gap)


@njit(cache=True, nogil=True)
def decode_words(words: NDArray[np.uint64]) -> None:
    """Turn stored samples, big-endian and offset by 32768, into native values in place, four at a time."""
    for i in range(words.shape[0]):
        word = words[i]
        swapped = ((word & LOW_BYTES) << EIGHT) | ((word >> EIGHT) & LOW_BYTES)
        words[i] = swapped ^ SIGNS


@njit(cache=True, nogil=True)
def _load(tile: Integers, start: int, end: int, block: Integers, total: NDArray[np.uint32]) -> None:
    """Copy the samples of up to LANES pixels and add them up; rows stay contiguous so that the loops vectorise."""
    total[:] = 0
    for i in range(tile.shape[0]):
        row, source = block[i], tile[i][start:end]
        for lane in range(source.shape[0]):
            row[lane] = source[lane]
        for lane in range(source.shape[0]):
            total[lane] += np.uint32(source[lane])


@njit(cache=True, nogil=True)
def average_integers(tile: Integers, median: bool, pairs: Comparators, sci: Reals) -> None:  # noqa: FBT001
    """Write the mean, or the median, of native integer samples, shape (n, pixels)."""
    n, pixels = tile.shape
    block, total = np.zeros((n, LANES), np.uint16), np.empty(LANES, np.uint32)
    low, high = block[(n - 1) // 2], block[n // 2]
    for start in range(0, pixels, LANES):
        end = min(start + LANES, pixels)
        out = sci[start:end]
        _load(tile, start, end, block, total)
        if median:
            sort_rows(block, pairs)
            for lane in range(end - start):
                out[lane] = 0.5 * (np.float64(low[lane]) + np.float64(high[lane]))
        else:
            for lane in range(end - start):
                out[lane] = total[lane] / n

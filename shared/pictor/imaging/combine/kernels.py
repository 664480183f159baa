"""Compiled loops over pixels: sort the samples of 64 pixels at once, look closer only where something sticks out."""

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
def _flag(block: Integers, rule: Samples, deviation: Reals, risky: NDArray[np.uint8]) -> None:
    """Flag the sorted pixels whose extremes may lie outside the threshold."""
    n = block.shape[0]
    bottom, low, high, top = block[0], block[(n - 1) // 2], block[n // 2], block[n - 1]
    for lane in range(LANES):
        centre = 0.5 * (np.float64(low[lane]) + np.float64(high[lane]))
        reach = max(np.float64(top[lane]) - centre, centre - np.float64(bottom[lane]))
        spread = MAD_TO_SIGMA * np.float64(deviation[lane])
        variance = max(spread * spread, rule[2] + rule[3] * max(centre - rule[4], 0.0))
        risky[lane] = reach * reach > SAFE * rule[0] * rule[0] * variance


@njit(cache=True, nogil=True)
def _deviation(block: Integers, lane: int, ends: tuple[int, int], centre: float, column: Samples) -> float:
    """Return the median absolute deviation of some of the samples of one sorted pixel."""
    for i in range(ends[0], ends[1]):
        column[i] = block[i, lane]
    return mad_of(column, ends[0], ends[1], centre)


@njit(cache=True, nogil=True)
def _survivors(block: Integers, lane: int, rule: Samples, deviation: float, column: Samples) -> tuple[int, int]:
    """Clip one sorted pixel, of which ``deviation`` is known; the survivors are ``block[lo:hi, lane]``.

    That of the survivors is asked for only where one of them is beyond the noise, below which no threshold is.
    """
    lo, hi = 0, block.shape[0]
    for round_ in range(int(rule[1])):
        before = hi - lo
        centre = 0.5 * (np.float64(block[lo + (before - 1) // 2, lane]) + np.float64(block[lo + before // 2, lane]))
        noise = np.sqrt(rule[2] + rule[3] * max(centre - rule[4], 0.0))
        if max(block[hi - 1, lane] - centre, centre - block[lo, lane]) <= rule[0] * noise:
            break
        found = deviation if round_ == 0 else _deviation(block, lane, (lo, hi), centre, column)
        limit = rule[0] * max(MAD_TO_SIGMA * found, noise)
        while block[hi - 1, lane] - centre > limit:
            hi -= 1
        while centre - block[lo, lane] > limit:
            lo += 1
        if hi - lo == before:
            break
    return lo, hi


@njit(cache=True, nogil=True)
def _clip_pixel(  # noqa: PLR0917
    block: Integers, lane: int, rule: Samples, total: np.uint32, deviation: float, column: Samples
) -> tuple[float, int, int, int]:
    """Clip one sorted pixel; return the mean of the survivors and their number, the least and the largest of them."""
    n = block.shape[0]
    lo, hi = _survivors(block, lane, rule, deviation, column)
    left = np.int64(total)
    for i in range(lo):
        left -= np.int64(block[i, lane])
    for i in range(hi, n):
        left -= np.int64(block[i, lane])
    return left / (hi - lo), hi - lo, block[lo, lane], block[hi - 1, lane]


@njit(cache=True, nogil=True)
def _count_outside(tile: Integers, start: int, least: Integers, most: Integers, rejected: NDArray[np.int64]) -> None:
    """Count by frame the samples outside the bounds of their pixel, from pixel ``start`` on."""
    for i in range(tile.shape[0]):
        row, count = tile[i][start : start + least.shape[0]], np.uint16(0)
        for lane in range(row.shape[0]):
            count = np.uint16(count + ((row[lane] < least[lane]) | (row[lane] > most[lane])))
        rejected[i] += np.int64(count)


@njit(cache=True, nogil=True)
def combine_integers(  # noqa: PLR0917
    tile: Integers,
    method: int,
    rule: Samples,
    pairs: Comparators,
    sci: Reals,
    nused: NDArray[np.uint8],
    rejected: NDArray[np.int64],
) -> None:
    """Combine native integer samples, shape (n, pixels).

    ``rule`` is (sigma, iterations, floor, slope, pedestal); ``rejected`` counts the rejected samples of each frame.
    """
    n, pixels = tile.shape
    block, total = np.zeros((n, LANES), np.uint16), np.empty(LANES, np.uint32)
    room, deviation = np.empty((2, LANES), np.uint16), np.empty(LANES, np.float32)
    risky, column = np.zeros(LANES, np.uint8), np.empty(n, np.float64)
    nused[:] = n
    for start in range(0, pixels, LANES):
        end = min(start + LANES, pixels)
        out = sci[start:end]
        _load(tile, start, end, block, total)
        for lane in range(end - start):
            out[lane] = total[lane] / n
        if method == MEAN:
            continue
        sort_rows(block, pairs)
        if method == MEDIAN:
            for lane in range(end - start):
                out[lane] = 0.5 * (np.float64(block[(n - 1) // 2, lane]) + np.float64(block[n // 2, lane]))
            continue
        deviations(block, room, deviation)
        _flag(block, rule, deviation, risky)
        room[0], room[1] = block[0], block[n - 1]
        found = 0
        for lane in range(end - start):
            if risky[lane]:
                out[lane], nused[start + lane], room[0, lane], room[1, lane] = _clip_pixel(
                    block, lane, rule, total[lane], deviation[lane], column
                )
                found += n - nused[start + lane]
        if found:
            _count_outside(tile, start, room[0][: end - start], room[1][: end - start], rejected)

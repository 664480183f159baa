"""Compiled loops that clip integer samples: most pixels need no sorting to know that nothing of them is rejected.

Nothing is where all samples are within the noise of the median, times sigma: the deviation of the samples can only
widen that. Both middle samples are where the extremes say they must be if no more than half of the samples are beyond
two bounds, which is counted many pixels at a time.
"""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import (
    LANES,
    MAD_TO_SIGMA,
    SAFE,
    Comparators,
    Integers,
    Reals,
    Samples,
    deviations,
    mad_of,
    sort_rows,
)
from pictor.imaging.compiling import njit

WIDTH = 256
"""Pixels looked at together: the samples of twenty frames stay in the first-level cache between the two looks."""

CROWD = 3
"""Where more than one pixel in so many must be sorted all are: neighbours are copied faster than scattered pixels."""

TOP = np.uint16(65535)
Totals = NDArray[np.uint32]
Places = NDArray[np.int64]
Counts = NDArray[np.int64]
Used = NDArray[np.uint8]


@njit(cache=True, nogil=True)
def least_and_most(tile: Integers, start: int, least: Integers, most: Integers, total: Totals) -> None:
    """Write the least and the largest sample of some pixels of (n, pixels), and the sum of all."""
    n, width, i = tile.shape[0], least.shape[0], 0
    least[:], most[:], total[:] = TOP, 0, 0
    while i + 3 < n:
        a, b = tile[i][start : start + width], tile[i + 1][start : start + width]
        c, d = tile[i + 2][start : start + width], tile[i + 3][start : start + width]
        for x in range(width):
            least[x] = min(least[x], a[x], b[x], c[x], d[x])
            most[x] = max(most[x], a[x], b[x], c[x], d[x])
        for x in range(width):
            total[x] += np.uint32(a[x]) + np.uint32(b[x]) + np.uint32(c[x]) + np.uint32(d[x])
        i += 4
    while i < n:
        a = tile[i][start : start + width]
        for x in range(width):
            least[x], most[x] = min(least[x], a[x]), max(most[x], a[x])
        for x in range(width):
            total[x] += np.uint32(a[x])
        i += 1


@njit(cache=True, nogil=True)
def _bounds(least: Integers, most: Integers, rule: Reals, low: Integers, high: Integers) -> None:
    """Write the least value of the lower middle sample, and the largest of the upper one, at which no other is far off.

    ``rule`` is (floor, slope, pedestal, sigma), and the noise that of the least sample: it is no larger elsewhere.
    """
    floor, slope, pedestal, sigma = rule[0], rule[1], rule[2], rule[3]
    zero, top = np.float32(0), np.float32(TOP)
    for x in range(least.shape[0]):
        variance = floor + slope * max(np.float32(least[x]) - pedestal, zero)
        reach = min(np.floor(sigma * np.sqrt(variance)), top)
        low[x] = np.int32(max(np.float32(most[x]) - reach, zero))
        high[x] = np.int32(min(np.float32(least[x]) + reach, top))


@njit(cache=True, nogil=True)
def _count_beyond(
    tile: Integers, start: int, bounds: tuple[Integers, Integers], under: Integers, over: Integers
) -> None:
    """Count the samples of some pixels beyond the bounds on either side."""
    n, width, i = tile.shape[0], under.shape[0], 0
    low, high = bounds
    under[:], over[:] = 0, 0
    while i + 3 < n:
        a, b = tile[i][start : start + width], tile[i + 1][start : start + width]
        c, d = tile[i + 2][start : start + width], tile[i + 3][start : start + width]
        for x in range(width):
            first = np.uint16(a[x] < low[x]) + np.uint16(b[x] < low[x])
            under[x] = np.uint16(under[x] + first + np.uint16(c[x] < low[x]) + np.uint16(d[x] < low[x]))
            first = np.uint16(a[x] > high[x]) + np.uint16(b[x] > high[x])
            over[x] = np.uint16(over[x] + first + np.uint16(c[x] > high[x]) + np.uint16(d[x] > high[x]))
        i += 4
    while i < n:
        a = tile[i][start : start + width]
        for x in range(width):
            under[x] = np.uint16(under[x] + np.uint16(a[x] < low[x]))
            over[x] = np.uint16(over[x] + np.uint16(a[x] > high[x]))
        i += 1


@njit(cache=True, nogil=True)
def _flag(block: Integers, rule: Samples, deviation: Reals, risky: Used) -> None:
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
def _count_outside(held: Integers, least: Integers, most: Integers, rejected: Counts) -> None:
    """Count by frame the samples outside the bounds of their pixel."""
    for i in range(held.shape[0]):
        row, count = held[i], np.uint16(0)
        for lane in range(LANES):
            count = np.uint16(count + ((row[lane] < least[lane]) | (row[lane] > most[lane])))
        rejected[i] += np.int64(count)


@njit(cache=True, nogil=True)
def _gather(tile: Integers, places: Places, held: Integers) -> None:
    """Copy the samples of some pixels, each pixel into a lane."""
    count = places.shape[0]
    first, last = places[0], places[count - 1]
    for i in range(tile.shape[0]):
        row, source = held[i], tile[i]
        if last - first == count - 1:
            source = source[first : last + 1]
            for lane in range(count):
                row[lane] = source[lane]
        else:
            for lane in range(count):
                row[lane] = source[np.uint64(places[lane])]


@njit(cache=True, nogil=True)
def _clip_some(  # noqa: PLR0917
    tile: Integers, places: Places, totals: Totals, rule: Samples, pairs: Comparators, held: Integers, block: Integers,
    room: Integers, sci: Reals, nused: Used, rejected: Counts,
) -> None:  # fmt: skip
    """Clip up to LANES pixels, of whose samples the sums are known."""
    n, found = tile.shape[0], 0
    deviation, risky, column = np.empty(LANES, np.float32), np.empty(LANES, np.uint8), np.empty(n, np.float64)
    _gather(tile, places, held)
    block[:] = held
    sort_rows(block, pairs)
    deviations(block, room, deviation)
    _flag(block, rule, deviation, risky)
    room[0], room[1] = 0, TOP
    for lane in range(places.shape[0]):
        if risky[lane]:
            x = places[lane]
            sci[x], nused[x], room[0, lane], room[1, lane] = _clip_pixel(
                block, lane, rule, totals[lane], deviation[lane], column
            )
            found += n - nused[x]
    if found:
        _count_outside(held, room[0], room[1], rejected)


@njit(cache=True, nogil=True)
def _doubtful(under: Integers, over: Integers, most: int, start: int, places: Places) -> int:
    """List the pixels of which more samples than ``most`` are beyond a bound; all of them where these are many."""
    found = 0
    for x in range(under.shape[0]):
        places[found] = start + x
        found += max(under[x], over[x]) > most
    if CROWD * found > under.shape[0]:
        found = under.shape[0]
        for x in range(found):
            places[x] = start + x
    return found


@njit(cache=True, nogil=True)
def clip_integers(  # noqa: PLR0917
    tile: Integers, rule: Samples, pairs: Comparators, sci: Reals, nused: Used, rejected: Counts, ends: Integers
) -> None:
    """Clip native integer samples, shape (n, pixels), and write the mean of the survivors.

    ``rule`` is (sigma, iterations, floor, slope, pedestal); ``rejected`` counts the rejected samples of each frame,
    ``ends`` (2, pixels) gets the least and the largest of all samples.
    """
    n, pixels = tile.shape
    low, high, under = np.empty(WIDTH, np.uint16), np.empty(WIDTH, np.uint16), np.empty(WIDTH, np.uint16)
    over, total, found = np.empty(WIDTH, np.uint16), np.empty(WIDTH, np.uint32), np.empty(WIDTH, np.int64)
    held, block, room = (
        np.zeros((n, LANES), np.uint16),
        np.empty((n, LANES), np.uint16),
        np.empty((2, LANES), np.uint16),
    )
    places, totals, waiting = np.empty(LANES, np.int64), np.empty(LANES, np.uint32), 0
    short = np.array([rule[2], rule[3], rule[4], SAFE * rule[0]]).astype(np.float32)
    nused[:] = n
    for start in range(0, pixels, WIDTH):
        end = min(start + WIDTH, pixels)
        width, out, least, most = end - start, sci[start:end], ends[0, start:end], ends[1, start:end]
        least_and_most(tile, start, least, most, total[:width])
        for x in range(width):
            out[x] = total[x] / n
        _bounds(least, most, short, low[:width], high[:width])
        _count_beyond(tile, start, (low, high), under[:width], over[:width])
        for k in range(_doubtful(under[:width], over[:width], (n - 1) // 2, start, found)):
            places[waiting], totals[waiting] = found[k], total[found[k] - start]
            waiting += 1
            if waiting == LANES:
                _clip_some(tile, places, totals, rule, pairs, held, block, room, sci, nused, rejected)
                waiting = 0
    if waiting:
        _clip_some(tile, places[:waiting], totals, rule, pairs, held, block, room, sci, nused, rejected)

"""Pixels of which nothing can be rejected: their extremes and two counts tell it, without sorting.

A sample is rejected where it lies farther from the median than the noise its frame must have allows; what the samples
scatter by can only widen that. So where the upper of the two middle samples is that near to the least one, and the
lower that near to the largest, all are kept; and where the middle lies is told by counting.
"""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import Reals
from pictor.imaging.compiling import njit

PIECE = 256
"""Pixels of a row looked at together: their samples stay in the cache, and loops outweigh their set-up."""

INSIDE = np.float32(0.99995)
ROUNDING = np.float32(2.5e-7)
"""Limits are drawn this much narrower, so that rounding never keeps what would be rejected."""

Counts = NDArray[np.int32]
Places = NDArray[np.int32]


@njit(cache=True, nogil=True)
def _extremes(tile: Reals, y: int, ends: tuple[int, int], low: Reals, high: Reals, total: Reals) -> None:  # noqa: PLR0917
    """Find least and largest sample of some pixels of one row, and the sum of what all have above the first one."""
    n, base = tile.shape[0], tile[0, y][ends[0] : ends[1]]
    for x in range(base.shape[0]):
        low[x], high[x], total[x] = base[x], base[x], np.float32(0)
    left = (n - 1) % 4
    for i in range(1, 1 + left):
        a = tile[i, y][ends[0] : ends[1]]
        for x in range(base.shape[0]):
            low[x], high[x] = min(low[x], a[x]), max(high[x], a[x])
            total[x] += a[x] - base[x]
    for i in range(1 + left, n, 4):
        a, b = tile[i, y][ends[0] : ends[1]], tile[i + 1, y][ends[0] : ends[1]]
        c, d = tile[i + 2, y][ends[0] : ends[1]], tile[i + 3, y][ends[0] : ends[1]]
        for x in range(base.shape[0]):
            low[x] = min(low[x], a[x], b[x], c[x], d[x])
            high[x] = max(high[x], a[x], b[x], c[x], d[x])
            total[x] += ((a[x] - base[x]) + (b[x] - base[x])) + ((c[x] - base[x]) + (d[x] - base[x]))


@njit(cache=True, nogil=True)
def _limits(floor: Reals, slope: Reals, pedestal: np.float32, low: Reals, high: Reals) -> None:
    """Turn the extremes into what the lower middle must not be below and the upper middle not above.

    ``floor`` and ``slope`` are those of the square of the threshold, which is that at a level the middle lies above if
    it is within the limits.
    """
    for x in range(floor.shape[0]):
        bottom, top = low[x], high[x]
        widest = np.sqrt(floor[x] + slope[x] * max(top - pedestal, np.float32(0)))
        level = max(bottom, top - widest)
        reach = INSIDE * np.sqrt(floor[x] + slope[x] * max(level - pedestal, np.float32(0)))
        low[x] = top - reach + abs(top) * ROUNDING
        high[x] = bottom + reach - abs(bottom) * ROUNDING


@njit(cache=True, nogil=True)
def _outside(tile: Reals, y: int, ends: tuple[int, int], low: Reals, high: Reals, under: Counts, over: Counts) -> None:  # noqa: PLR0917
    """Count the samples of each pixel below its lower limit, ``counts[0]``, and above its upper one."""
    n, pixels = tile.shape[0], ends[1] - ends[0]
    for x in range(pixels):
        under[x], over[x] = 0, 0
    left = n % 4
    for i in range(left):
        a = tile[i, y][ends[0] : ends[1]]
        for x in range(pixels):
            under[x] += np.int32(a[x] < low[x])
            over[x] += np.int32(a[x] > high[x])
    for i in range(left, n, 4):
        a, b = tile[i, y][ends[0] : ends[1]], tile[i + 1, y][ends[0] : ends[1]]
        c, d = tile[i + 2, y][ends[0] : ends[1]], tile[i + 3, y][ends[0] : ends[1]]
        for x in range(pixels):
            under[x] += (np.int32(a[x] < low[x]) + np.int32(b[x] < low[x])) + (
                np.int32(c[x] < low[x]) + np.int32(d[x] < low[x])
            )
            over[x] += (np.int32(a[x] > high[x]) + np.int32(b[x] > high[x])) + (
                np.int32(c[x] > high[x]) + np.int32(d[x] > high[x])
            )


@njit(cache=True, nogil=True)
def average_row(  # noqa: PLR0917
    tile: Reals, y: int, clip: bool, rule: Reals, least: Reals, sci: Reals, ends: tuple[Reals, Reals], places: Places,  # noqa: FBT001
) -> int:  # fmt: skip
    """Write the mean of all samples of each pixel of a row; list the pixels that may need a closer look.

    Parameters
    ----------
    tile
        Samples, shape (n, rows, nx).
    y
        The row.
    clip
        Whether samples may be rejected; else only pixels whose mean is no number are listed.
    rule
        Threshold, iterations, floor, slope and pedestal of the noise of an unscaled sample.
    least
        The least scale of any frame, in even and odd columns, shape (2,).
    sci
        Receives the means, shape (nx,).
    ends
        Receives the least and the largest sample of each pixel, infinite where one is no number, each of shape (nx,).
    places
        Receives the columns, shape (nx + 1,).

    Returns
    -------
    int
        How many are listed.
    """
    n, nx, found = tile.shape[0], tile.shape[2], 0
    low, high, total = np.empty(PIECE, np.float32), np.empty(PIECE, np.float32), np.empty(PIECE, np.float32)
    under, over, doubtful = np.zeros(PIECE, np.int32), np.zeros(PIECE, np.int32), np.zeros(PIECE, np.uint8)
    floor, slope = np.empty(PIECE, np.float32), np.empty(PIECE, np.float32)
    for x in range(PIECE):
        own = least[x & 1] * rule[0] * rule[0]
        floor[x], slope[x] = own * least[x & 1] * rule[2], own * rule[3]
    for start in range(0, nx, PIECE):
        piece = start, min(start + PIECE, nx)
        _extremes(tile, y, piece, low, high, total)
        _keep(low, high, total, ends[0][start : piece[1]], ends[1][start : piece[1]])
        if clip:
            _limits(floor, slope, rule[4], low, high)
            _outside(tile, y, piece, low, high, under, over)
        _settle(tile[0, y][start : piece[1]], total, under, over, n, sci[start : piece[1]], doubtful)
        for x in range(piece[1] - start):
            places[found] = start + x
            found += int(doubtful[x])
    return found


@njit(cache=True, nogil=True)
def _keep(low: Reals, high: Reals, total: Reals, least: Reals, most: Reals) -> None:
    """Copy the extremes; a pixel with a sample that is no number has none."""
    for x in range(least.shape[0]):
        known = total[x] - total[x] == 0
        least[x] = low[x]
        most[x] = high[x] if known else np.float32(np.inf)


@njit(cache=True, nogil=True)
def _settle(  # noqa: PLR0917
    base: Reals, total: Reals, under: Counts, over: Counts, n: int, sci: Reals, doubtful: NDArray[np.uint8]
) -> None:
    """Write the means, and mark the pixels whose middle is not within the limits or whose mean is no number."""
    most = np.int32((n - 1) // 2)
    share = np.float32(1 / n)
    for x in range(base.shape[0]):
        sci[x] = base[x] + total[x] * share
    for x in range(base.shape[0]):
        doubtful[x] = np.uint8(under[x] > most) | np.uint8(over[x] > most) | np.uint8(total[x] - total[x] != 0)

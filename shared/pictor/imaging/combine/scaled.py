"""Compiled loops for samples that were scaled, shifted or are real numbers: each frame has its own noise."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.calm import Places, average_row
from pictor.imaging.combine.kernels import (
    LANES,
    MAD_TO_SIGMA,
    MEDIAN,
    SAFE,
    SIGMA_CLIP,
    Comparators,
    Integers,
    Reals,
    Samples,
    deviations,
    mad_of,
    sort_rows,
)
from pictor.imaging.combine.singly import Frames, combine_pixel
from pictor.imaging.compiling import njit


@njit(cache=True, nogil=True)
def scale_integers(tile: Integers, dark: Reals, scale: Reals, offset: Reals, out: Reals) -> None:
    """Turn integer samples (n, rows, nx) into ``(value - dark) * scale + offset``.

    ``dark`` is (rows, nx); ``scale`` (n, 2, 2) and ``offset`` (n,) belong to the frame and the parity of row
    and column.
    """
    for i in range(tile.shape[0]):
        for y in range(tile.shape[1]):
            even, odd, shift = scale[i, y & 1, 0], scale[i, y & 1, 1], offset[i]
            source, below, target = tile[i, y], dark[y], out[i, y]
            for x in range(source.shape[0]):
                target[x] = (np.float32(source[x]) - below[x]) * (odd if x & 1 else even) + shift


@njit(cache=True, nogil=True)
def scale_reals(values: Reals, dark: Reals, scale: Reals, offset: Reals) -> None:
    """Do the same for real samples, in place."""
    for i in range(values.shape[0]):
        for y in range(values.shape[1]):
            even, odd, shift = scale[i, y & 1, 0], scale[i, y & 1, 1], offset[i]
            below, target = dark[y], values[i, y]
            for x in range(target.shape[0]):
                target[x] = (target[x] - below[x]) * (odd if x & 1 else even) + shift


@njit(cache=True, nogil=True)
def _deviation(block: Reals, lane: int, ends: tuple[int, int], centre: float, column: Samples) -> float:
    """Return the median absolute deviation of some of the samples of one sorted pixel."""
    for i in range(ends[0], ends[1]):
        column[i] = block[i, lane]
    return mad_of(column, ends[0], ends[1], centre)


@njit(cache=True, nogil=True)
def _survivors(  # noqa: PLR0917
    block: Reals, lane: int, rule: Samples, owns: Samples, deviation: float, column: Samples
) -> tuple[int, int]:
    """Clip one sorted pixel; survivors are ``block[lo:hi, lane]``, none where it depends on which frame a sample is of.

    ``owns`` are the least and the largest scale: what is beyond the noise of both is rejected, what is inside both
    is not. ``deviation`` is that of all samples.
    """
    lo, hi = 0, block.shape[0]
    for round_ in range(int(rule[1])):
        before = hi - lo
        centre = 0.5 * (np.float64(block[lo + (before - 1) // 2, lane]) + np.float64(block[lo + before // 2, lane]))
        signal = max(centre - rule[4], 0.0)
        least = rule[0] * np.sqrt(owns[0] * owns[0] * rule[2] + owns[0] * rule[3] * signal)
        if max(block[hi - 1, lane] - centre, centre - block[lo, lane]) <= least:
            break
        most = rule[0] * np.sqrt(owns[1] * owns[1] * rule[2] + owns[1] * rule[3] * signal)
        found = deviation if round_ == 0 else _deviation(block, lane, (lo, hi), centre, column)
        spread = rule[0] * (MAD_TO_SIGMA * found)
        least, most = max(least, spread), max(most, spread)
        while block[hi - 1, lane] - centre > most:
            hi -= 1
        while centre - block[lo, lane] > most:
            lo += 1
        if max(block[hi - 1, lane] - centre, centre - block[lo, lane]) > least:
            return 0, 0
        if hi - lo == before:
            break
    return lo, hi


@njit(cache=True, nogil=True)
def _average_between(plain: Reals, least: Reals, most: Reals, mean: Reals, rejected: Frames) -> None:
    """Write the mean of the samples of each lane that are within its bounds, and count the others by their frame."""
    total, count = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    for i in range(plain.shape[0]):
        row, outside = plain[i], 0
        for lane in range(LANES):
            out = (row[lane] < least[lane]) | (row[lane] > most[lane])
            total[lane] += np.float32(0) if out else row[lane] - least[lane]
            count[lane] += np.float32(0) if out else np.float32(1)
            outside += out
        rejected[i] += outside
    for lane in range(LANES):
        mean[lane] = least[lane] + total[lane] / count[lane]


@njit(cache=True, nogil=True)
def _gather_lanes(tile: Reals, y: int, columns: Places, block: Reals) -> None:
    """Copy the samples of up to LANES pixels of one row, each pixel into a lane."""
    for i in range(tile.shape[0]):
        row, source = block[i], tile[i, y]
        for lane in range(columns.shape[0]):
            row[lane] = source[columns[lane]]


@njit(cache=True, nogil=True)
def _flag(  # noqa: PLR0917
    block: Reals, columns: Places, rule: Samples, owns: Samples, deviation: Reals, risky: NDArray[np.uint8]
) -> None:
    """Flag the sorted pixels whose extremes may lie outside the threshold of the least noisy frame."""
    n = block.shape[0]
    bottom, low, high, top = block[0], block[(n - 1) // 2], block[n // 2], block[n - 1]
    for lane in range(columns.shape[0]):
        centre = 0.5 * (np.float64(low[lane]) + np.float64(high[lane]))
        reach = max(np.float64(top[lane]) - centre, centre - np.float64(bottom[lane]))
        own = owns[columns[lane] & 1, 0]
        spread = MAD_TO_SIGMA * np.float64(deviation[lane])
        variance = max(spread * spread, own * own * rule[2] + own * rule[3] * max(centre - rule[4], 0.0))
        risky[lane] = not reach * reach <= SAFE * rule[0] * rule[0] * variance


@njit(cache=True, nogil=True)
def _clip_lanes(  # noqa: PLR0917
    block: Reals, columns: Places, rule: Samples, owns: Samples, deviation: Reals, bounds: Reals, sci: Reals,
    nused: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Clip the sorted pixels of a block; write least and largest survivor, and their number, 0 for the long way.

    Pixels whose mean is no number are left alone.
    """
    n, column = block.shape[0], np.empty(block.shape[0], np.float64)
    risky = np.zeros(LANES, np.uint8)
    _flag(block, columns, rule, owns, deviation, risky)
    bounds[0], bounds[1] = -np.inf, np.inf
    for lane in range(columns.size):
        x = columns[lane]
        if risky[lane] and np.isfinite(sci[x]):
            lo, hi = _survivors(block, lane, rule, owns[x & 1], deviation[lane], column)
            nused[x] = hi - lo
            if 0 < hi - lo < n:
                bounds[0, lane], bounds[1, lane] = block[lo, lane], block[hi - 1, lane]


@njit(cache=True, nogil=True)
def _clip_listed(  # noqa: PLR0917
    tile: Reals, y: int, rule: Samples, scale: Reals, owns: Samples, pairs: Comparators, listed: Places, sci: Reals,
    nused: NDArray[np.uint8], rejected: Frames,
) -> None:  # fmt: skip
    """Clip some pixels of a row, LANES at a time; their mean may be no number."""
    n = tile.shape[0]
    plain, block, room = (
        np.zeros((n, LANES), np.float32),
        np.empty((n, LANES), np.float32),
        np.empty((2, LANES), np.float32),
    )
    deviation, scratch, frame = np.empty(LANES, np.float32), np.empty((2, n), np.float64), np.empty(n, np.int64)
    for start in range(0, listed.size, LANES):
        columns = listed[start : min(start + LANES, listed.size)]
        _gather_lanes(tile, y, columns, plain)
        block[:] = plain
        sort_rows(block, pairs)
        deviations(block, room, deviation)
        _clip_lanes(block, columns, rule, owns, deviation, room, sci, nused)
        _average_between(plain, room[0], room[1], deviation, rejected)
        for lane in range(columns.size):
            x = columns[lane]
            if not np.isfinite(sci[x]) or nused[x] == 0:
                own = scale[:, x & 1]
                sci[x], nused[x] = combine_pixel(plain[:, lane], SIGMA_CLIP, rule, own, scratch, frame, rejected)
            elif nused[x] < n:
                sci[x] = deviation[lane]


@njit(cache=True, nogil=True)
def _medians(tile: Reals, y: int, pairs: Comparators, sci: Reals) -> None:
    """Write the medians of the pixels of a row."""
    n, nx = tile.shape[0], tile.shape[2]
    block, low, high = np.zeros((n, LANES), np.float32), (n - 1) // 2, n // 2
    for start in range(0, nx, LANES):
        end = min(start + LANES, nx)
        for i in range(n):
            row, source = block[i], tile[i, y][start:end]
            for lane in range(source.shape[0]):
                row[lane] = source[lane]
        sort_rows(block, pairs)
        for lane in range(end - start):
            sci[start + lane] = 0.5 * (np.float64(block[low, lane]) + np.float64(block[high, lane]))


@njit(cache=True, nogil=True)
def _combine_row(  # noqa: PLR0917
    tile: Reals, y: int, method: int, rule: Samples, scale: Reals, pairs: Comparators, sci: Reals,
    nused: NDArray[np.uint8], rejected: Frames, ends: tuple[Reals, Reals],
) -> None:  # fmt: skip
    """Combine the samples of one row; ``scale`` is (n, 2) by frame and parity of the column."""
    n, clip = tile.shape[0], method == SIGMA_CLIP
    owns = np.array([[scale[:, 0].min(), scale[:, 0].max()], [scale[:, 1].min(), scale[:, 1].max()]], np.float64)
    places, least = np.empty(tile.shape[2] + 1, np.int32), owns[:, 0].astype(np.float32)
    found = average_row(tile, y, clip, rule.astype(np.float32), least, sci, ends, places)
    if clip:
        _clip_listed(tile, y, rule, scale, owns, pairs, places[:found], sci, nused, rejected)
        return
    if method == MEDIAN:
        _medians(tile, y, pairs, sci)
    scratch, frame = np.empty((2, n), np.float64), np.empty(n, np.int64)
    for k in range(found):
        x = places[k]
        sci[x], nused[x] = combine_pixel(tile[:, y, x], method, rule, scale[:, x & 1], scratch, frame, rejected)


@njit(cache=True, nogil=True)
def combine_reals(  # noqa: PLR0917
    tile: Reals,
    method: int,
    rule: Samples,
    scale: Reals,
    pairs: Comparators,
    sci: Reals,
    nused: NDArray[np.uint8],
    rejected: Frames,
    ends: Reals,
) -> None:
    """Combine float32 samples (n, rows, nx), scaled by ``scale`` (n, 2, 2); samples that are not finite are left out.

    ``rule`` is (sigma, iterations, floor, slope, pedestal) for an unscaled sample; ``ends`` (2, rows, nx) receives the
    least and the largest sample of each pixel.
    """
    nused[:] = tile.shape[0]
    for y in range(tile.shape[1]):
        of_row = ends[0, y], ends[1, y]
        _combine_row(tile, y, method, rule, scale[:, y & 1], pairs, sci[y], nused[y], rejected, of_row)

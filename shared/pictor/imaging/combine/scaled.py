"""Compiled loops for samples that were scaled, shifted or are real numbers: each frame has its own noise."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import (
    LANES,
    MAD_TO_SIGMA,
    MEAN,
    MEDIAN,
    SAFE,
    SIGMA_CLIP,
    Comparators,
    Integers,
    Reals,
    Samples,
    deviations,
    mad_of,
    median_of,
    sort_rows,
)
from pictor.imaging.compiling import njit

Frames = NDArray[np.int64]


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
def _gather(samples: Reals, scale: Reals, value: Samples, own: Samples, frame: Frames) -> int:
    """Sort the finite samples of one pixel with scale and number of their frames; return how many there are."""
    found = 0
    for i in range(samples.shape[0]):
        sample = np.float64(samples[i])
        if not np.isfinite(sample):
            continue
        k = found
        while k > 0 and value[k - 1] > sample:
            value[k], own[k], frame[k] = value[k - 1], own[k - 1], frame[k - 1]
            k -= 1
        value[k], own[k], frame[k] = sample, np.float64(scale[i]), i
        found += 1
    return found


@njit(cache=True, nogil=True)
def _clip(value: Samples, own: Samples, frame: Frames, n: int, rule: Samples, rejected: Frames) -> int:  # noqa: PLR0917
    """Clip sorted samples, each against its own noise; survivors are moved to the front and counted.

    Their deviation is asked for only where one of them is beyond its own noise, below which no threshold is.
    """
    for _ in range(int(rule[1])):
        centre = median_of(value, 0, n)
        signal = max(centre - rule[4], 0.0)
        beyond = False
        for i in range(n):
            noise = np.sqrt(own[i] * own[i] * rule[2] + own[i] * rule[3] * signal)
            beyond |= abs(value[i] - centre) > rule[0] * noise
        if not beyond:
            break
        spread = MAD_TO_SIGMA * mad_of(value, 0, n, centre)
        kept = 0
        for i in range(n):
            noise = np.sqrt(own[i] * own[i] * rule[2] + own[i] * rule[3] * signal)
            if abs(value[i] - centre) <= rule[0] * max(spread, noise):
                value[kept], own[kept], frame[kept] = value[i], own[i], frame[i]
                kept += 1
            else:
                rejected[frame[i]] += 1
        if kept == n:
            break
        n = kept
    return n


@njit(cache=True, nogil=True)
def _combine_pixel(  # noqa: PLR0917
    samples: Reals, method: int, rule: Samples, scale: Reals, scratch: Samples, frame: Frames, rejected: Frames
) -> tuple[float, int]:
    """Combine one pixel the long way; return its value and how many samples it rests on."""
    value, own = scratch[0], scratch[1]
    n = _gather(samples, scale, value, own, frame)
    if n == 0:
        return 0.0, 0
    if method == MEDIAN:
        return median_of(value, 0, n), n
    kept = _clip(value, own, frame, n, rule, rejected) if method == SIGMA_CLIP else n
    total = 0.0
    for i in range(kept):
        total += value[i]
    return total / kept, kept


@njit(cache=True, nogil=True)
def _survivors(block: Reals, lane: int, rule: Samples, owns: Samples, column: Samples) -> tuple[int, int]:
    """Clip one sorted pixel; the survivors are ``column[lo:hi]``, none where it depends on which frame a sample is of.

    ``owns`` are the least and the largest scale: what is beyond the noise of both is rejected, what is inside both
    is not.
    """
    lo, hi = 0, block.shape[0]
    for i in range(hi):
        column[i] = block[i, lane]
    for _ in range(int(rule[1])):
        before = hi - lo
        centre = median_of(column, lo, hi)
        signal = max(centre - rule[4], 0.0)
        least = rule[0] * np.sqrt(owns[0] * owns[0] * rule[2] + owns[0] * rule[3] * signal)
        most = rule[0] * np.sqrt(owns[1] * owns[1] * rule[2] + owns[1] * rule[3] * signal)
        if max(column[hi - 1] - centre, centre - column[lo]) <= least:
            break
        spread = rule[0] * (MAD_TO_SIGMA * mad_of(column, lo, hi, centre))
        least, most = max(least, spread), max(most, spread)
        while column[hi - 1] - centre > most:
            hi -= 1
        while centre - column[lo] > most:
            lo += 1
        if max(column[hi - 1] - centre, centre - column[lo]) > least:
            return 0, 0
        if hi - lo == before:
            break
    return lo, hi


@njit(cache=True, nogil=True)
def _clip_pixel(  # noqa: PLR0917
    block: Reals, lane: int, samples: Reals, rule: Samples, owns: Samples, column: Samples, rejected: Frames
) -> tuple[float, int]:
    """Clip one sorted pixel; return the mean of the survivors and their number, 0 where it takes the long way."""
    lo, hi = _survivors(block, lane, rule, owns, column)
    if hi == 0:
        return 0.0, 0
    total = 0.0
    for i in range(lo, hi):
        total += column[i]
    if hi - lo < block.shape[0]:
        least, most = block[lo, lane], block[hi - 1, lane]
        for i in range(samples.shape[0]):
            rejected[i] += samples[i] < least or samples[i] > most
    return total / (hi - lo), hi - lo


@njit(cache=True, nogil=True)
def _load(tile: Reals, y: int, start: int, end: int, block: Reals, total: Samples) -> None:  # noqa: PLR0917
    """Copy the samples of up to LANES pixels of one row and add them up."""
    total[:] = 0.0
    for i in range(tile.shape[0]):
        row, source = block[i], tile[i, y][start:end]
        for lane in range(source.shape[0]):
            row[lane] = source[lane]
        for lane in range(source.shape[0]):
            total[lane] += np.float64(source[lane])


@njit(cache=True, nogil=True)
def _flag(block: Reals, rule: Samples, least: Samples, deviation: Reals, risky: NDArray[np.uint8]) -> None:
    """Flag the sorted pixels whose extremes may lie outside the threshold of the least noisy frame."""
    n = block.shape[0]
    bottom, low, high, top = block[0], block[(n - 1) // 2], block[n // 2], block[n - 1]
    for lane in range(LANES):
        centre = 0.5 * (np.float64(low[lane]) + np.float64(high[lane]))
        reach = max(np.float64(top[lane]) - centre, centre - np.float64(bottom[lane]))
        own = least[lane & 1]
        spread = MAD_TO_SIGMA * np.float64(deviation[lane])
        variance = max(spread * spread, own * own * rule[2] + own * rule[3] * max(centre - rule[4], 0.0))
        risky[lane] = not reach * reach <= SAFE * rule[0] * rule[0] * variance


@njit(cache=True, nogil=True)
def _combine_row(  # noqa: PLR0917
    tile: Reals,
    y: int,
    method: int,
    rule: Samples,
    scale: Reals,
    pairs: Comparators,
    sci: Reals,
    nused: NDArray[np.uint8],
    rejected: Frames,
) -> None:
    """Combine the samples of one row; ``scale`` is (n, 2) by frame and parity of the column."""
    n, pixels = tile.shape[0], tile.shape[2]
    block, total = np.zeros((n, LANES), np.float32), np.empty(LANES, np.float64)
    risky, scratch, frame = np.zeros(LANES, np.uint8), np.empty((2, n), np.float64), np.empty(n, np.int64)
    room, deviation = np.empty((2, LANES), np.float32), np.empty(LANES, np.float32)
    owns = np.array([[scale[:, 0].min(), scale[:, 0].max()], [scale[:, 1].min(), scale[:, 1].max()]], np.float64)
    for start in range(0, pixels, LANES):
        end = min(start + LANES, pixels)
        _load(tile, y, start, end, block, total)
        if method != MEAN:
            sort_rows(block, pairs)
        if method == SIGMA_CLIP:
            deviations(block, room, deviation)
            _flag(block, rule, owns[:, 0].copy(), deviation, risky)
        for lane in range(end - start):
            x = start + lane
            if method == MEDIAN:
                sci[x] = 0.5 * (np.float64(block[(n - 1) // 2, lane]) + np.float64(block[n // 2, lane]))
            else:
                sci[x] = total[lane] / n
            if not (risky[lane] or not np.isfinite(total[lane])):
                continue
            samples, kept = tile[:, y, x], 0
            if method == SIGMA_CLIP and np.isfinite(total[lane]):
                sci[x], kept = _clip_pixel(block, lane, samples, rule, owns[lane & 1], scratch[0], rejected)
                nused[x] = kept
            if kept == 0:
                sci[x], nused[x] = _combine_pixel(samples, method, rule, scale[:, lane & 1], scratch, frame, rejected)


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
) -> None:
    """Combine float32 samples (n, rows, nx), scaled by ``scale`` (n, 2, 2); samples that are not finite are left out.

    ``rule`` is (sigma, iterations, floor, slope, pedestal) for an unscaled sample.
    """
    nused[:] = tile.shape[0]
    for y in range(tile.shape[1]):
        _combine_row(tile, y, method, rule, scale[:, y & 1], pairs, sci[y], nused[y], rejected)

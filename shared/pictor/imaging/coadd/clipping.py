"""Compiled loops of clipping: samples that cannot belong to the median are left out of the average.

Frames differ in seeing. What that does to a star is expected from the median and taken into account twice: when a
sample is judged, and when samples of a star are missing from the average.
"""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.coadd.kernels import BLOCKING, NO_DATA, SOFT, kept, median_of
from pictor.imaging.combine.kernels import LANES
from pictor.imaging.compiling import njit

Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bits = NDArray[np.uint8]
Counts = NDArray[np.uint16]
Numbers = NDArray[np.int32]

CROWD = 4
"""Rejected samples of noise have no more than so many of their frame within two pixels, themselves among them."""

BRIGHT, STANDS_OUT = 10.0, 0.4
"""Stars are looked at closely where they rise so many deviations of the sky; part of the shares that is enough then."""


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
def _bend(image: Reals, at: tuple[int, int], level: float, faintest: float, width: float) -> float:
    """Return 1 plus half the Laplacian over the light, in units of the variance ``width`` of a star's profile.

    0 in the middle of a Gaussian star and 1 on a flat nebula; NaN where a pixel or a neighbour is too faint to tell.
    The Laplacian is that of the logarithm with the square of its gradient, which is exact for Gaussians.
    """
    y, x = at
    if not (0 < y < image.shape[0] - 1 and 0 < x < image.shape[1] - 1) or not width > 0.0:
        return np.nan
    light = float(image[y, x]) - level
    left, right = float(image[y, x - 1]) - level, float(image[y, x + 1]) - level
    down, up = float(image[y - 1, x]) - level, float(image[y + 1, x]) - level
    if not (light > 2.0 * faintest and min(left, right, down, up) > faintest):
        return np.nan
    slopes = np.log(right / left) ** 2 + np.log(up / down) ** 2
    found: float = 1.0 + 0.5 * width * (0.25 * slopes + np.log(left * right * down * up / light**4))
    return found


@njit(cache=True, nogil=True)
def _share(bend: float, ratio: float) -> float:
    """Return the light expected in a frame over that of the median; ``ratio``: usual over own variance of profiles."""
    return ratio * np.exp((1.0 - ratio) * bend) if bend == bend else 1.0  # noqa: PLR0124 - NaN is not itself


@njit(cache=True, nogil=True)
def reject(  # noqa: PLR0917
    samples: tuple[Reals, Reals, Bits], middle: Reals, reach: Reals, soft: NDArray[np.bool_], frames: Doubles,
    rule: Doubles, found: Bits,
) -> None:  # fmt: skip
    """Turn samples that cannot belong to the median into NaN, and what they spread to beside them into infinity.

    A sample may differ from the median, of which the light is changed to the seeing of its frame, by ``sigma`` times
    its noise, plus a share of the light above the sky and of the slope. Its noise is that of its frame's sky, not
    interpolated, plus what the median frame has beyond its sky, so that a hit does not excuse itself. Samples of the
    same frame beside one that is off by more than twice that may differ by ``sigma beside`` times their noise and half
    of these shares.

    ``samples`` are values, variances and bits, shape (n, h, w); ``frames`` holds variance of the sky, share of light
    and of slope, and usual over own variance of the stars' profile of every frame, shape (4, n); ``rule`` is (sigma,
    level of the sky, fewest samples, variance that interpolation leaves of 1, sigma beside, usual variance of the
    profile). ``found`` is 1 where samples were rejected, 2 where they are far off, 4 beside.
    """
    n, height, width = samples[0].shape
    least = rule[0] * np.sqrt(frames[0].min())
    all_frames, room, one = np.ones(n, np.bool_), np.empty((2, n), np.float32), np.zeros(n, np.bool_)
    found[:] = 0
    for y in range(height):
        for x in range(width):
            if reach[y, x] > least:
                spread = rule[0], 1.0, np.float32(np.nan)
                found[y, x] = _judge(samples, (y, x), middle, soft[y, x], frames, rule, spread, all_frames, room)
    for y in range(height):
        for x in range(width):
            if found[y, x] & 2:
                for i in range(n):
                    if np.isnan(samples[0][i, y, x]) and not samples[2][i, y, x] & NO_DATA:
                        one[:] = False
                        one[i] = True
                        _judge_around(samples, (y, x), middle, soft, frames, rule, one, room, found)


@njit(cache=True, nogil=True)
def _judge_around(  # noqa: PLR0917
    samples: tuple[Reals, Reals, Bits], at: tuple[int, int], middle: Reals, soft: NDArray[np.bool_], frames: Doubles,
    rule: Doubles, one: NDArray[np.bool_], room: Reals, found: Bits,
) -> None:  # fmt: skip
    """Look at the eight samples around a rejected one."""
    spread = rule[4], 0.5, np.float32(np.inf)
    for y in range(max(at[0] - 1, 0), min(at[0] + 2, found.shape[0])):
        for x in range(max(at[1] - 1, 0), min(at[1] + 2, found.shape[1])):
            if _judge(samples, (y, x), middle, soft[y, x], frames, rule, spread, one, room):
                found[y, x] |= 4


@njit(cache=True, nogil=True)
def _judge(  # noqa: PLR0917
    samples: tuple[Reals, Reals, Bits], at: tuple[int, int], middle: Reals, soft: bool, frames: Doubles,  # noqa: FBT001
    rule: Doubles, spread: tuple[float, float, np.float32], asked: NDArray[np.bool_], room: Reals,
) -> int:  # fmt: skip
    """Replace the samples of one pixel that are too far off; ``spread``: sigma, part of the shares, replacement.

    Returns 0 where none was, 3 where one was off by more than twice the limit, else 1.
    """
    y, x = at
    centre, count = float(middle[y, x]), 0
    for i in range(samples[0].shape[0]):
        if kept(samples[0][i, y, x], samples[2][i, y, x], soft):
            room[0, count] = max(float(samples[1][i, y, x]) - rule[3] * frames[0, i], 0.0)
            count += 1
    if count < rule[2] - (spread[1] < 1.0):
        return 0
    excess, light, off = median_of(room[0], count), max(centre - rule[1], 0.0), 0
    bend = _bend(middle, at, rule[1], 5.0 * np.sqrt(frames[0].min()), rule[5])
    slope = _slope(middle, y, x)
    for i in range(samples[0].shape[0]):
        value = float(samples[0][i, y, x])
        if asked[i] and kept(samples[0][i, y, x], samples[2][i, y, x], soft):
            limit = spread[1] * (frames[1, i] * light + frames[2, i] * slope)
            limit += spread[0] * np.sqrt(frames[0, i] + excess)
            away = abs(value - centre - light * (_share(bend, frames[3, i]) - 1.0))
            if away > limit:
                samples[0][i, y, x] = spread[2]
                off |= 3 if away > 2.0 * limit else 1
    return off


@njit(cache=True, nogil=True)
def count_rejected(  # noqa: PLR0917
    values: Reals, bits: Bits, found: Bits, inner: tuple[int, int, int, int], rejected: NDArray[np.int64],
    crowded: Numbers,
) -> int:  # fmt: skip
    """Count the rejected samples of every frame within ``inner`` (y0, y1, x0, x1); return how many are crowded.

    ``crowded`` receives frame, row and column of those that have four others of their frame within two pixels, as
    many as fit.
    """
    number = 0
    for y in range(inner[0], inner[1]):
        for x in range(inner[2], inner[3]):
            if not found[y, x]:
                continue
            for i in range(values.shape[0]):
                if np.isfinite(values[i, y, x]) or bits[i, y, x] & NO_DATA:
                    continue
                rejected[i] += 1
                if number < crowded.shape[0] and _crowd(values[i], bits[i], y, x) > CROWD:
                    crowded[number, 0], crowded[number, 1], crowded[number, 2] = i, y, x
                    number += 1
    return number


@njit(cache=True, nogil=True)
def _crowd(values: Reals, bits: Bits, y: int, x: int) -> int:
    """Count the rejected samples of one frame within two pixels."""
    count = 0
    for j in range(max(y - 2, 0), min(y + 3, values.shape[0])):
        for i in range(max(x - 2, 0), min(x + 3, values.shape[1])):
            count += not np.isfinite(values[j, i]) and not bits[j, i] & NO_DATA
    return count


@njit(cache=True, nogil=True)
def average(  # noqa: PLR0917
    samples: tuple[Reals, Reals, Bits], weights: Doubles, soft: NDArray[np.bool_], corner: tuple[int, int],
    out: tuple[Reals, Reals, Counts], profile: tuple[Reals, Doubles, Doubles],
) -> None:  # fmt: skip
    """Average the samples that are left; ``out`` (value, variance, number) begins at ``corner`` of the samples.

    Where some of them are lost in a star, those of other seeing that are left would change its light: what they were
    expected to be more or less than all frames together is taken off. ``profile``: medians, and ``frames`` and ``rule``
    of `reject`.
    """
    value, variance, nused = out
    sums, number = np.empty((3, LANES), np.float64), np.empty(LANES, np.int32)
    for row in range(value.shape[0]):
        for column in range(0, value.shape[1], LANES):
            lanes = min(LANES, value.shape[1] - column)
            y, x = row + corner[0], slice(column + corner[1], column + corner[1] + lanes)
            sums[:], number[:] = 0.0, 0
            for i in range(weights.shape[0]):
                here = samples[0][i, y, x], samples[1][i, y, x], samples[2][i, y, x]
                _add_row(here, soft[y, x], weights[i], sums, number)
            for k in range(lanes):
                total = sums[2, k]
                nused[row, column + k] = number[k]
                value[row, column + k] = sums[0, k] / total if total else np.nan
                variance[row, column + k] = sums[1, k] / (total * total) if total else np.nan
                at = y, x.start + k
                if 2 * number[k] >= weights.shape[0] > number[k]:
                    value[row, column + k] -= _surplus(samples, weights, at, soft[at], profile)


@njit(cache=True, nogil=True)
def _surplus(
    samples: tuple[Reals, Reals, Bits], weights: Doubles, at: tuple[int, int], soft: bool,  # noqa: FBT001
    profile: tuple[Reals, Doubles, Doubles],
) -> float:  # fmt: skip
    """Return the light of a star expected in the mean of the samples left beyond that in the mean of all frames.

    In the faint wings the Laplacian tells it, by which no light is lost or gained in sum.
    """
    middle, frames, rule = profile
    y, x = at
    if not (0 < y < middle.shape[0] - 1 and 0 < x < middle.shape[1] - 1) or not rule[5] > 0.0:
        return 0.0
    bend = _bend(middle, at, rule[1], 5.0 * np.sqrt(frames[0].min()), rule[5])
    light, faint = float(middle[at]) - rule[1], np.isnan(bend)
    if faint:
        around = float(middle[y, x - 1]) + float(middle[y, x + 1]) + float(middle[y - 1, x]) + float(middle[y + 1, x])
        light = 0.5 * rule[5] * (around - 4.0 * float(middle[at]))
    here, everywhere, left = 0.0, 0.0, 0.0
    for i in range(weights.shape[0]):
        share = weights[i] * (1.0 - frames[3, i] if faint else _share(bend, frames[3, i]))
        everywhere += share
        if kept(samples[0][i, y, x], samples[2][i, y, x], soft):
            here, left = here + share, left + weights[i]
    surplus: float = light * (here / left - everywhere / weights.sum())
    return surplus if surplus - surplus == 0.0 else 0.0


@njit(cache=True, nogil=True)
def _add_row(
    here: tuple[Reals, Reals, Bits], soft: NDArray[np.bool_], weight: float, sums: Doubles, number: Numbers
) -> None:
    """Add the samples of one frame and some pixels to the sums of value, variance and weight."""
    values, variances, bits = here
    for k in range(values.shape[0]):
        usable = soft[k] or not bits[k] & SOFT
        counts = values[k] - values[k] == 0.0 and not bits[k] & BLOCKING and usable
        share = weight if counts else 0.0
        sums[0, k] += share * (values[k] if counts else np.float32(0.0))
        sums[1, k] += share * share * (variances[k] if counts else np.float32(0.0))
        sums[2, k] += share
        number[k] += counts


@njit(cache=True, nogil=True)
def list_lost(  # noqa: PLR0917
    samples: tuple[Reals, Reals, Bits], middle: Reals, frames: Doubles, rule: Doubles,
    inner: tuple[int, int, int, int], lost: Numbers,
) -> int:  # fmt: skip
    """List the samples of stars within ``inner`` (y0, y1, x0, x1) that are lost or stand out; return how many.

    A hit on a star may stay below what `reject` allows; here the shares of light and slope count 0.4 times. ``lost``
    receives frame, row and column, as many as fit.
    """
    number, faintest = 0, BRIGHT * np.sqrt(np.median(frames[0]))
    for y in range(inner[0], inner[1]):
        for x in range(inner[2], inner[3]):
            light = float(middle[y, x]) - rule[1]
            if not light > faintest:
                continue
            bend = _bend(middle, (y, x), rule[1], 5.0 * np.sqrt(frames[0].min()), rule[5])
            slope = _slope(middle, y, x)
            for i in range(samples[0].shape[0]):
                value, noise, bit = float(samples[0][i, y, x]), float(samples[1][i, y, x]), samples[2][i, y, x]
                limit = rule[0] * np.sqrt(max(noise + (1.0 - rule[3]) * frames[0, i], frames[0, i]))
                limit += STANDS_OUT * (frames[1, i] * light + frames[2, i] * slope)
                away = value - light * _share(bend, frames[3, i]) - rule[1]
                gone = value - value != 0.0 or bit & BLOCKING != 0
                if not bit & NO_DATA and (gone or away > limit) and number < lost.shape[0]:
                    lost[number, 0], lost[number, 1], lost[number, 2] = i, y, x
                    number += 1
    return number

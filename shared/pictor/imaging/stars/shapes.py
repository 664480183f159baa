"""Measure position, light, size and shape of single stars."""

import math

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background
from pictor.imaging.compiling import njit
from pictor.imaging.pixels import Pixels, run_in_threads
from pictor.imaging.stars.filtering import SPIKE_SHARE
from pictor.imaging.stars.stamps import brightest, cut, despike, half_flux_radius, level_edge, local_value

COLUMNS = ("x", "y", "flux", "error", "peak", "mxx", "mxy", "myy", "hfr", "around", "status", "noise")
"""What `measure_shapes` returns per star; light and noise in ADU, lengths in pixels, second moments in px^2."""

OK, LOST, SPIKE = 0.0, 1.0, 2.0
"""Status: measured; no star there; the brightest pixel is a hot pixel or a cosmic-ray hit."""

_SIGMA_TO_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
_ROUNDS = 14
# Shape and place are found when they change by less than this share, or than this over the signal-to-noise ratio: a
# fifth of what noise does to them.
_NEAR, _NEAR_PER_NOISE = 0.004, 0.2
# Half-width of the stamp: the half-flux radius is measured within 2.5 FWHM.
_APERTURE = 2.5 * _SIGMA_TO_FWHM
_SMALLEST_VARIANCE = 0.09
# A narrower weight would fall between the pixels and collapse onto one of them.
_NARROWEST_WEIGHT = 0.8


def measure_shapes(
    image: Pixels,
    background: Background,
    positions: NDArray[np.float64],
    *,
    sigma: float,
    share: float = SPIKE_SHARE,
) -> NDArray[np.float64]:
    """Measure stars with an adaptive elliptical Gaussian weight.

    Weight and star are matched by iteration [1]_, damped where it swings, until noise hides what is left. That is
    stable against noise and sky errors where plain second moments swing by a factor two with brightness. The centroid
    is windowed by the same weight. The half-flux radius encloses half of the light within 2.5 FWHM.

    Parameters
    ----------
    image
        Shape (ny, nx), in ADU.
    background
        Sky level and noise of the image.
    positions
        Shape (n, 2): x and y of the candidates, 0-based pixels.
    sigma
        Expected width of a star, in pixels (standard deviation).
    share
        A pixel is a spike when its four neighbours carry on average less than this share of it; 0 trusts all.

    Returns
    -------
    NDArray
        Shape (n, 12), columns as in `COLUMNS`.

    References
    ----------
    .. [1] Bernstein G., Jarvis M., 2002, AJ 123, 583, section 3.1.
    """
    out = np.zeros((len(positions), len(COLUMNS)), dtype=np.float64)
    settings = (float(sigma), float(share))

    def work(start: int, stop: int) -> None:
        _measure(image, (background.levels, background.noises), positions[start:stop], settings, out[start:stop])

    run_in_threads(work, sorted({0, len(positions) // 2, len(positions)}))
    return out


def warm() -> None:
    """Compile the kernels of this module."""
    flat = Background(np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32), (40, 40))
    for dtype in (np.uint16, np.float32):
        image = np.zeros((40, 40), dtype=dtype)
        image[20, 20], image[20, 21] = 900, 500
        measure_shapes(image, flat, np.array([[20.0, 20.0]]), sigma=1.2)


@njit(cache=True, nogil=True)
def _measure(
    image: Pixels,
    mesh: tuple[NDArray[np.float32], NDArray[np.float32]],
    positions: NDArray[np.float64],
    settings: tuple[float, float],
    out: NDArray[np.float64],
) -> None:
    sigma, share = settings
    levels, noises = mesh
    half = math.ceil(_APERTURE * sigma * 1.1) + 1
    stamp = np.empty((2 * half + 1, 2 * half + 1), dtype=np.float32)
    curve = np.empty(10 * half + 20, dtype=np.float64)
    for k in range(positions.shape[0]):
        col, row = int(np.rint(positions[k, 0])), int(np.rint(positions[k, 1]))
        level = local_value(levels, image.shape, row, col)
        noise = local_value(noises, image.shape, row, col)
        cut(image, (row, col), level, stamp)
        if share > 0.0:
            despike(stamp, noise, share)
        peak, around = brightest(stamp)
        level_edge(stamp, noise)
        x, y = positions[k, 0] - col, positions[k, 1] - row
        shape = _moments(stamp, (x, y), sigma, noise)
        status = shape[7]
        if around < share:
            status = SPIKE
        out[k, 0], out[k, 1] = col + shape[0], row + shape[1]
        out[k, 2], out[k, 3], out[k, 4] = shape[5], shape[6] * noise, peak + level
        out[k, 5], out[k, 6], out[k, 7] = shape[2], shape[3], shape[4]
        width = (max(shape[2] * shape[4] - shape[3] ** 2, 1e-6)) ** 0.25
        out[k, 8] = half_flux_radius(stamp, (shape[0], shape[1]), _APERTURE * min(width, 1.1 * sigma), curve)
        out[k, 9], out[k, 10], out[k, 11] = around, status, noise


@njit(cache=True, nogil=True)
def _moments(
    stamp: NDArray[np.float32], start: tuple[float, float], sigma: float, noise: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """Adaptive moments: x, y relative to the middle, xx, xy, yy, flux, its error per unit noise, status."""
    x, y = start
    shape = (sigma * sigma, 0.0, sigma * sigma)
    flux, error, step, grown = 0.0, 1.0, (0.0, 0.0), 0.0
    for _ in range(_ROUNDS):
        weight = _bounded(shape, _NARROWEST_WEIGHT, np.inf)
        total, squared, dx, dy, cxx, cxy, cyy = _weighted(stamp, (x, y), weight)
        gain = _share_seen(shape, weight)
        flux, error = total * gain, gain * math.sqrt(squared)
        if flux <= 0.0:
            return x, y, shape[0], shape[1], shape[2], flux, error, LOST
        found = _matched(weight, (cxx, cxy, cyy), sigma)
        step = _step((dx, dy), step, 1.0 + min(1.0, math.sqrt(_area(found) / _area(weight))))
        x, y = x + step[0], y + step[1]
        if abs(x - start[0]) > 1.5 * sigma + 1.0 or abs(y - start[1]) > 1.5 * sigma + 1.0:
            return x, y, shape[0], shape[1], shape[2], flux, error, LOST
        found, grown = _settled(shape, found, grown)
        change = abs(found[0] - shape[0]) + abs(found[2] - shape[2]) + 2.0 * abs(found[1] - shape[1])
        shape, near = found, max(_NEAR, _NEAR_PER_NOISE * noise * error / flux)
        if change < near * (shape[0] + shape[2]) and abs(dx) + abs(dy) < near:
            break
    return x, y, shape[0], shape[1], shape[2], flux, error, OK


@njit(cache=True, nogil=True)
def _area(shape: tuple[float, float, float]) -> float:
    return max(shape[0] * shape[2] - shape[1] * shape[1], 0.0)


@njit(cache=True, nogil=True)
def _step(seen: tuple[float, float], before: tuple[float, float], gain: float) -> tuple[float, float]:
    """Step to the star from the centroid seen through the weight; half of it where it turns back."""
    back = 0.5 if seen[0] * before[0] + seen[1] * before[1] < 0.0 else 1.0
    return back * gain * seen[0], back * gain * seen[1]


@njit(cache=True, nogil=True)
def _settled(
    before: tuple[float, float, float], found: tuple[float, float, float], grown: float
) -> tuple[tuple[float, float, float], float]:
    """Shape to go on with, the mean of both where growing and shrinking alternate; and by how much it grew."""
    growth = found[0] + found[2] - before[0] - before[2]
    if grown * growth >= 0.0:
        return found, growth
    middle = (0.5 * (found[0] + before[0]), 0.5 * (found[1] + before[1]), 0.5 * (found[2] + before[2]))
    return middle, 0.5 * growth


@njit(cache=True, nogil=True)
def _share_seen(shape: tuple[float, float, float], weight: tuple[float, float, float]) -> float:
    """Light of a Gaussian star over its weighted sum: 2 where star and weight have the same shape."""
    both = (shape[0] + weight[0]) * (shape[2] + weight[2]) - (shape[1] + weight[1]) ** 2
    return math.sqrt(both / (weight[0] * weight[2] - weight[1] ** 2))


@njit(cache=True, nogil=True)
def _weighted(
    stamp: NDArray[np.float32], centre: tuple[float, float], shape: tuple[float, float, float]
) -> tuple[float, float, float, float, float, float, float]:
    """Weighted sum, sum of squared weights, centroid shift and second moments about the shifted centroid."""
    x, y = centre
    xx, xy, yy = shape
    half = stamp.shape[0] // 2
    inverse = 1.0 / (xx * yy - xy * xy)
    a, b, c = yy * inverse, -xy * inverse, xx * inverse
    reach, one_a, last_step = 3.0 * math.sqrt(yy), 1.0 / a, math.exp(-a)
    lean, squeeze = b * one_a, c - b * b * one_a
    total, squared, sx, sy, sxx, sxy, syy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(max(0, math.ceil(half + y - reach)), min(2 * half, int(half + y + reach)) + 1):
        v = i - half - y
        wide, left = math.sqrt(max(0.0, (9.0 - squeeze * v * v) * one_a)), half + x - lean * v
        j0, j1 = max(0, math.ceil(left - wide)), min(2 * half, math.floor(left + wide))
        if j1 < j0:
            continue
        u = j0 - half - x
        w, step = math.exp(-0.5 * (a * u * u + 2.0 * b * u * v + c * v * v)), math.exp(-a * (u + 0.5) - b * v)
        line, line_x, line_xx = 0.0, 0.0, 0.0
        for value in stamp[i, j0 : j1 + 1]:
            light = w * value
            line += light
            squared += w * w
            line_x += light * u
            line_xx += light * u * u
            u, w, step = u + 1.0, w * step, step * last_step
        total, sx, sy = total + line, sx + line_x, sy + line * v
        sxx, sxy, syy = sxx + line_xx, sxy + line_x * v, syy + line * v * v
    if total <= 0.0:
        return total, squared, 0.0, 0.0, xx, xy, yy
    dx, dy = sx / total, sy / total
    return total, squared, dx, dy, sxx / total - dx * dx, sxy / total - dx * dy, syy / total - dy * dy


@njit(cache=True, nogil=True)
def _matched(
    weight: tuple[float, float, float], seen: tuple[float, float, float], sigma: float
) -> tuple[float, float, float]:
    """Shape of the star from the weight and the moments seen through it: C = (seen^-1 - weight^-1)^-1."""
    xx, xy, yy = weight
    sxx, sxy, syy = seen
    det_w, det_s = xx * yy - xy * xy, sxx * syy - sxy * sxy
    if det_s > 0.0 and sxx > 0.0:
        a, b, c = syy / det_s - yy / det_w, -sxy / det_s + xy / det_w, sxx / det_s - xx / det_w
        det = a * c - b * b
        if det > 0.0 and a > 0.0:
            nxx, nxy, nyy = c / det, -b / det, a / det
        else:
            nxx, nxy, nyy = 2.0 * sxx, 2.0 * sxy, 2.0 * syy
    else:
        nxx, nxy, nyy = _SMALLEST_VARIANCE, 0.0, _SMALLEST_VARIANCE
    return _bounded((nxx, nxy, nyy), _SMALLEST_VARIANCE, min(2.0 * (xx + yy), 16.0 * sigma * sigma))


@njit(cache=True, nogil=True)
def _bounded(shape: tuple[float, float, float], smallest: float, largest: float) -> tuple[float, float, float]:
    """Keep both principal variances between the smallest and the largest allowed."""
    xx, xy, yy = shape
    mean, half = 0.5 * (xx + yy), math.hypot(0.5 * (xx - yy), xy)
    high = min(max(mean + half, smallest), max(largest, smallest))
    low = min(max(mean - half, smallest), high)
    if half <= 0.0:
        return high, 0.0, high
    cos2, sin2 = 0.5 * (xx - yy) / half, xy / half
    centre, spread = 0.5 * (high + low), 0.5 * (high - low)
    return centre + spread * cos2, spread * sin2, centre - spread * cos2

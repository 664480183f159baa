"""Measure position, light, size and shape of single stars."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pictor.imaging.background import Background
from pictor.imaging.pixels import Pixels, run_in_threads
from pictor.imaging.stars.filtering import SPIKE_SHARE, SPIKE_SIGMA

COLUMNS = ("x", "y", "flux", "error", "peak", "mxx", "mxy", "myy", "hfr", "around", "status", "noise")
"""What `measure_shapes` returns per star; light and noise in ADU, lengths in pixels, second moments in px^2."""

OK, LOST, SPIKE = 0.0, 1.0, 2.0
"""Status: measured; no star there; the brightest pixel is a hot pixel or a cosmic-ray hit."""

_SIGMA_TO_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
_ROUNDS = 14
# Half-width of the stamp: the half-flux radius is measured within 2.5 FWHM.
_APERTURE = 2.5 * _SIGMA_TO_FWHM
_SMALLEST_VARIANCE = 0.09


def measure_shapes(
    image: Pixels,
    background: Background,
    positions: NDArray[np.float64],
    *,
    sigma: float,
    share: float = SPIKE_SHARE,
) -> NDArray[np.float64]:
    """Measure stars with an adaptive elliptical Gaussian weight.

    Weight and star are matched by iteration [1]_, which is stable against noise and sky errors where plain
    second moments swing by a factor two with brightness. The centroid is windowed by the same weight. The
    half-flux radius encloses half of the light within 2.5 FWHM.

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
        _cut(image, (row, col), level, stamp)
        if share > 0.0:
            _despike(stamp, noise, share)
        peak, around = _brightest(stamp)
        _level(stamp, noise)
        x, y = positions[k, 0] - col, positions[k, 1] - row
        shape = _moments(stamp, (x, y), sigma)
        status = shape[7]
        if around < share:
            status = SPIKE
        out[k, 0], out[k, 1] = col + shape[0], row + shape[1]
        out[k, 2], out[k, 3], out[k, 4] = shape[5], shape[6] * noise, peak + level
        out[k, 5], out[k, 6], out[k, 7] = shape[2], shape[3], shape[4]
        width = (max(shape[2] * shape[4] - shape[3] ** 2, 1e-6)) ** 0.25
        out[k, 8] = _half_flux_radius(stamp, (shape[0], shape[1]), _APERTURE * min(width, 1.1 * sigma), curve)
        out[k, 9], out[k, 10], out[k, 11] = around, status, noise


@njit(cache=True, nogil=True)
def local_value(mesh: NDArray[np.float32], shape: tuple[int, int], row: int, col: int) -> float:
    """Interpolate the mesh at one pixel."""
    my, mx = mesh.shape
    fy, fx = (row + 0.5) * my / shape[0] - 0.5, (col + 0.5) * mx / shape[1] - 0.5
    i, j = min(max(math.floor(fy), 0), max(my - 2, 0)), min(max(math.floor(fx), 0), max(mx - 2, 0))
    i2, j2 = min(i + 1, my - 1), min(j + 1, mx - 1)
    wy, wx = fy - i if my > 1 else 0.0, fx - j if mx > 1 else 0.0
    low = mesh[i, j] + wx * (mesh[i, j2] - mesh[i, j])
    high = mesh[i2, j] + wx * (mesh[i2, j2] - mesh[i2, j])
    return float(low + wy * (high - low))


@njit(cache=True, nogil=True)
def _cut(image: Pixels, centre: tuple[int, int], level: float, stamp: NDArray[np.float32]) -> None:
    """Copy sky-subtracted pixels around a candidate."""
    half = stamp.shape[0] // 2
    top, left = centre[0] - half, centre[1] - half
    for i in range(stamp.shape[0]):
        for j in range(stamp.shape[1]):
            stamp[i, j] = _pixel(image, top + i, left + j, level)


@njit(cache=True, nogil=True)
def _brightest(stamp: NDArray[np.float32]) -> tuple[float, float]:
    """Brightest pixel of the middle, and the share of it that its four neighbours carry on average."""
    half = stamp.shape[0] // 2
    peak, share = np.float32(-np.inf), 0.0
    for i in range(half - 1, half + 2):
        for j in range(half - 1, half + 2):
            if stamp[i, j] > peak:
                peak = stamp[i, j]
                around = 0.25 * (stamp[i - 1, j] + stamp[i + 1, j] + stamp[i, j - 1] + stamp[i, j + 1])
                share = around / peak if peak > 0.0 else 1.0
    return float(peak), share


@njit(cache=True, nogil=True)
def _pixel(image: Pixels, y: int, x: int, level: float) -> np.float32:
    """Sky-subtracted value; zero outside the image and where it is not finite."""
    if y < 0 or x < 0 or y >= image.shape[0] or x >= image.shape[1]:
        return np.float32(0.0)
    value = np.float32(image[y, x]) - np.float32(level)
    return value if np.isfinite(value) else np.float32(0.0)


@njit(cache=True, nogil=True)
def _despike(stamp: NDArray[np.float32], noise: float, share: float) -> None:
    """Replace single sharp pixels by the mean of their neighbours."""
    limit, most = np.float32(SPIKE_SIGMA * noise), np.float32(4.0 * share)
    for i in range(1, stamp.shape[0] - 1):
        for j in range(1, stamp.shape[1] - 1):
            if stamp[i, j] > limit:
                around = stamp[i - 1, j] + stamp[i + 1, j] + stamp[i, j - 1] + stamp[i, j + 1]
                if around < most * stamp[i, j]:
                    stamp[i, j] = np.float32(0.25) * max(around, np.float32(0.0))


@njit(cache=True, nogil=True)
def _level(stamp: NDArray[np.float32], noise: float) -> None:
    """Subtract the median of the edge of the stamp where it differs from the sky (nebula, halo of a star)."""
    n = stamp.shape[0]
    edge = np.empty(4 * (n - 1), dtype=np.float32)
    for k in range(n - 1):
        edge[4 * k], edge[4 * k + 1] = stamp[0, k], stamp[n - 1, k + 1]
        edge[4 * k + 2], edge[4 * k + 3] = stamp[k + 1, 0], stamp[k, n - 1]
    edge.sort()
    middle = edge[edge.size // 2]
    if abs(middle) > 5.0 * noise / math.sqrt(edge.size):
        for i in range(n):
            for j in range(n):
                stamp[i, j] -= middle


@njit(cache=True, nogil=True)
def _moments(
    stamp: NDArray[np.float32], start: tuple[float, float], sigma: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """Adaptive moments: x, y relative to the middle, xx, xy, yy, flux, its error per unit noise, status."""
    x, y = start
    xx, xy, yy = sigma * sigma, 0.0, sigma * sigma
    flux, weights = 0.0, 1.0
    for _ in range(_ROUNDS):
        flux, weights, dx, dy, cxx, cxy, cyy = _weighted(stamp, (x, y), (xx, xy, yy))
        if flux <= 0.0:
            return x, y, xx, xy, yy, flux, 2.0 * math.sqrt(weights), LOST
        x, y = x + 2.0 * dx, y + 2.0 * dy
        if abs(x - start[0]) > 1.5 * sigma + 1.0 or abs(y - start[1]) > 1.5 * sigma + 1.0:
            return x, y, xx, xy, yy, 2.0 * flux, 2.0 * math.sqrt(weights), LOST
        nxx, nxy, nyy = _matched((xx, xy, yy), (cxx, cxy, cyy), sigma)
        change = abs(nxx - xx) + abs(nyy - yy) + 2.0 * abs(nxy - xy)
        xx, xy, yy = nxx, nxy, nyy
        if change < 0.004 * (xx + yy) and abs(dx) + abs(dy) < 0.004:
            break
    return x, y, xx, xy, yy, 2.0 * flux, 2.0 * math.sqrt(weights), OK


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
    reach_x, reach_y = 3.0 * math.sqrt(xx), 3.0 * math.sqrt(yy)
    i0, i1 = max(0, math.ceil(half + y - reach_y)), min(2 * half, int(half + y + reach_y))
    j0, j1 = max(0, math.ceil(half + x - reach_x)), min(2 * half, int(half + x + reach_x))
    total, squared, sx, sy, sxx, sxy, syy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(i0, i1 + 1):
        v = i - half - y
        for j in range(j0, j1 + 1):
            u = j - half - x
            q = a * u * u + 2.0 * b * u * v + c * v * v
            if q < 9.0:
                w = math.exp(-0.5 * q)
                light = w * stamp[i, j]
                total += light
                squared += w * w
                sx += light * u
                sy += light * v
                sxx += light * u * u
                sxy += light * u * v
                syy += light * v * v
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
        nxx, nxy, nyy = 0.5 * xx, 0.5 * xy, 0.5 * yy
    return _bounded((nxx, nxy, nyy), min(2.0 * (xx + yy), 16.0 * sigma * sigma))


@njit(cache=True, nogil=True)
def _bounded(shape: tuple[float, float, float], largest: float) -> tuple[float, float, float]:
    """Keep both principal variances between the smallest that pixels can show and the largest allowed."""
    xx, xy, yy = shape
    mean, half = 0.5 * (xx + yy), math.hypot(0.5 * (xx - yy), xy)
    high = min(max(mean + half, _SMALLEST_VARIANCE), max(largest, _SMALLEST_VARIANCE))
    low = min(max(mean - half, _SMALLEST_VARIANCE), high)
    if half <= 0.0:
        return high, 0.0, high
    cos2, sin2 = 0.5 * (xx - yy) / half, xy / half
    centre, spread = 0.5 * (high + low), 0.5 * (high - low)
    return centre + spread * cos2, spread * sin2, centre - spread * cos2


@njit(cache=True, nogil=True)
def _half_flux_radius(
    stamp: NDArray[np.float32], centre: tuple[float, float], aperture: float, curve: NDArray[np.float64]
) -> float:
    """Radius that encloses half of the light within the aperture; NaN when there is no light."""
    half = stamp.shape[0] // 2
    radius = min(aperture, half - 0.5)
    bins = min(curve.size, int(radius * 10.0) + 1)
    curve[:bins] = 0.0
    for i in range(stamp.shape[0]):
        v = i - half - centre[1]
        for j in range(stamp.shape[1]):
            u = j - half - centre[0]
            r2 = u * u + v * v
            if r2 < 16.0:
                for k in range(9):
                    su, sv = u + (k % 3 - 1) / 3.0, v + (k // 3 - 1) / 3.0
                    slot = int(math.sqrt(su * su + sv * sv) * 10.0)
                    if slot < bins:
                        curve[slot] += stamp[i, j] / 9.0
            elif r2 < radius * radius:
                slot = int(math.sqrt(r2) * 10.0)
                if slot < bins:
                    curve[slot] += stamp[i, j]
    return _half_of(curve[:bins])


@njit(cache=True, nogil=True)
def _half_of(curve: NDArray[np.float64]) -> float:
    wanted = 0.5 * curve.sum()
    if wanted <= 0.0:
        return np.nan
    below = 0.0
    for slot in range(curve.size):
        if below + curve[slot] >= wanted:
            radius = 0.1 * (slot + (wanted - below) / curve[slot])
            # Splitting pixels in nine spreads their light by 2/27 px^2 per axis; take it out again.
            return math.sqrt(max(radius * radius - 0.1, 0.25 * radius * radius)) if radius < 3.5 else radius
        below += curve[slot]
    return np.nan

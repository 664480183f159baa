"""Small cut-outs around stars: filling, cleaning, levelling, and the light within a radius."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pictor.imaging.pixels import Pixels
from pictor.imaging.stars.filtering import SPIKE_SIGMA


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
def cut(image: Pixels, centre: tuple[int, int], level: float, stamp: NDArray[np.float32]) -> None:
    """Copy sky-subtracted pixels around a candidate."""
    half = stamp.shape[0] // 2
    top, left = centre[0] - half, centre[1] - half
    for i in range(stamp.shape[0]):
        for j in range(stamp.shape[1]):
            stamp[i, j] = _pixel(image, top + i, left + j, level)


@njit(cache=True, nogil=True)
def _pixel(image: Pixels, y: int, x: int, level: float) -> np.float32:
    """Sky-subtracted value; zero outside the image and where it is not finite."""
    if y < 0 or x < 0 or y >= image.shape[0] or x >= image.shape[1]:
        return np.float32(0.0)
    value = np.float32(image[y, x]) - np.float32(level)
    return value if np.isfinite(value) else np.float32(0.0)


@njit(cache=True, nogil=True)
def brightest(stamp: NDArray[np.float32]) -> tuple[float, float]:
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
def despike(stamp: NDArray[np.float32], noise: float, share: float) -> None:
    """Replace single sharp pixels by the mean of their neighbours."""
    limit, most = np.float32(SPIKE_SIGMA * noise), np.float32(4.0 * share)
    for i in range(1, stamp.shape[0] - 1):
        for j in range(1, stamp.shape[1] - 1):
            if stamp[i, j] > limit:
                around = stamp[i - 1, j] + stamp[i + 1, j] + stamp[i, j - 1] + stamp[i, j + 1]
                if around < most * stamp[i, j]:
                    stamp[i, j] = np.float32(0.25) * max(around, np.float32(0.0))


@njit(cache=True, nogil=True)
def level_edge(stamp: NDArray[np.float32], noise: float) -> None:
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
def half_flux_radius(
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

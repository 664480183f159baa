"""Small cut-outs around stars: filling, cleaning, levelling, and the light within a radius."""

import math

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit
from pictor.imaging.pixels import Pixels
from pictor.imaging.stars.filtering import SPIKE_SIGMA

# Pixels nearer to the middle of a star than this are split in nine for its curve of growth.
_SPLIT = 4.0


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
    """Copy sky-subtracted pixels around a candidate; zero outside the image and where they are not finite."""
    n, sky = stamp.shape[0], np.float32(level)
    top, left = centre[0] - n // 2, centre[1] - n // 2
    first, last = max(0, -left), min(n, image.shape[1] - left)
    for i in range(n):
        line, y = stamp[i], top + i
        if y < 0 or y >= image.shape[0] or last <= first:
            line[:] = np.float32(0.0)
            continue
        line[:first], line[last:] = np.float32(0.0), np.float32(0.0)
        row, part = image[y, left + first : left + last], line[first:last]
        for j in range(part.size):
            value = np.float32(row[j]) - sky
            part[j] = value if value - value == np.float32(0.0) else np.float32(0.0)


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
    edge[: n - 1], edge[n - 1 : 2 * n - 2] = stamp[0, : n - 1], stamp[n - 1, 1:]
    edge[2 * n - 2 : 3 * n - 3], edge[3 * n - 3 :] = stamp[1:, 0], stamp[: n - 1, n - 1]
    limit = 5.0 * noise / math.sqrt(edge.size)
    above, below = 0, 0
    for value in edge:
        above += value > limit
        below += value < -limit
    # The middle one lies within the limits where neither side holds half of the edge: seldom need it be known.
    if above < edge.size // 2 and below <= edge.size // 2:
        return
    edge.sort()
    middle = edge[edge.size // 2]
    if abs(middle) > limit:
        for i in range(n):
            for j in range(n):
                stamp[i, j] -= middle


@njit(cache=True, nogil=True)
def half_flux_radius(
    stamp: NDArray[np.float32], centre: tuple[float, float], aperture: float, curve: NDArray[np.float64]
) -> float:
    """Radius that encloses half of the light within the aperture; NaN when there is no light."""
    half, n = stamp.shape[0] // 2, stamp.shape[0]
    radius = min(aperture, half - 0.5)
    bins = min(curve.size, int(radius * 10.0) + 1)
    curve[:] = 0.0
    slots = np.empty(3 * n, dtype=np.int32)
    left, outer = half + centre[0], max(radius, _SPLIT)
    for i in range(n):
        v = i - half - centre[1]
        first, last = _chord(left, v, outer, n)
        j0, j1 = _chord(left, v, _SPLIT, n)
        if j1 > j0:
            _add_split(stamp[i, j0:j1], (j0 - left, v), slots, curve)
            _add_whole(stamp[i, first:j0], (first - left, v), curve)
            _add_whole(stamp[i, j1:last], (j1 - left, v), curve)
        elif last > first:
            _add_whole(stamp[i, first:last], (first - left, v), curve)
    return _half_of(curve[:bins])


@njit(cache=True, nogil=True)
def _chord(left: float, v: float, radius: float, n: int) -> tuple[int, int]:
    """Columns of a row, first and past the last, within a radius of the star; `v` is how far the row is from it."""
    square = radius * radius - v * v
    if square <= 0.0:
        return 0, 0
    wide = math.sqrt(square)
    return max(0, math.ceil(left - wide)), max(0, min(n, math.floor(left + wide) + 1))


@njit(cache=True, nogil=True)
def _add_whole(row: NDArray[np.float32], place: tuple[float, float], curve: NDArray[np.float64]) -> None:
    """Add pixels of a row to the curve of growth by their distance; the place is that of the first."""
    u, square = place[0], place[1] * place[1]
    for j in range(row.size):
        curve[int(math.sqrt((u + j) ** 2 + square) * 10.0)] += row[j]


@njit(cache=True, nogil=True)
def _add_split(
    row: NDArray[np.float32], place: tuple[float, float], slots: NDArray[np.int32], curve: NDArray[np.float64]
) -> None:
    """Add pixels of a row to the curve of growth, each split in nine; the place is that of the first."""
    for k in range(-1, 2):
        square = (place[1] + k / 3.0) ** 2
        for m in range(3 * row.size):
            slots[m] = np.int32(math.sqrt((place[0] + (m - 1) / 3.0) ** 2 + square) * 10.0)
        for j in range(row.size):
            part = row[j] / 9.0
            for slot in slots[3 * j : 3 * j + 3]:
                curve[slot] += part


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

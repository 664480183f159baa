"""Kernels that find maxima of the matched filter, strip by strip."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pictor.imaging.background import interpolate_row
from pictor.imaging.pixels import Pixels

# The filter is a Gaussian of sigma 1 on 5 x 5 pixels (FWHM 2.36); wider stars are found on a binned frame.
_TAP1, _TAP2 = np.float32(math.exp(-0.5)), np.float32(math.exp(-2.0))
_UNIT = np.float32(1.0 / (1.0 + 2.0 * math.exp(-1.0) + 2.0 * math.exp(-4.0)))
# A pixel that stands out this much (sigma) while its four neighbours carry on average less than this share of
# it is a hot pixel or a cosmic-ray hit: the sharpest star we accept, FWHM 1.6, leaves 0.2 to 0.35 there.
SPIKE_SIGMA = 6.0
SPIKE_SHARE = 0.18
STRIP = 32
_HALO = 4


@njit(cache=True, nogil=True)
def _fill_rows(
    image: Pixels,
    mesh: tuple[NDArray[np.float32], NDArray[np.float32]],
    rows: tuple[int, int],
    out: NDArray[np.float32],
) -> None:
    """Write rows of (value - sky) / noise; rows outside the image and unusable pixels become zero."""
    ny, nx = image.shape
    levels, noises = mesh
    sky, noise = np.empty(nx, dtype=np.float32), np.empty(nx, dtype=np.float32)
    for y in range(rows[0], rows[1]):
        line = out[y - rows[0]]
        if y < 0 or y >= ny:
            line[:nx] = np.float32(0.0)
            continue
        interpolate_row(levels, (ny, nx), float(y), sky)
        interpolate_row(noises, (ny, nx), float(y), noise)
        for x in range(nx):
            value = (np.float32(image[y, x]) - sky[x]) / noise[x]
            line[x] = value if np.isfinite(value) else np.float32(0.0)


@njit(cache=True, nogil=True)
def remove_spikes(strip: NDArray[np.float32], nx: int, share: float) -> int:
    """Replace single pixels that stand out of their neighbours by the mean of those; edges are left."""
    removed = 0
    for y in range(1, strip.shape[0] - 1):
        for x in range(1, nx - 1):
            value = strip[y, x]
            if value > SPIKE_SIGMA:
                around = strip[y - 1, x] + strip[y + 1, x] + strip[y, x - 1] + strip[y, x + 1]
                if around < np.float32(4.0 * share) * value:
                    strip[y, x] = np.float32(0.25) * max(around, np.float32(0.0))
                    removed += 1
    return removed


@njit(cache=True, nogil=True)
def _filter(strip: NDArray[np.float32], nx: int, across: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """Apply the matched filter, in units of its noise; the two outer rows and columns stay zero."""
    n = strip.shape[0]
    for y in range(n):
        row, line = strip[y], across[y]
        for x in range(2, nx - 2):
            line[x] = _UNIT * (row[x] + _TAP1 * (row[x - 1] + row[x + 1]) + _TAP2 * (row[x - 2] + row[x + 2]))
    out[:] = np.float32(0.0)
    for y in range(2, n - 2):
        line = out[y]
        a, b, c, d, e = across[y - 2], across[y - 1], across[y], across[y + 1], across[y + 2]
        for x in range(2, nx - 2):
            line[x] = _UNIT * (c[x] + _TAP1 * (b[x] + d[x]) + _TAP2 * (a[x] + e[x]))


@njit(cache=True, nogil=True)
def _is_maximum(plane: NDArray[np.float32], y: int, x: int) -> bool:
    """Largest of its 3 x 3; of equal pixels the first one."""
    value = plane[y, x]
    return bool(
        value > plane[y - 1, x - 1]
        and value > plane[y - 1, x]
        and value > plane[y - 1, x + 1]
        and value > plane[y, x - 1]
        and value >= plane[y, x + 1]
        and value >= plane[y + 1, x - 1]
        and value >= plane[y + 1, x]
        and value >= plane[y + 1, x + 1]
    )


@njit(cache=True, nogil=True)
def scan(
    image: Pixels,
    mesh: tuple[NDArray[np.float32], NDArray[np.float32]],
    rows: tuple[int, int],
    settings: tuple[float, float],
) -> tuple[NDArray[np.float64], int]:
    """Maxima in some rows: x, y, signal-to-noise; and the number of spikes removed."""
    nx = image.shape[1]
    threshold, share = np.float32(settings[0]), settings[1]
    strip = np.zeros((STRIP + 2 * _HALO, nx), dtype=np.float32)
    across, plane = np.zeros_like(strip), np.zeros_like(strip)
    found, count, spikes = np.empty((256, 3), dtype=np.float64), 0, 0
    for top in range(rows[0], rows[1], STRIP):
        bottom = min(top + STRIP, rows[1])
        _fill_rows(image, mesh, (top - _HALO, top + STRIP + _HALO), strip)
        if share > 0.0:
            spikes += remove_spikes(strip, nx, share)
        _filter(strip, nx, across, plane)
        for y in range(top, bottom):
            line = plane[y - top + _HALO]
            for x in range(2, nx - 2):
                if line[x] > threshold and _is_maximum(plane, y - top + _HALO, x):
                    if count == found.shape[0]:
                        found = _grown(found)
                    found[count, 0], found[count, 1], found[count, 2] = x, y, line[x]
                    count += 1
    return found[:count], spikes


@njit(cache=True, nogil=True)
def _grown(table: NDArray[np.float64]) -> NDArray[np.float64]:
    larger = np.empty((2 * table.shape[0], table.shape[1]), dtype=np.float64)
    larger[: table.shape[0]] = table
    return larger


@njit(cache=True, nogil=True)
def bin_rows(
    image: Pixels,
    mesh: tuple[NDArray[np.float32], NDArray[np.float32]],
    rows: tuple[int, int, int],
    share: float,
    out: NDArray[np.float32],
) -> int:
    """Sum `scale` x `scale` sky-subtracted pixels in units of the noise of the sum; rows = first, last, scale."""
    first, last, scale = rows
    nx = image.shape[1]
    strip = np.zeros((scale + 2, nx), dtype=np.float32)
    spikes = 0
    for i in range(first, last):
        _fill_rows(image, mesh, (i * scale - 1, (i + 1) * scale + 1), strip)
        if share > 0.0:
            spikes += remove_spikes(strip, nx, share)
        for j in range(out.shape[1]):
            total = np.float32(0.0)
            for y in range(1, scale + 1):
                for x in range(j * scale, (j + 1) * scale):
                    total += strip[y, x]
            out[i, j] = total / np.float32(scale)
    return spikes


@njit(cache=True, nogil=True)
def halve(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum 2 x 2 pixels in units of the noise of the sum."""
    out = np.empty((image.shape[0] // 2, image.shape[1] // 2), dtype=np.float32)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            total = (
                image[2 * y, 2 * x] + image[2 * y, 2 * x + 1] + image[2 * y + 1, 2 * x] + image[2 * y + 1, 2 * x + 1]
            )
            out[y, x] = np.float32(0.5) * total
    return out


@njit(cache=True, nogil=True)
def blobs(image: NDArray[np.float32], threshold: float) -> NDArray[np.float64]:
    """Maxima of the filter with their contrast to a ring four pixels away: x, y, contrast."""
    ny, nx = image.shape
    across, plane = np.zeros_like(image), np.zeros_like(image)
    _filter(image, nx, across, plane)
    found, count = np.empty((256, 3), dtype=np.float64), 0
    for y in range(6, ny - 6):
        for x in range(6, nx - 6):
            if plane[y, x] > threshold and _is_maximum(plane, y, x):
                ring = plane[y - 4, x] + plane[y + 4, x] + plane[y, x - 4] + plane[y, x + 4]
                ring += plane[y - 3, x - 3] + plane[y + 3, x - 3] + plane[y - 3, x + 3] + plane[y + 3, x + 3]
                contrast = plane[y, x] - np.float32(0.125) * ring
                if contrast > threshold:
                    if count == found.shape[0]:
                        found = _grown(found)
                    found[count, 0], found[count, 1], found[count, 2] = x, y, contrast
                    count += 1
    return found[:count]

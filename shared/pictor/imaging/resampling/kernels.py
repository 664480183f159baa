"""Compiled loops of resampling: six weights along each axis from a table, bad pixels looked at only where they are."""

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit

Reals = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bits = NDArray[np.uint8]
Indices = NDArray[np.uint64]

TAPS = 6
"""Pixels a kernel reaches along each axis; narrower kernels have zeros."""

PHASES = 4096
"""Steps of the table of weights between two pixels: positions are rounded to 1/8192 pixel at most."""

MOST_MISSING = 0.25
"""Share of the weights that may fall on unusable pixels; the others then stand in for them."""

BLOCKING, SOFT, NO_DATA = np.uint8(1 | 4 | 8 | 16), np.uint8(2 | 32), np.uint8(16)
"""Bits of pixels that get no weight, and of pixels that are used and told of (saturated, non-linear)."""

U0, U1, U2, U3, U4, U5 = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(5)

ELSEWHERE = np.uint64(2**63)

TOLD = 0.01
"""A saturated pixel with less weight than this does not flag the result."""


@njit(cache=True, nogil=True)
def place_row(  # noqa: PLR0917
    matrix: Doubles, lattice: Doubles, step: int, y: float, first: float, stride: float, out: Doubles
) -> None:
    """Find x, y and area of one row of output positions ``first + k * stride`` on the frame; ``out`` is (3, n)."""
    n = out.shape[1]
    if lattice.shape[1] == 0:
        _by_homography(matrix, y, first, stride, out)
        return
    v = y / step
    j = min(max(int(np.floor(v)), 0), lattice.shape[1] - 2)
    fy = v - j
    for k in range(n):
        u = (first + k * stride) / step
        i = min(max(int(np.floor(u)), 0), lattice.shape[2] - 2)
        fx = u - i
        for axis in range(3):
            low = lattice[axis, j, i] * (1 - fx) + lattice[axis, j, i + 1] * fx
            high = lattice[axis, j + 1, i] * (1 - fx) + lattice[axis, j + 1, i + 1] * fx
            out[axis, k] = low * (1 - fy) + high * fy


@njit(cache=True, nogil=True, error_model="numpy")
def _by_homography(matrix: Doubles, y: float, first: float, stride: float, out: Doubles) -> None:
    determinant = abs(np.linalg.det(matrix))
    u0 = matrix[0, 1] * y + matrix[0, 2]
    v0 = matrix[1, 1] * y + matrix[1, 2]
    w0 = matrix[2, 1] * y + matrix[2, 2]
    u1, v1, w1 = matrix[0, 0], matrix[1, 0], matrix[2, 0]
    for k in range(out.shape[1]):
        x = first + k * stride
        w = w1 * x + w0
        inverse = 1.0 / w
        out[0, k] = (u1 * x + u0) * inverse
        out[1, k] = (v1 * x + v0) * inverse
        out[2, k] = determinant * inverse * inverse * inverse
    if w0 + w1 * first > 0.0 and w0 + w1 * (first + (out.shape[1] - 1) * stride) > 0.0:
        return
    for k in range(out.shape[1]):
        if w1 * (first + k * stride) + w0 <= 0.0:
            out[0, k], out[1, k], out[2, k] = np.nan, np.nan, 0.0


@njit(cache=True, nogil=True)
def _careful(  # noqa: PLR0917
    values: Reals, variance: Reals, bits: Bits, corner: tuple[int, int], wy: Reals, wx: Reals
) -> tuple[float, float, np.uint8]:
    """Interpolate where pixels are unusable or outside; return value, variance and bits."""
    weights = np.empty((TAPS, TAPS), np.float64)
    for r in range(TAPS):
        for k in range(TAPS):
            weights[r, k] = np.float64(wy[r]) * np.float64(wx[k])
    return _weighed(values, variance, bits, corner, weights)


@njit(cache=True, nogil=True, error_model="numpy")
def _chosen(
    sums: tuple[float, float, float, float, float, float], missing: float, lost: float, flags: np.uint8, soft: np.uint8
) -> tuple[float, float, np.uint8]:
    """Say what the sums over good and bad pixels (weight, value, variance) give; ``missing``, ``lost``: shares."""
    good, good_value, good_variance, poor, poor_value, poor_variance = sums
    if missing <= MOST_MISSING:
        return good_value / good, good_variance / (good * good), np.uint8(soft)
    if lost <= MOST_MISSING:
        whole = good + poor
        noise = (good_variance + poor_variance) / (whole * whole)
        return (good_value + poor_value) / whole, noise, np.uint8((flags & ~NO_DATA) | soft)
    return np.nan, np.nan, np.uint8(flags | soft | NO_DATA)


@njit(cache=True, nogil=True)
def _weighed(
    values: Reals, variance: Reals, bits: Bits, corner: tuple[int, int], weights: Doubles
) -> tuple[float, float, np.uint8]:
    """Weigh the pixels from ``corner`` on; return value, variance and bits.

    Where the unusable ones hold little weight the others stand in for them; else bad pixels with a finite value are
    used and told of, and without those there is no value.
    """
    ny, nx = values.shape
    good, good_value, good_variance = 0.0, 0.0, 0.0
    poor, poor_value, poor_variance = 0.0, 0.0, 0.0
    total, missing, lost = 0.0, 0.0, 0.0
    flags, soft = np.uint8(0), np.uint8(0)
    for r in range(weights.shape[0]):
        for k in range(weights.shape[1]):
            w = weights[r, k]
            if w == 0.0:
                continue
            total += abs(w)
            y, x = corner[0] + r, corner[1] + k
            if y < 0 or x < 0 or y >= ny or x >= nx:
                missing, lost, flags = missing + abs(w), lost + abs(w), flags | NO_DATA
                continue
            bit = bits[y, x] if bits.size else np.uint8(0)
            value = np.float64(values[y, x])
            noise = np.float64(variance[y, x]) if variance.size else 1.0
            if abs(w) > TOLD:
                soft |= bit & SOFT
            if value - value != 0.0 or bit & NO_DATA:
                missing, lost, flags = missing + abs(w), lost + abs(w), flags | bit | NO_DATA
            elif bit & BLOCKING:
                missing, flags = missing + abs(w), flags | bit
                poor, poor_value, poor_variance = poor + w, poor_value + w * value, poor_variance + w * w * noise
            else:
                good, good_value, good_variance = good + w, good_value + w * value, good_variance + w * w * noise
    sums = good, good_value, good_variance, poor, poor_value, poor_variance
    return _chosen(sums, missing / total, lost / total, flags, soft)


@njit(cache=True, nogil=True)
def _locate(places: Doubles, origin: tuple[int, int], shape: tuple[int, int], at: Indices) -> None:
    """Find for each place of a row its first pixel in the window (flat; ELSEWHERE near and beyond edges) and phases.

    ``at`` is (3, n): first pixel, phase along y, phase along x.
    """
    ny, nx = shape
    for k in range(places.shape[1]):
        px, py = places[0, k] - origin[1], places[1, k] - origin[0]
        at[0, k] = ELSEWHERE
        if px >= 2.0 and py >= 2.0 and px < nx - 3.0 and py < ny - 3.0:
            ix, iy = int(px), int(py)
            at[0, k] = (iy - 2) * nx + ix - 2
            at[1, k], at[2, k] = int((py - iy) * PHASES + 0.5), int((px - ix) * PHASES + 0.5)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _plain_row(flat: Reals, stride: np.uint64, at: Indices, table: Reals, out: Reals) -> None:
    """Interpolate a row inside the frame; NaN where a pixel is NaN. Unsigned indices are not looked at twice."""
    for k in range(out.shape[0]):
        start, phase_y, phase_x = at[0, k], at[1, k], at[2, k]
        if start == ELSEWHERE:
            continue
        total, wx = np.float32(0.0), phase_x
        for r in range(TAPS):
            part = (
                flat[start] * table[wx, U0] + flat[start + U1] * table[wx, U1] + flat[start + U2] * table[wx, U2]
                + flat[start + U3] * table[wx, U3] + flat[start + U4] * table[wx, U4] + flat[start + U5] * table[wx, U5]
            )  # fmt: skip
            total += part * table[phase_y, np.uint64(r)]
            start += stride
        out[k] = total


@njit(cache=True, nogil=True)
def _gain_row(at: Indices, gains: Reals, out: Reals) -> None:
    """Find the variance that interpolation leaves of 1."""
    for k in range(out.shape[0]):
        if at[0, k] != ELSEWHERE:
            out[k] = gains[at[1, k]] * gains[at[2, k]]


@njit(cache=True, nogil=True)
def _mend_row(  # noqa: PLR0917
    frame: tuple[Reals, Reals, Bits], origin: tuple[int, int], places: Doubles, at: Indices, table: Reals,
    out: tuple[Reals, Reals, Bits],
) -> None:  # fmt: skip
    """Look closely at the places of a row where pixels are marked, or outside the frame."""
    values, variance, bits = frame
    value, noise, bit = out
    ny, nx = values.shape
    for k in range(value.shape[0]):
        bit[k] = 0
        if at[0, k] != ELSEWHERE and value[k] - value[k] == 0.0:
            continue
        px, py = places[0, k] - origin[1], places[1, k] - origin[0]
        if not (px >= -0.75 and py >= -0.75 and px <= nx - 0.25 and py <= ny - 0.25):
            value[k], noise[k], bit[k] = np.nan, np.nan, NO_DATA
            continue
        ix, iy = int(np.floor(px)), int(np.floor(py))
        wx, wy = table[int((px - ix) * PHASES + 0.5)], table[int((py - iy) * PHASES + 0.5)]
        value[k], noise[k], bit[k] = _careful(values, variance, bits, (iy - 2, ix - 2), wy, wx)


@njit(cache=True, nogil=True)
def resample_tile(  # noqa: PLR0917 - numba knows no keyword-only arguments
    frame: tuple[Reals, Reals, Reals, Bits],
    origin: tuple[int, int],
    mapping: tuple[Doubles, Doubles, int],
    tables: tuple[Reals, Reals, Reals],
    tile: tuple[int, int],
    flux: bool,  # noqa: FBT001
    out: tuple[Reals, Reals, Bits],
) -> None:
    """Resample a window of a frame onto a tile of the grid.

    ``frame`` holds the values with NaN at every pixel that has a bit, the values, their variance (empty: 1 everywhere)
    and bits (empty: none); ``origin`` and ``tile`` are row and column of the first pixel of window and tile; ``tables``
    the weights, their squares and the sums of these. ``out`` receives value (NaN without data), variance and bits.
    """
    marked, values, variance, bits = frame
    table, squares, gains = tables
    flat, flat_variance, stride = marked.ravel(), variance.ravel(), np.uint64(values.shape[1])
    width = out[0].shape[1]
    places, at = np.empty((3, width), np.float64), np.zeros((3, width), np.uint64)
    for row in range(out[0].shape[0]):
        value, noise, bit = out[0][row], out[1][row], out[2][row]
        place_row(mapping[0], mapping[1], mapping[2], float(tile[0] + row), float(tile[1]), 1.0, places)
        _locate(places, origin, values.shape, at)
        _plain_row(flat, stride, at, table, value)
        if flat_variance.size:
            _plain_row(flat_variance, stride, at, squares, noise)
        else:
            _gain_row(at, gains, noise)
        _mend_row((values, variance, bits), origin, places, at, table, (value, noise, bit))
        if flux:
            for k in range(width):
                area = np.float32(places[2, k])
                value[k] *= area
                noise[k] *= area * area


@njit(cache=True, nogil=True)
def _spread(places: Doubles, corner: tuple[float, float], table: Reals, weights: Doubles) -> None:
    """Add up the weights of all places in one pixel, shape (fine, 3, fine); the first weight is that at ``corner``."""
    for s in range(places.shape[0]):
        for t in range(places.shape[2]):
            px, py = places[s, 0, t] - corner[1], places[s, 1, t] - corner[0]
            ix, iy = int(np.floor(px)), int(np.floor(py))
            wx, wy = table[int((px - ix) * PHASES + 0.5)], table[int((py - iy) * PHASES + 0.5)]
            for r in range(TAPS):
                for c in range(TAPS):
                    weights[iy - 2 + r, ix - 2 + c] += wy[r] * wx[c]


@njit(cache=True, nogil=True)
def _extent(places: Doubles, origin: tuple[int, int]) -> tuple[float, float, float, float, float]:
    """Return least and greatest x, least and greatest y of the places in a pixel, from ``origin`` on, and its area."""
    low_x, high_x, low_y, high_y, area = np.inf, -np.inf, np.inf, -np.inf, 0.0
    number = places.shape[0] * places.shape[2]
    for s in range(places.shape[0]):
        for t in range(places.shape[2]):
            px, py = places[s, 0, t] - origin[1], places[s, 1, t] - origin[0]
            low_x, high_x = min(low_x, px), max(high_x, px)
            low_y, high_y = min(low_y, py), max(high_y, py)
            area += places[s, 2, t] / number
    return low_x, high_x, low_y, high_y, area


@njit(cache=True, nogil=True)
def average_tile(  # noqa: PLR0917 - numba knows no keyword-only arguments
    frame: tuple[Reals, Reals, Reals, Bits],
    origin: tuple[int, int],
    mapping: tuple[Doubles, Doubles, int],
    table: Reals,
    tile: tuple[int, int],
    flux: bool,  # noqa: FBT001
    fine: int,
    out: tuple[Reals, Reals, Bits],
) -> None:
    """Resample as `resample_tile`, each pixel the average of ``fine`` x ``fine`` places in it."""
    _, values, variance, bits = frame
    out_value, out_variance, out_bits = out
    height, width = out_value.shape
    ny, nx = values.shape
    places = np.empty((fine, 3, width * fine), np.float64)
    edge = 0.5 / fine - 0.5
    most = 4 * fine + TAPS + 4
    weights = np.zeros((most, most), np.float64)
    for row in range(height):
        for s in range(fine):
            y = tile[0] + row + edge + s / fine
            place_row(mapping[0], mapping[1], mapping[2], y, tile[1] + edge, 1.0 / fine, places[s])
        for k in range(width):
            part = places[:, :, k * fine : (k + 1) * fine]
            low_x, high_x, low_y, high_y, area = _extent(part, origin)
            inside = low_x > -most and low_y > -most and high_x < nx + most and high_y < ny + most
            if not inside or high_x - low_x > most - TAPS - 2 or high_y - low_y > most - TAPS - 2:
                out_value[row, k], out_variance[row, k], out_bits[row, k] = np.nan, np.nan, NO_DATA
                continue
            left, top = int(np.floor(low_x)) - 2, int(np.floor(low_y)) - 2
            across, down = int(np.floor(high_x)) + 4 - left, int(np.floor(high_y)) + 4 - top
            weights[:down, :across] = 0.0
            corner = float(top + origin[0]), float(left + origin[1])
            _spread(part, corner, table, weights)
            value, noise, bit = _weighed(values, variance, bits, (top, left), weights[:down, :across])
            if not flux:
                area = 1.0
            out_value[row, k], out_variance[row, k], out_bits[row, k] = value * area, noise * area * area, bit

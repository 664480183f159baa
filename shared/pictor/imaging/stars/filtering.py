"""Kernels that find maxima of the matched filter, streaming over the rows of a frame."""

import math

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit
from pictor.imaging.mesh import line, mesh_row, spans
from pictor.imaging.pixels import Pixels

Floats = NDArray[np.float32]
Columns = tuple[NDArray[np.int64], NDArray[np.float64]]

# The filter is a Gaussian of sigma 1 on 5 x 5 pixels (FWHM 2.36); wider stars are found on a binned frame.
_TAP1, _TAP2 = np.float32(math.exp(-0.5)), np.float32(math.exp(-2.0))
_UNIT = np.float32(1.0 / math.sqrt(1.0 + 2.0 * math.exp(-1.0) + 2.0 * math.exp(-4.0)))
# A pixel that stands out this much (sigma) while its four neighbours carry on average less than this share of
# it is a hot pixel or a cosmic-ray hit: the sharpest star we accept, FWHM 1.6, leaves 0.2 to 0.35 there.
SPIKE_SIGMA = 6.0
SPIKE_SHARE = 0.18
# Rows kept while streaming: to judge one row of the filter five rows below and two above it are alive.
_RING = 8
# To judge a blob four rows on either side of it are alive.
_BLOB_RING = 16


@njit(cache=True, nogil=True)
def scan(
    image: Pixels, mesh: tuple[Floats, Floats], rows: tuple[int, int], settings: tuple[float, float]
) -> tuple[NDArray[np.float64], int]:
    """Find maxima in some rows: x, y, signal-to-noise; and count the spikes removed.

    The mesh holds the sky and one over its noise. Rows stream through three rings: in units of noise,
    filtered along the row, filtered along both axes.
    """
    threshold, share = settings
    values = np.zeros((_RING, image.shape[1]), dtype=np.float32)
    across, plane = np.zeros_like(values), np.zeros_like(values)
    columns, work = spans(mesh[0].shape[1], image.shape[1]), np.empty((2, mesh[0].shape[1]), dtype=np.float32)
    found, count, spikes = np.empty((256, 3), dtype=np.float64), 0, 0
    for y in range(rows[0] - 9, rows[1]):
        _fill_row(image, mesh, y + 4, columns, work, values[(y + 4) % _RING])
        if share > 0.0:
            removed = _despike_row(values[(y + 2) % _RING], values[(y + 3) % _RING], values[(y + 4) % _RING], share)
            spikes += removed if rows[0] <= y + 3 < rows[1] else 0
        _filter_row(values[(y + 3) % _RING], across[(y + 3) % _RING])
        _filter_column(across, y + 1, plane[(y + 1) % _RING])
        if y >= rows[0]:
            found, count = _maxima(plane, y, threshold, found, count)
    return found[:count], spikes


@njit(cache=True, nogil=True)
def bin_rows(image: Pixels, mesh: tuple[Floats, Floats], rows: tuple[int, int, int], share: float, out: Floats) -> int:
    """Sum `scale` x `scale` sky-subtracted pixels in units of the noise of the sum; rows = first, last, scale."""
    first, last, scale = rows
    values = np.zeros((3, image.shape[1]), dtype=np.float32)
    columns, work = spans(mesh[0].shape[1], image.shape[1]), np.empty((2, mesh[0].shape[1]), dtype=np.float32)
    unit, spikes = np.float32(1.0 / scale), 0
    out[first:last] = np.float32(0.0)
    for y in range(first * scale - 2, last * scale):
        _fill_row(image, mesh, y + 1, columns, work, values[(y + 1) % 3])
        if share > 0.0:
            spikes += _despike_row(values[(y - 1) % 3], values[y % 3], values[(y + 1) % 3], share)
        if y >= first * scale:
            row, line = values[y % 3], out[y // scale]
            for j in range(out.shape[1]):
                total = np.float32(0.0)
                for value in row[j * scale : (j + 1) * scale]:
                    total += value
                line[j] += unit * total
    return spikes


@njit(cache=True, nogil=True)
def halve(image: Floats) -> Floats:
    """Sum 2 x 2 pixels in units of the noise of the sum."""
    ny, nx = image.shape[0] // 2, image.shape[1] // 2
    out = np.empty((ny, nx), dtype=np.float32)
    for y in range(ny):
        low, high = image[2 * y], image[2 * y + 1]
        for x in range(nx):
            out[y, x] = np.float32(0.5) * (low[2 * x] + low[2 * x + 1] + high[2 * x] + high[2 * x + 1])
    return out


@njit(cache=True, nogil=True)
def blobs(image: Floats, threshold: float) -> NDArray[np.float64]:
    """Find maxima of the filter and their contrast to a ring four pixels away: x, y, contrast."""
    ny, nx = image.shape
    across = np.zeros((_BLOB_RING, nx), dtype=np.float32)
    plane, row = np.zeros_like(across), np.empty((256, 3), dtype=np.float64)
    kept, count = np.empty((256, 3), dtype=np.float64), 0
    for last in range(ny):
        _filter_row(image[last], across[last % _BLOB_RING])
        y = last - 2
        if y >= 2:
            rows = across[(y - 2) % _BLOB_RING], across[(y - 1) % _BLOB_RING], across[y % _BLOB_RING]
            _taps(*rows, across[(y + 1) % _BLOB_RING], across[last % _BLOB_RING], plane[y % _BLOB_RING])
        y = last - 6
        if y >= 6:
            above, below = plane[(y - 1) % _BLOB_RING], plane[(y + 1) % _BLOB_RING]
            row, found = _row_maxima(above, plane[y % _BLOB_RING], below, y, threshold, row, 0)
            if count + found > kept.shape[0]:
                kept = _grown(kept, count + found)
            for k in range(found):
                x = int(row[k, 0])
                if 6 <= x < nx - 6:
                    contrast = np.float32(row[k, 2]) - _ring_around(plane, x, y)
                    kept[count, 0], kept[count, 1], kept[count, 2] = x, y, contrast
                    count += int(contrast > threshold)
    return kept[:count]


@njit(cache=True, nogil=True)
def _ring_around(plane: Floats, x: int, y: int) -> np.float32:
    """Mean of eight pixels four away."""
    up, down = plane[(y - 4) % _BLOB_RING], plane[(y + 4) % _BLOB_RING]
    ring = up[x] + down[x] + plane[y % _BLOB_RING, x - 4] + plane[y % _BLOB_RING, x + 4]
    up, down = plane[(y - 3) % _BLOB_RING], plane[(y + 3) % _BLOB_RING]
    ring += up[x - 3] + down[x - 3] + up[x + 3] + down[x + 3]
    return np.float32(np.float32(0.125) * ring)


@njit(cache=True, nogil=True)
def apart(blobs: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Choose the first blobs (x, y, contrast, scale) that are three times their scales away from all chosen before."""
    chosen, count = np.empty(most, dtype=np.int64), 0
    for k in range(blobs.shape[0]):
        free = True
        for i in chosen[:count]:
            away = math.hypot(blobs[k, 0] - blobs[i, 0], blobs[k, 1] - blobs[i, 1])
            free = free and away > 3.0 * (blobs[k, 3] + blobs[i, 3])
        if free:
            chosen[count] = k
            count += 1
            if count == most:
                break
    return chosen[:count]


@njit(cache=True, nogil=True)
def _fill_row(  # noqa: PLR0917 - what belongs to a mesh is worked out once
    image: Pixels, mesh: tuple[Floats, Floats], y: int, columns: Columns, work: Floats, out: Floats
) -> None:
    """Write one row of (value - sky) / noise; zero outside the image and where a pixel is not finite."""
    ny, nx = image.shape
    if y < 0 or y >= ny:
        out[:] = np.float32(0.0)
        return
    mesh_row(mesh[0], ny, float(y), work[0])
    mesh_row(mesh[1], ny, float(y), work[1])
    starts, offsets = columns
    for j in range(offsets.size):
        sky, sky_slope = line(work[0], nx, j, offsets[j])
        weight, weight_slope = line(work[1], nx, j, offsets[j])
        part, row = image[y, starts[j] : starts[j + 1]], out[starts[j] : starts[j + 1]]
        for x in range(part.size):
            value = (np.float32(part[x]) - (sky + sky_slope * np.float32(x))) * (weight + weight_slope * np.float32(x))
            row[x] = value if value - value == np.float32(0.0) else np.float32(0.0)


@njit(cache=True, nogil=True)
def _despike_row(above: Floats, row: Floats, below: Floats, share: float) -> int:
    """Replace single pixels that stand out of their neighbours by the mean of those; both ends are left."""
    removed, most, high = 0, np.float32(4.0 * share), np.empty(row.size, dtype=np.uint8)
    for x in range(row.size):
        high[x] = row[x] > np.float32(SPIKE_SIGMA)
    for x in _marked(high):
        if 0 < x < row.size - 1:
            around = above[x] + below[x] + row[x - 1] + row[x + 1]
            if around < most * row[x]:
                row[x] = np.float32(0.25) * max(around, np.float32(0.0))
                removed += 1
    return removed


@njit(cache=True, nogil=True)
def _marked(marks: NDArray[np.uint8]) -> NDArray[np.int32]:
    """List the places of marks; most words of eight are empty."""
    places, count, whole = np.empty(marks.size, dtype=np.int32), 0, marks.size // 8
    words = marks[: 8 * whole].view(np.uint64)
    for k in range(whole):
        if words[k] != 0:
            for x in range(8 * k, 8 * k + 8):
                places[count] = x
                count += marks[x]
    for x in range(8 * whole, marks.size):
        places[count] = x
        count += marks[x]
    return places[:count]


@njit(cache=True, nogil=True)
def _filter_row(row: Floats, out: Floats) -> None:
    """Apply the filter along a row; the two outer pixels are left."""
    n = row.size - 4
    if n > 0:
        # Slices instead of shifted indices let the compiler use vector instructions: 13 times faster.
        _taps(row[:n], row[1 : n + 1], row[2 : n + 2], row[3 : n + 3], row[4 : n + 4], out[2 : n + 2])


@njit(cache=True, nogil=True)
def _filter_column(across: Floats, y: int, out: Floats) -> None:
    """Apply the filter along columns to the rows of a ring around row `y`."""
    a, b, c = across[(y - 2) % _RING], across[(y - 1) % _RING], across[y % _RING]
    _taps(a, b, c, across[(y + 1) % _RING], across[(y + 2) % _RING], out)


@njit(cache=True, nogil=True)
def _taps(a: Floats, b: Floats, c: Floats, d: Floats, e: Floats, out: Floats) -> None:  # noqa: PLR0917 - five taps
    for x in range(out.size):
        out[x] = _UNIT * (c[x] + _TAP1 * (b[x] + d[x]) + _TAP2 * (a[x] + e[x]))


@njit(cache=True, nogil=True)
def _maxima(
    plane: Floats, y: int, threshold: float, found: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], int]:
    """Append the maxima of row `y` of a ring."""
    above, row, below = plane[(y - 1) % _RING], plane[y % _RING], plane[(y + 1) % _RING]
    return _row_maxima(above, row, below, y, threshold, found, count)


@njit(cache=True, nogil=True)
def _row_maxima(  # noqa: PLR0917 - three rows and what is found in them
    above: Floats, row: Floats, below: Floats, y: int, threshold: float, found: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], int]:
    """Append pixels above the threshold that are the largest of their 3 x 3."""
    n, limit = row.size - 2, np.float32(threshold)
    if n <= 0:
        return found, count
    high = np.empty(row.size, dtype=np.uint8)
    high[:2], high[-2:] = 0, 0
    _mark_peaks((above[:n], above[1:-1], above[2:]), (row[:n], row[1:-1], row[2:]), below, limit, high[1:-1])
    high[1], high[n] = 0, 0
    columns = _marked(high)
    if count + columns.size > found.shape[0]:
        found = _grown(found, count + columns.size)
    for x in columns:
        found[count, 0], found[count, 1], found[count, 2] = x, y, row[x]
        count += 1
    return found, count


@njit(cache=True, nogil=True)
def _mark_peaks(
    above: tuple[Floats, Floats, Floats],
    row: tuple[Floats, Floats, Floats],
    below: Floats,
    limit: np.float32,
    high: NDArray[np.uint8],
) -> None:
    """Mark what is above the limit and the largest of its 3 x 3; of equal pixels the first one is the largest."""
    a, b, c = above
    left, middle, right = row
    d, e, f = below[: middle.size], below[1 : middle.size + 1], below[2 : middle.size + 2]
    for x in range(middle.size):
        value = middle[x]
        before = (value > limit) & (value > left[x]) & (value > a[x]) & (value > b[x]) & (value > c[x])
        high[x] = before & (value >= right[x]) & (value >= d[x]) & (value >= e[x]) & (value >= f[x])


@njit(cache=True, nogil=True)
def _grown(table: NDArray[np.float64], least: int) -> NDArray[np.float64]:
    larger = np.empty((max(2 * table.shape[0], least), table.shape[1]), dtype=np.float64)
    larger[: table.shape[0]] = table
    return larger

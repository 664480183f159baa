"""Sky level and noise on a mesh, robust against stars."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.compiling import njit
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.mesh import fill, median3
from pictor.imaging.pixels import Pixels, as_pixels, quantum, run_in_threads

# A mesh cell needs this share of usable samples to speak for itself.
_MIN_SHARE = 0.1
_BINS = 160
# Every fourth pixel of each row is enough: 1024 samples give the median of a 64-pixel cell to 0.04 sigma.
_STEP = 4
_CLIP_SIGMA = 3.0
_ROUNDS = 8
# Cells further than this from the median of their neighbours, in robust sigmas of that difference, are replaced.
_OUTLIER_SIGMA = 3.0


@dataclass(frozen=True, slots=True)
class Background:
    """Sky level and noise of one image.

    Parameters
    ----------
    levels, noises
        Mesh of sky level and noise (standard deviation per pixel), shape (my, mx), in ADU; the cells
        divide the image evenly. NaN everywhere when the image has no usable pixel.
    shape
        Shape (ny, nx) of the image.
    """

    levels: NDArray[np.float32]
    noises: NDArray[np.float32]
    shape: tuple[int, int]

    @property
    def level(self) -> float | None:
        """Median sky level in ADU; None without a usable pixel."""
        return _finite_median(self.levels)

    @property
    def noise(self) -> float | None:
        """Median noise in ADU per pixel; None without a usable pixel."""
        return _finite_median(self.noises)

    def evaluate(self) -> NDArray[np.float32]:
        """Interpolate the sky level at every pixel, shape (ny, nx), in ADU."""
        sky = np.empty(self.shape, dtype=np.float32)
        fill(self.levels, sky)
        return sky

    def plane(self) -> tuple[float, float] | None:
        """Fit a plane through the mesh: its rise across the frame in ADU, and its direction.

        Returns
        -------
        tuple
            Peak-to-peak of the plane over the frame in ADU, and the direction of the rise in degrees
            from +x towards +y; None when the mesh is too small (fewer than 2 x 2 cells) or empty.
        """
        my, mx = self.levels.shape
        if my < 2 or mx < 2 or self.level is None:
            return None
        y, x = np.indices((my, mx), dtype=np.float64)
        u, v = (x.ravel() + 0.5) / mx - 0.5, (y.ravel() + 0.5) / my - 0.5
        design = np.column_stack([np.ones_like(u), u, v])
        _, rise_x, rise_y = np.linalg.lstsq(design, self.levels.ravel().astype(np.float64), rcond=None)[0]
        ny, nx = self.shape
        return abs(rise_x) + abs(rise_y), math.degrees(math.atan2(rise_y / ny, rise_x / nx))


def mesh_background(image: NDArray[Any], *, mask: NDArray[Any] | None = None, cell: int = 64) -> Background:
    """Measure sky level and noise on a mesh of cells.

    In each cell the values are clipped at 3 sigma around the median, with the standard deviation taken
    from the lower side only, where no star light is; the level is the mode 2.5 median - 1.5 mean of
    what is left [1]_. Cells that disagree with the median of their 3 x 3 neighbours are replaced by it.
    We deviate from the source in the one-sided scale and in replacing outliers only.

    Parameters
    ----------
    image
        Shape (ny, nx), any real type, in ADU; NaN and infinities are ignored.
    mask
        Shape (ny, nx), non-zero where a pixel must not be used; None uses all.
    cell
        Wanted size of a cell, in pixels; smaller images become one cell.

    Returns
    -------
    Background
        The mesh and what follows from it.

    Raises
    ------
    FrameMismatchError
        If the image is not two-dimensional or the mask has another shape.

    References
    ----------
    .. [1] Bertin E., Arnouts S., 1996, A&AS 117, 393, section 3.
    """
    pixels = as_pixels(image)
    if mask is not None and mask.shape != pixels.shape:
        raise FrameMismatchError(f"mask {mask.shape} and image {pixels.shape} differ in shape")
    bad = np.zeros((0, 0), dtype=np.bool_) if mask is None else np.ascontiguousarray(mask != 0)
    ny, nx = pixels.shape
    my, mx = max(1, round(ny / cell)), max(1, round(nx / cell))
    levels = np.full((my, mx), np.nan, dtype=np.float32)
    noises = np.full((my, mx), np.nan, dtype=np.float32)
    step = quantum(pixels)
    bounds = sorted({0, my // 2, my})
    run_in_threads(lambda start, stop: _measure_cells(pixels, bad, step, (start, stop), (levels, noises)), bounds)
    return Background(_smooth(levels, _OUTLIER_SIGMA), _smooth(noises, 0.0), (ny, nx))


def warm() -> None:
    """Compile the kernels of this module."""
    for dtype in (np.uint16, np.float32):
        mesh_background(np.arange(64, dtype=dtype).reshape(8, 8)).evaluate()


def _finite_median(values: NDArray[np.float32]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None


def _smooth(mesh: NDArray[np.float32], outlier_sigma: float) -> NDArray[np.float32]:
    """Fill empty cells from their neighbours and replace outliers by the 3 x 3 median."""
    if not np.isfinite(mesh).any():
        return mesh
    full = mesh
    while np.isnan(full).any():
        full = np.where(np.isnan(full), median3(full), full)
    median = median3(full)
    difference = full - median
    tolerance = outlier_sigma * 1.4826 * float(np.median(np.abs(difference)))
    return np.where(np.abs(difference) > tolerance, median, full).astype(np.float32)


@njit(cache=True, nogil=True)
def _measure_cells(
    image: Pixels,
    bad: NDArray[np.bool_],
    step: float,
    rows: tuple[int, int],
    mesh: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    ny, nx = image.shape
    levels, noises = mesh
    my, mx = levels.shape
    samples = np.empty((mx, (ny // my + 2) * (nx // mx + 2)), dtype=np.float32)
    histogram, below = np.empty(_BINS, dtype=np.int32), np.empty(_BINS + 1, dtype=np.int32)
    counts, none = np.empty(mx, dtype=np.int64), np.empty(0, dtype=np.bool_)
    for i in range(rows[0], rows[1]):
        y0, y1 = i * ny // my, (i + 1) * ny // my
        counts[:] = 0
        for y in range(y0, y1):
            _collect(image[y], bad[y] if bad.size else none, (y, y1 - y0), samples, counts)
        for j in range(mx):
            wanted = (y1 - y0) * ((j + 1) * nx // mx - j * nx // mx) / _STEP
            if counts[j] >= max(4, _MIN_SHARE * wanted):
                levels[i, j], noises[i, j] = _mode(samples[j, : counts[j]], step, histogram, below)


@njit(cache=True, nogil=True)
def _collect(
    row: Pixels,
    bad: NDArray[np.bool_],
    place: tuple[int, int],
    samples: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    """Append the usable samples of one row to those of its cells; place: the row, and how many rows a cell has."""
    mx, nx = counts.size, row.size
    for j in range(mx):
        x0, x1 = j * nx // mx, (j + 1) * nx // mx
        step = _STEP if place[1] * (x1 - x0) > 1024 else 1
        start = x0 + (3 * place[0]) % step
        part, out, count = row[start:x1:step], samples[j], counts[j]
        for k in range(part.size):
            value = np.float32(part[k])
            if value - value == np.float32(0.0) and not (bad.size and bad[start + k * step]):
                out[count] = value
                count += 1
        counts[j] = count


@njit(cache=True, nogil=True)
def _mode(
    samples: NDArray[np.float32], step: float, histogram: NDArray[np.int32], below: NDArray[np.int32]
) -> tuple[float, float]:
    """Clipped mode and standard deviation of the samples; counts per bin and below each are written over."""
    middle, spread = _rough(samples)
    if spread <= 0.5 * step:
        spread = max(0.5 * step, _rough_mean_deviation(samples, middle))
    if spread <= 0.0:
        return middle, 0.0
    width = spread / 12.0
    origin = middle - width * (_BINS // 2)
    if step > 0.0:
        width = max(1.0, np.rint(width / step)) * step
        origin = (np.rint((middle - width * (_BINS // 2)) / step) - 0.5) * step
    histogram[:] = 0
    for k in range(samples.size):
        slot = (samples[k] - origin) / width
        if 0.0 <= slot < _BINS:
            histogram[int(slot)] += 1
    level, noise = _clipped(histogram, below)
    return origin + level * width, noise * width


@njit(cache=True, nogil=True)
def _rough(samples: NDArray[np.float32]) -> tuple[float, float]:
    """Median and standard deviation by quartiles of 64 samples spread over the cell."""
    n = min(samples.size, 64)
    few = np.empty(n, dtype=np.float32)
    for k in range(n):
        few[k] = samples[k * samples.size // n]
    ordered = _sorted(few)
    return ordered[n // 2], max(0.0, (ordered[(3 * n) // 4] - ordered[n // 4]) / 1.349)


@njit(cache=True, nogil=True)
def _sorted(few: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sort a few values by counting those before each: without branches, which sorting so few consists of."""
    ranks, out = np.zeros(few.size, dtype=np.int32), np.empty_like(few)
    for k in range(few.size):
        value, before, after = few[k], ranks[:k], ranks[k + 1 :]
        earlier, later = few[:k], few[k + 1 :]
        for i in range(before.size):
            before[i] += earlier[i] > value
        for i in range(after.size):
            after[i] += later[i] >= value
    for k in range(few.size):
        out[ranks[k]] = few[k]
    return out


@njit(cache=True, nogil=True)
def _rough_mean_deviation(samples: NDArray[np.float32], middle: float) -> float:
    """Mean absolute deviation of the smallest 90 % of deviations; zero for a constant cell."""
    deviations = np.abs(samples - np.float32(middle))
    deviations.sort()
    return float(np.mean(deviations[: max(1, (9 * deviations.size) // 10)]))


@njit(cache=True, nogil=True)
def _clipped(histogram: NDArray[np.int32], below: NDArray[np.int32]) -> tuple[float, float]:
    """Mode and noise in units of bins, measured from the lower edge of the first bin; `below` is one longer."""
    below[0] = 0
    for k in range(histogram.size):
        below[k + 1] = below[k] + histogram[k]
    first, last = 0.0, float(histogram.size)
    median, noise = 0.0, 0.0
    for _ in range(_ROUNDS):
        median = _quantile(histogram, below, (first, last), 0.5)
        noise = max(median - _quantile(histogram, below, (first, last), 0.158655), 0.29)
        low, high = max(0.0, median - _CLIP_SIGMA * noise), min(float(histogram.size), median + _CLIP_SIGMA * noise)
        if abs(low - first) < 0.5 and abs(high - last) < 0.5:
            break
        first, last = low, high
    total, weighted = 0.0, 0.0
    for k in range(int(first), min(histogram.size, math.ceil(last))):
        total += histogram[k]
        weighted += histogram[k] * (k + 0.5)
    mean = weighted / max(total, 1.0)
    if abs(mean - median) < 0.3 * noise:
        return 2.5 * median - 1.5 * mean, noise
    return median, noise


@njit(cache=True, nogil=True)
def _quantile(histogram: NDArray[np.int32], below: NDArray[np.int32], span: tuple[float, float], share: float) -> float:
    """Interpolate the value below which this share of the counts between two bins lies."""
    low, high = int(span[0]), min(histogram.size, math.ceil(span[1]))
    first = below[low]
    wanted = share * (below[high] - first)
    left, right = low, high
    while left < right:
        middle = (left + right) // 2
        if below[middle + 1] - first >= wanted:
            right = middle
        else:
            left = middle + 1
    while left < high and histogram[left] == 0:
        left += 1
    return float(left + (wanted - (below[left] - first)) / histogram[left]) if left < high else float(high)

"""Pixels of a dark that leave their surroundings, and columns and rows that leave their neighbours."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.badlines import in_steps, mark_lines, places_of
from pictor.imaging.calibration.badpixels import BAD, PIXEL_SIGMA
from pictor.imaging.combine.kernels import LANES, Comparators, Reals, sort_rows, sorting_network
from pictor.imaging.compiling import njit
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.frame import Frame
from pictor.imaging.mesh import interpolate_row, median3
from pictor.imaging.pixels import quantum, run_in_threads
from pictor.imaging.types import Image, Mask

CELL = 16
"""Size of the mesh that follows the glow of a dark, in pixels."""

CELL_SAMPLES = 16, 16
"""Rows and columns of a cell its median is taken of: it follows the glow to a tenth of the noise of a pixel."""

OUTLIER = 3.0
"""Cells farther than this from their neighbours, in robust deviations of that difference, are replaced by these."""

TAIL = (0.8944, 1.25), (0.99379, 2.5)
"""Quantiles of the normal distribution and how many standard deviations they are from the middle."""

SUBSAMPLE = 250_000
"""Pixels from whose rows the bounds are taken: the quantiles are known to 0.01 of the noise."""

FEW_PIXELS, FEW_VALUES = 4096, 64
"""So many pixels of so few values: noise of a step or two, in which steps must not be taken for structure."""


def find_bad_in_dark(
    dark: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    sigma: float = PIXEL_SIGMA,
) -> NDArray[np.bool_]:
    """Find pixels of a master dark far from their surroundings, and columns and rows that leave their neighbours.

    The slow course of the dark (amplifier glow), medians of cells of 16 pixels, is taken out. The threshold is
    ``sigma`` times 1.4826 times the median absolute deviation, on either side of the median; but dark current has a
    tail that is no defect, so that on the side where the quantiles of 1.25 and 2.5 standard deviations tell of one,
    their parabola is followed to ``sigma``. Of a column or row that leaves its neighbours, by the mean of its good
    pixels, the part that does is bad (`mark_lines`).

    Parameters
    ----------
    dark
        Master dark (or bias), shape (ny, nx), any unit: array, `Frame`, CCDData or NDData.
    sigma
        Threshold in standard deviations.

    Returns
    -------
    numpy.ndarray
        True where bad, masked or no number, shape (ny, nx).

    Raises
    ------
    FrameMismatchError
        If it has not two axes.
    """
    frame = Frame.from_nddata(dark)
    _require_plane(frame.data)
    values = frame.real()
    if frame.mask is not None:
        values[frame.mask != 0] = np.nan
    bad = np.zeros((values.shape[0], values.shape[1]), np.uint8)
    _mark(in_steps(values), bad, sigma)
    return bad.view(np.bool_)


def bad_pixel_map(dark: Image, *, listed: Mask | None = None) -> Mask:
    """Make the bad-pixel map of a master dark: what `find_bad_in_dark` finds, and what a person listed.

    Parameters
    ----------
    dark
        Master dark, shape (ny, nx), in ADU.
    listed
        Map of the listed pixels, shape (ny, nx), not 0 where bad; None without a list.

    Returns
    -------
    numpy.ndarray
        1 where bad, shape (ny, nx), uint8.

    Raises
    ------
    FrameMismatchError
        If the dark has not two axes or the list another shape.
    """
    _require_plane(dark)
    if listed is not None and listed.shape != dark.shape:
        raise FrameMismatchError(f"the list has shape {listed.shape}, the dark {dark.shape}")
    bad = np.zeros((dark.shape[0], dark.shape[1]), np.uint8)
    mark_bad_pixels(dark, bad, listed=listed)
    return bad


def mark_bad_pixels(dark: Image, mask: Mask, *, listed: Mask | None = None) -> None:
    """Mark in a mask, in place and row by row, what `bad_pixel_map` finds."""
    some = dark.ravel()[:: max(1, dark.size // FEW_PIXELS)]
    _mark(in_steps(dark) if np.unique(some).size < FEW_VALUES else dark, mask, PIXEL_SIGMA)
    if listed is not None:
        mask[listed != 0] |= BAD


def _require_plane(dark: NDArray[np.number]) -> None:
    if dark.ndim != 2:
        raise FrameMismatchError(f"a frame of two axes is needed; this one has shape {dark.shape}")


def _mark(dark: Image, mask: Mask, sigma: float) -> None:
    """Mark pixels and lines."""
    values = np.ascontiguousarray(dark, np.float32)
    some = values.ravel()[:: max(1, values.size // FEW_PIXELS)]
    some = some[np.isfinite(some)] if np.isfinite(some).any() else values[np.isfinite(values)]
    if some.size == 0:
        mask |= BAD
        return
    mesh, step = _course(values, float(np.median(some))), quantum(values)
    every = max(1, values.size // SUBSAMPLE)
    some = np.empty((-(-len(values) // every), values.shape[1]), np.float32)
    _level_rows(values, mesh, every, some)
    marked = _bounds(some, sigma, step)
    added = marked if sigma <= PIXEL_SIGMA else _bounds(some, PIXEL_SIGMA, step)
    bounds = np.array([*marked, *added], np.float32)
    lines = places_of(*_mark_pixels(values, mesh, step, bounds, mask))
    if lines.columns or lines.rows:
        mask[mark_lines(values, lines)] |= BAD


def _mark_pixels(
    values: Reals, mesh: Reals, step: float, bounds: Reals, mask: Mask
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mark what is outside the bounds; return the means of columns and rows inside those for lines."""
    ny, nx = values.shape
    edges = sorted({0, ny // 2, ny})
    columns, rows = np.zeros((len(edges) - 1, 2, nx)), np.zeros((2, ny))
    run_in_threads(
        lambda first, last: _mark_rows(
            values, mesh, step, bounds, (first, last), mask, columns[edges.index(first)], rows
        ),
        edges,
    )
    return _means(columns.sum(axis=0), ny), _means(rows, nx)


def _means(sums: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Divide sums by numbers; of a line without many good pixels its neighbours tell."""
    known = sums[1] > length / 2
    if not known.any():
        return np.zeros(known.size)
    means: NDArray[np.float64] = sums[0] / np.maximum(sums[1], 1)
    means[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), means[known])
    return means


def _course(values: Reals, missing: float) -> Reals:
    """Follow what changes slowly: medians of cells; those beside their neighbours are replaced by these."""
    ny, nx = values.shape
    mesh = np.empty((max(1, round(ny / CELL)), max(1, round(nx / CELL))), np.float32)
    pairs, blocks = _network(), -(-mesh.size // LANES)
    run_in_threads(
        lambda first, last: _cell_medians(values, mesh, CELL_SAMPLES, missing, pairs, (first, last)),
        sorted({0, blocks // 2 * LANES, mesh.size}),
    )
    middle = median3(mesh)
    off = mesh - middle
    limit = OUTLIER * 1.4826 * float(np.median(np.abs(off)))
    return np.where(np.abs(off) > limit, middle, mesh).astype(np.float32)


def _bounds(level: Reals, sigma: float, step: float) -> tuple[float, float]:
    """Return the least and the largest value of a good pixel."""
    some = np.sort(level[np.isfinite(level)])
    centre = float(_at(some, 0.5))
    some -= np.float32(centre)
    width = max(1.4826 * float(np.median(np.abs(some))), step / 2)
    near = some[np.abs(some) <= 2 * PIXEL_SIGMA * width]
    low, high = max(_reach(-near[::-1], sigma), sigma * width), max(_reach(near, sigma), sigma * width)
    return centre - low, centre + high


def _reach(values: Reals, sigma: float) -> float:
    """Follow the upper tail of sorted values to a threshold: a parabola in deviations through two quantiles."""
    first, second = (_at(values, share) / z for share, z in TAIL)
    bend = max((second - first) / (TAIL[1][1] - TAIL[0][1]), 0.0)
    return sigma * first + bend * (sigma**2 - sigma * TAIL[0][1])


def _at(values: Reals, share: float) -> float:
    """Return a quantile of sorted values."""
    place = share * (values.size - 1)
    below = int(place)
    low, high = float(values[below]), float(values[min(below + 1, values.size - 1)])
    return low + (place - below) * (high - low)


@lru_cache(maxsize=1)
def _network() -> Comparators:
    return sorting_network(CELL_SAMPLES[0] * CELL_SAMPLES[1])


@njit(cache=True, nogil=True)
def _cell_medians(  # noqa: PLR0917
    image: Reals, mesh: Reals, samples: tuple[int, int], missing: float, pairs: Comparators, cells: tuple[int, int]
) -> None:
    """Write the median of some pixels, rows and columns spread over each cell, into those cells of a mesh."""
    (ny, nx), (my, mx), count = image.shape, mesh.shape, samples[0] * samples[1]
    block = np.zeros((count, LANES), np.float32)
    for begin in range(cells[0], cells[1], LANES):
        end = min(begin + LANES, cells[1])
        for cell in range(begin, end):
            i, j, k = cell // mx, cell % mx, 0
            top, left = i * ny // my, j * nx // mx
            down, right = max(1, (ny // my) // samples[0]), max(1, (nx // mx) // samples[1])
            for a in range(samples[0]):
                row = image[min(top + a * down, ny - 1)]
                for b in range(samples[1]):
                    value = row[min(left + b * right, nx - 1)]
                    block[k, cell - begin] = value if np.isfinite(value) else np.float32(missing)
                    k += 1
        sort_rows(block, pairs)
        for cell in range(begin, end):
            lane = cell - begin
            mesh[cell // mx, cell % mx] = np.float32(0.5) * (block[(count - 1) // 2, lane] + block[count // 2, lane])


@njit(cache=True, nogil=True)
def _level_rows(image: Reals, mesh: Reals, every: int, out: Reals) -> None:
    """Take the course out of some rows."""
    for k in range(out.shape[0]):
        interpolate_row(mesh, image.shape, float(k * every), out[k])
        for x in range(out.shape[1]):
            out[k, x] = image[k * every, x] - out[k, x]


@njit(cache=True, nogil=True)
def _mark_rows(  # noqa: PLR0917
    image: Reals, mesh: Reals, step: float, bounds: Reals, rows: tuple[int, int], mask: Mask,
    columns: NDArray[np.float64], lines: NDArray[np.float64],
) -> None:  # fmt: skip
    """Mark what is outside the bounds; add up what is inside others, and how much that is, by column and by row.

    ``bounds`` are (least, largest) to mark and to add up; what is added up is above the course in whole steps, where
    values are kept in steps.
    """
    course = np.empty(image.shape[1], np.float32)
    low, high, least, most = bounds[0], bounds[1], bounds[2], bounds[3]
    whole, sums, counts = np.float32(step), columns[0], columns[1]
    for y in range(rows[0], rows[1]):
        interpolate_row(mesh, image.shape, float(y), course)
        row, marked, total, number = image[y], mask[y], 0.0, 0.0
        for x in range(course.shape[0]):
            level = row[x] - course[x]
            good = (level >= low) & (level <= high)
            marked[x] |= np.uint8(0) if good else np.uint8(1)
            above = row[x] - whole * np.rint(course[x] / whole) if step > 0 else level
            inside = (level >= least) & (level <= most)
            kept, one = np.float64(above) if inside else 0.0, 1.0 if inside else 0.0
            sums[x] += kept
            counts[x] += one
            total += kept
            number += one
        lines[0, y], lines[1, y] = total, number


def warm() -> None:
    """Compile the kernels."""
    bad_pixel_map(np.zeros((32, 32), np.float32))

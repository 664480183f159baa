"""Columns and rows that leave their neighbours, in any frame: a dark, a flat, or a light with stars and a sky."""

import itertools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import mesh_background
from pictor.imaging.calibration.badpixels import LINE_SIGMA, LINE_WINDOW, SUBSAMPLE, line_deviations, line_medians
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.frame import Frame
from pictor.imaging.pixels import quantum

CELL = 32
"""Size of the mesh that follows the sky, in pixels."""

SMOOTH = 51
"""Lines over which the sky is followed; wider than any group of bad lines."""

REPEATED = 100
"""Values that occur this often on average are kept in steps."""

REACH, BLOCK, BLOCK_SIGMA = 5, 32, 4.0
"""Neighbours on either side, pixels of a block, and what makes a block stand out."""


@dataclass(frozen=True, slots=True)
class BadLines:
    """Columns and rows, from 0, ascending, with how many standard deviations each leaves its neighbours by."""

    columns: tuple[int, ...]
    rows: tuple[int, ...]
    column_sigmas: tuple[float, ...]
    row_sigmas: tuple[float, ...]


def find_lines(
    frame: Any,  # noqa: ANN401 - whatever Frame.from_nddata takes
    *,
    sigma: float = LINE_SIGMA,
    window: int = LINE_WINDOW,
    bayer: bool = False,
) -> BadLines:
    """Find columns and rows whose median leaves that of their neighbours.

    A sky gradient or vignetting is no deviation: the sky, a mesh of 32 pixels, is taken out, and of the medians of the
    lines, which do not see stars, hits and hot pixels, their running median over 51. What is left of a line is compared
    with the lines on either side of it within the window: with the mean of those within three robust standard
    deviations, and with the larger of their standard deviation and that of all lines.

    Parameters
    ----------
    frame
        Shape (ny, nx), any unit: array, `Frame`, CCDData or NDData. Pixels that are masked or no numbers do not count.
    sigma
        Threshold in standard deviations.
    window
        Lines looked at together, the one in question among them; odd.
    bayer
        Whether light fell through a Bayer pattern: then each colour is looked at by itself.

    Returns
    -------
    BadLines
        None at all where the frame has no more lines than the window.

    Raises
    ------
    FrameMismatchError
        If the frame has not two axes.
    ValueError
        If the window is even or below 3.

    Examples
    --------
    >>> import numpy as np
    >>> frame = np.random.default_rng(1).normal(100, 5, (200, 300))
    >>> frame[:, 120] += 8
    >>> find_lines(frame).columns
    (120,)
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"a window is odd and at least 3, not {window}")
    taken = Frame.from_nddata(frame)
    if taken.data.ndim != 2:
        raise FrameMismatchError(f"a frame of two axes is needed; this one has shape {taken.data.shape}")
    values = taken.real()
    if taken.mask is not None:
        values[taken.mask != 0] = np.nan
    values = in_steps(values)
    deviations = np.zeros(values.shape[1]), np.zeros(values.shape[0])
    for y, x, step in [(y, x, 2) for y in (0, 1) for x in (0, 1)] if bayer else [(0, 0, 1)]:
        level = _levelled(np.ascontiguousarray(values[y::step, x::step]))
        for axis, first in ((0, x), (1, y)):
            seen, found = deviations[axis][first::step], _deviations(level, axis, window)
            seen[:] = np.where(np.abs(found) > np.abs(seen), found, seen)
    return _beyond(deviations, sigma)


def places_of(columns: NDArray[np.float64], rows: NDArray[np.float64], *, sigma: float = LINE_SIGMA) -> BadLines:
    """Find the lines whose value leaves that of their neighbours, as `find_lines` does with medians.

    Parameters
    ----------
    columns, rows
        One value per column, shape (nx,), and per row, shape (ny,).
    sigma
        Threshold in standard deviations.
    """
    return _beyond((_alone(columns, LINE_WINDOW), _alone(rows, LINE_WINDOW)), sigma)


def _beyond(deviations: tuple[NDArray[np.float64], NDArray[np.float64]], sigma: float) -> BadLines:
    places = [np.flatnonzero(np.abs(found) > sigma) for found in deviations]
    columns, rows = (tuple(at.tolist()) for at in places)
    sigmas = [tuple(np.round(found[at], 2).tolist()) for found, at in zip(deviations, places, strict=True)]
    return BadLines(columns, rows, *sigmas)


def in_steps(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Count values that are kept in steps, whole ADU or a multiple of such, by their steps; leave others as they are.

    Parameters
    ----------
    values
        Shape (ny, nx), any unit.
    """
    some = values.ravel()[:: max(1, values.size // SUBSAMPLE)]
    found = np.unique(some[np.isfinite(some)].astype(np.float64))
    if not 1 < found.size < some.size / REPEATED:
        return values
    counted: NDArray[np.floating] = np.rint((values - found[0]) / np.diff(found).min()).astype(values.dtype)
    return counted


def _levelled(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Take the sky out, in whole steps where values are kept in steps."""
    sky = mesh_background(values, cell=CELL)
    if sky.level is None:
        return values
    step = quantum(np.ascontiguousarray(values, np.float32))
    course = sky.evaluate()
    values -= step * np.rint(course / step) if step else course
    return values


def _deviations(values: NDArray[np.floating], axis: int, window: int) -> NDArray[np.float64]:
    """Return by how many standard deviations every line leaves its neighbours; 0 where there are too few."""
    return _alone(_between_steps(values, line_medians(values, axis), axis), window)


def _alone(lines: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    if lines.size <= window:
        return np.zeros(lines.shape)
    width = min(SMOOTH, (lines.size - 1) // 2 * 2 + 1)
    near = np.lib.stride_tricks.sliding_window_view(np.pad(lines, width // 2, mode="edge"), width)
    return line_deviations(lines - np.median(near, axis=1), window=window)


def mark_lines(values: NDArray[np.floating], lines: BadLines) -> NDArray[np.bool_]:
    """Mark the part of each line that leaves its neighbours; the whole line where no part stands out by itself.

    A line is cut into blocks of at least 32 pixels. A block leaves its neighbours when the median of its differences
    from the median of the five lines on either side is beyond four standard deviations of such medians; everything
    from the first such block to the last is marked.

    Parameters
    ----------
    values
        Shape (ny, nx), NaN where a pixel does not count.
    lines
        What was found in it.

    Returns
    -------
    numpy.ndarray
        True where bad, shape (ny, nx).
    """
    bad = np.zeros(values.shape, np.bool_)
    for places, image, marked in ((lines.columns, values.T, bad.T), (lines.rows, values, bad)):
        for place in places:
            marked[place, _part(image, place, set(places))] = True
    return bad


def _part(lines: NDArray[np.floating], place: int, known: set[int]) -> slice:
    """Find the part of one line that stands out."""
    near = [i for i in range(place - REACH, place + REACH + 1) if 0 <= i < len(lines) and i not in known]
    if not near:
        return slice(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        difference = lines[place] - np.nanmedian(lines[near], axis=0)
        edges = np.linspace(0, difference.size, max(1, difference.size // BLOCK) + 1).astype(int)
        blocks = [difference[a:b] for a, b in itertools.pairwise(edges)]
        middles = np.array([np.nanmedian(block) for block in blocks])
        inside = np.concatenate([block - middle for block, middle in zip(blocks, middles, strict=True)])
        width = 1.4826 * np.nanmedian(np.abs(inside)) * np.sqrt(np.pi / 2 * len(blocks) / difference.size)
    found = np.flatnonzero(np.abs(middles) > BLOCK_SIGMA * width)
    return slice(int(edges[found[0]]), int(edges[found[-1] + 1])) if found.size else slice(None)


def _between_steps(values: NDArray[np.floating], lines: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Refine medians of values kept in whole steps: equal values are taken as spread evenly over their step."""
    step = quantum(np.ascontiguousarray(values, np.float32))
    if step == 0:
        return lines
    middle = np.expand_dims(lines, axis)
    below = np.count_nonzero(values < middle - step / 4, axis=axis)
    equal = np.count_nonzero(np.abs(values - middle) <= step / 4, axis=axis)
    total = np.count_nonzero(np.isfinite(values), axis=axis)
    shift = np.divide(total / 2 - below, equal, out=np.full(lines.shape, 0.5), where=equal > 0) - 0.5
    refined: NDArray[np.float64] = lines + step * shift
    return refined

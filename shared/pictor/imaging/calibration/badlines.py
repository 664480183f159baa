"""Columns and rows that leave their neighbours, in any frame: a dark, a flat, or a light with stars and a sky."""

import itertools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from pictor.imaging.calibration.badpixels import LINE_SIGMA, LINE_WINDOW, line_deviations, line_medians
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.frame import Frame
from pictor.imaging.pixels import quantum

SMOOTH = 51
"""Lines over which the sky is followed; wider than any group of bad lines."""

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

    The median of a line does not see stars, hits and hot pixels; its slow course along the frame, a running median over
    51 lines, is taken out, so that a sky gradient or vignetting is no deviation. What is left of a line is compared
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
        Whether light fell through a Bayer pattern: then every line is compared with those of the same two colours.

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
    step = 2 if bayer else 1
    columns, rows = (_deviations(values, axis, window, step) for axis in (0, 1))
    found = [np.flatnonzero(np.abs(deviations) > sigma) for deviations in (columns, rows)]
    sigmas = (tuple(np.round(line[at], 2).tolist()) for line, at in zip((columns, rows), found, strict=True))
    return BadLines(*(tuple(at.tolist()) for at in found), *sigmas)


def _deviations(values: NDArray[np.floating], axis: int, window: int, step: int) -> NDArray[np.float64]:
    """Return by how many standard deviations every line leaves its neighbours; 0 where there are too few."""
    lines = _between_steps(values, line_medians(values, axis), axis)
    deviations = np.zeros(lines.shape)
    for first in range(step):
        some = lines[first::step]
        if some.size > window:
            some = some - median_filter(some, min(SMOOTH, some.size // 2 * 2 - 1), mode="nearest")
            deviations[first::step] = line_deviations(some, window=window)
    return deviations


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

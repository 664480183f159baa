"""Columns and rows that leave their neighbours, in any frame: a dark, a flat, or a light with stars and a sky."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from pictor.imaging.calibration.badpixels import LINE_SIGMA, LINE_WINDOW, line_deviations
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.frame import Frame
from pictor.imaging.pixels import quantum

SMOOTH = 51
"""Lines over which the sky is followed; wider than any group of bad lines."""


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
    columns, column_sigmas = _found(values, 0, sigma, window)
    rows, row_sigmas = _found(values, 1, sigma, window)
    return BadLines(columns, rows, column_sigmas, row_sigmas)


def _found(
    values: NDArray[np.floating], axis: int, sigma: float, window: int
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    lines = line_medians(values, axis)
    if lines.size <= window:
        return (), ()
    lines -= median_filter(lines, min(SMOOTH, lines.size // 2 * 2 - 1), mode="nearest")
    found = line_deviations(lines, window=window)
    places = np.flatnonzero(np.abs(found) > sigma)
    return tuple(int(place) for place in places), tuple(round(float(found[place]), 2) for place in places)


def line_medians(values: NDArray[np.floating], axis: int) -> NDArray[np.float64]:
    """Return the median of the numbers of every line; a line without any has that of its neighbours."""
    good = np.isfinite(values)
    if good.all():
        return _between_steps(values, np.median(values, axis=axis).astype(np.float64), axis)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        lines = np.nanmedian(np.where(good, values, np.nan), axis=axis).astype(np.float64)
    known = np.isfinite(lines)
    if known.any():
        lines[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), lines[known])
    else:
        lines[:] = 0.0
    return _between_steps(values, lines, axis)


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

"""Which pixels not to trust: found in a dark, or listed by a person."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.badlist import parse_bad_pixels
from pictor.imaging.calibration.planes import row_chunks
from pictor.imaging.combine.noise import QUANTISATION_VARIANCE
from pictor.imaging.combine.sampling import clipped_moments
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.types import Image, Mask

BAD = np.uint8(1)
PIXEL_SIGMA = 4.0
LINE_SIGMA = 5.0
LINE_WINDOW = 11
SUBSAMPLE = 1_000_000
LINE_SAMPLES = 512
"""Pixels per column or row that its median is taken of: enough for 6 % of a pixel's noise."""


def find_bad_pixels(dark: Image, *, sigma: float = PIXEL_SIGMA) -> NDArray[np.bool_]:
    """Find pixels of a master dark far from its median.

    The width is 1.4826 times the median absolute deviation, from a subsample of a million pixels; where whole ADU make
    that zero, the clipped standard deviation or the rounding, whichever is larger.

    Parameters
    ----------
    dark
        Master dark (or bias), shape (ny, nx), in ADU.
    sigma
        Threshold in robust standard deviations.

    Returns
    -------
    numpy.ndarray
        True where ``|value - median|`` exceeds the threshold or the value is not finite, shape (ny, nx).

    Raises
    ------
    FrameMismatchError
        If the dark has not two axes.
    """
    _require_plane(dark)
    centre, limit = pixel_limits(dark, sigma=sigma)
    bad = np.empty(dark.shape, np.bool_)
    for rows in row_chunks((dark.shape[0], dark.shape[1])):
        bad[rows] = ~(np.abs(dark[rows] - centre) <= limit)
    return bad


def _require_plane(dark: Image) -> None:
    if dark.ndim != 2:
        raise FrameMismatchError(f"a dark has two axes; this one has shape {dark.shape}")


def pixel_limits(dark: Image, *, sigma: float = PIXEL_SIGMA) -> tuple[float, float]:
    """Return the median of a master dark and how far from it a good pixel may be, in ADU."""
    some = dark.ravel()[:: max(1, dark.size // SUBSAMPLE)]
    some = some[np.isfinite(some)]
    if some.size == 0:
        return 0.0, -1.0
    centre = float(np.median(some))
    spread = 1.4826 * float(np.median(np.abs(some - np.float32(centre))))
    if spread == 0:
        spread = float(np.sqrt(max(clipped_moments(some, least=0.5)[1], QUANTISATION_VARIANCE)))
    return centre, sigma * spread


def find_bad_lines(dark: Image, *, axis: int, sigma: float = LINE_SIGMA) -> NDArray[np.int64]:
    """Find columns (``axis`` 0) or rows (``axis`` 1) whose median leaves that of their neighbours.

    Each line is compared with the five on either side; the width is the standard deviation of these, clipped once,
    but not below that of all lines about their neighbours, for ten values alone tell a width badly; where whole ADU
    make that zero, the clipped standard deviation or the rounding, whichever is larger.

    Parameters
    ----------
    dark
        Master dark (or bias), shape (ny, nx), in ADU.
    axis
        Axis along which medians are taken: 0 finds columns, 1 finds rows.
    sigma
        Threshold in standard deviations.

    Returns
    -------
    numpy.ndarray
        Numbers of the lines, from 0, ascending.

    Raises
    ------
    FrameMismatchError
        If the dark has not two axes.
    """
    _require_plane(dark)
    stride = max(1, dark.shape[axis] // LINE_SAMPLES)
    lines = line_medians(dark[::stride] if axis == 0 else dark[:, ::stride], axis)
    if lines.size <= LINE_WINDOW:
        return np.empty(0, np.int64)
    return np.flatnonzero(np.abs(line_deviations(lines, rounded=True)) > sigma)


def line_medians(values: NDArray[np.number], axis: int) -> NDArray[np.float64]:
    """Return the median of the numbers of every line; a line without any has that of its neighbours.

    Parameters
    ----------
    values
        Shape (ny, nx).
    axis
        Axis along which medians are taken: 0 for columns, 1 for rows.
    """
    lines: NDArray[np.float64] = np.median(values, axis=axis).astype(np.float64)
    if np.isfinite(lines).all():
        return lines
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        lines = np.nanmedian(np.where(np.isfinite(values), values, np.nan), axis=axis).astype(np.float64)
    known = np.isfinite(lines)
    if not known.any():
        return np.zeros(lines.shape)
    lines[~known] = np.interp(np.flatnonzero(~known), np.flatnonzero(known), lines[known])
    return lines


def line_deviations(
    lines: NDArray[np.float64], *, window: int = LINE_WINDOW, rounded: bool = False
) -> NDArray[np.float64]:
    """Return by how many standard deviations the value of each line leaves its neighbours.

    Parameters
    ----------
    lines
        One value per line, shape (n,), more than the window.
    window
        Lines looked at together, odd.
    rounded
        Whether the values are in ADU: then the width is not below the rounding where whole ADU make most lines equal.
    """
    half = window // 2
    padded = np.pad(lines, half, mode="reflect")
    windows = np.delete(np.lib.stride_tricks.sliding_window_view(padded, window), half, axis=1)
    middle = np.median(windows, axis=1)
    near = 1.4826 * np.median(np.abs(windows - middle[:, None]), axis=1)
    kept = np.where(np.abs(windows - middle[:, None]) <= 3 * near[:, None], windows, np.nan)
    residual = lines - np.nanmean(kept, axis=1)
    everywhere = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    if everywhere == 0 and rounded:
        everywhere = float(np.sqrt(max(clipped_moments(residual, least=0.5)[1], QUANTISATION_VARIANCE)))
    width = np.maximum(np.nanstd(kept, axis=1), everywhere)
    deviations: NDArray[np.float64] = residual / np.maximum(width, 1e-6)
    return deviations


def read_bad_pixel_list(text: str, shape: tuple[int, int]) -> Mask:
    """Read a person's list of bad pixels for frames of one shape; `parse_bad_pixels` tells the format.

    Parameters
    ----------
    text
        The list, YAML.
    shape
        Shape (ny, nx) of the frames it is for.

    Returns
    -------
    numpy.ndarray
        1 where listed, shape (ny, nx), uint8.

    Raises
    ------
    ImagingError
        If the text is not such a list or names pixels outside the frame.
    """
    found = parse_bad_pixels(text)
    found.check(shape)
    return found.draw(shape)


def read_bad_pixel_file(path: Path, shape: tuple[int, int]) -> Mask:
    """Read the list from a file."""
    return read_bad_pixel_list(path.read_text(encoding="utf-8"), shape)

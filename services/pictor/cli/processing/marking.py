"""Columns and rows of a frame that are worth mending; pure."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.badlines import REACH, BadLines, find_lines, mark_lines
from pictor.imaging.frame import NO_DATA, Frame
from pictor.imaging.types import Image

FEWEST = 2
"""A line of one light may be a trail or a bleeding star; in two it is the sensor's."""

SMALLEST = 64
"""A shorter side has too few lines to tell a bad one."""

LEAST = 0.5
"""A line that leaves its neighbours by less than this part of a pixel's noise is left alone."""

LEAST_OF_FLAT = 0.03
"""Of a flat, whose lines stand out much earlier: by this part of its level."""

RUN = 16
"""Marked pixels in a row that make a line of them."""

Marks = NDArray[np.bool_]


def lines_of(frame: Frame, *, bayer: bool, flat: bool = False) -> Marks:
    """Mark the lines of a frame that leave their neighbours; under a Bayer pattern each colour is looked at by itself.

    Parameters
    ----------
    frame
        Shape (ny, nx); pixels without data do not count.
    bayer
        Whether it lies under a Bayer pattern.
    flat
        Whether it is a flat.

    Returns
    -------
    numpy.ndarray
        True where bad, shape (ny, nx).
    """
    values: Image = frame.real()
    if frame.mask is not None:
        values[(frame.mask & NO_DATA) != 0] = np.nan
    bad = np.zeros(values.shape, np.bool_)
    for y, x, step in [(y, x, 2) for y in (0, 1) for x in (0, 1)] if bayer else [(0, 0, 1)]:
        part = np.ascontiguousarray(values[y::step, x::step])
        if min(part.shape) >= SMALLEST and np.isfinite(part).any():
            bad[y::step, x::step] = _marked(part, flat=flat)
    return bad


def _marked(part: Image, *, flat: bool) -> Marks:
    some = part[:: max(1, part.shape[0] // 512)]
    least = LEAST * 1.4826 / np.sqrt(2) * float(np.nanmedian(np.abs(np.diff(some, axis=1))))
    if flat:
        least = max(least, LEAST_OF_FLAT * abs(float(np.nanmedian(some))))
    found = find_lines(part)
    columns, rows = (tuple(_beyond(image, lines, least)) for image, lines in (
        (part.T, found.columns), (part, found.rows)))  # fmt: skip
    return mark_lines(part, BadLines(columns, rows, (), ()))


def _beyond(image: Image, lines: Sequence[int], least: float) -> Iterator[int]:
    """Keep the lines, rows of the image, whose marked part leaves its neighbours by so much."""
    for line in lines:
        first, last = max(0, line - REACH), line + REACH + 1
        mine = mark_lines(image[first:last], BadLines((), (line - first,), (), ()))[line - first]
        near = [place for place in range(first, min(last, len(image))) if place not in lines]
        if not near:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            apart = np.nanmedian(image[line, mine] - np.nanmedian(image[near][:, mine], axis=0))
        if abs(apart) >= least:
            yield line


def shared(marks: Sequence[Marks]) -> Marks | None:
    """Keep what half of the lights show, and two at least; None of fewer than two."""
    if len(marks) < FEWEST:
        return None
    counts = np.sum(marks, axis=0, dtype=np.uint16)
    return np.asarray(counts >= max(FEWEST, (len(marks) + 1) // 2))


def rows_of(marks: Marks) -> list[list[int]]:
    """List rows that are marked over 16 pixels on end or more: row, first and last pixel, counted from 1.

    Parameters
    ----------
    marks
        True where bad, shape (ny, nx); the transposed marks give the columns.
    """
    found = []
    for row in np.flatnonzero(np.count_nonzero(marks, axis=1) >= RUN).tolist():
        places = np.flatnonzero(marks[row])
        longest = max(np.split(places, np.flatnonzero(np.diff(places) > 1) + 1), key=len)
        if len(longest) >= RUN:
            found.append([row + 1, int(longest[0]) + 1, int(longest[-1]) + 1])
    return found

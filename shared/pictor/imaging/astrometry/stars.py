"""The stars of a frame and of a catalogue, and which of them a solver should see."""

from dataclasses import dataclass, replace

import numpy as np

from pictor.imaging.astrometry.projection import Floats

_CELLS = 4
"""Cells over the frame. Few cells keep the list as bright as the stars of an index; with a single one a
cluster could use it up."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldStars:
    """Stars measured on one frame, brightest first.

    ``x`` and ``y`` are FITS pixels (first pixel 1), ``flux`` is in any linear unit,
    ``clean`` is false for stars with a flag; ``width`` and ``height`` are of the frame.
    """

    x: Floats
    y: Floats
    flux: Floats
    clean: np.ndarray[tuple[int], np.dtype[np.bool_]]
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class SkyStars:
    """Catalogue stars, brightest first: ICRS degrees, and magnitudes (NaN where unknown)."""

    ra: Floats
    dec: Floats
    mag: Floats


def field_stars(x: Floats, y: Floats, flux: Floats, *, flags: Floats, width: int, height: int) -> FieldStars:
    """Put a star list in order, dropping what is not a finite position on the frame.

    Parameters
    ----------
    x, y
        FITS pixel positions (first pixel 1), shape (n,).
    flux
        Star flux, shape (n,), in any linear unit.
    flags
        Detection flags, shape (n,); 0 is a clean star.
    width, height
        Frame size, in pixels.

    Returns
    -------
    FieldStars
        The stars, brightest first.
    """
    x, y, flux = (np.asarray(column, dtype=np.float64) for column in (x, y, flux))
    inside = np.isfinite(x) & np.isfinite(y) & np.isfinite(flux) & (flux > 0)
    inside &= (x >= 0.5) & (x <= width + 0.5) & (y >= 0.5) & (y <= height + 0.5)
    order = np.flatnonzero(inside)[np.argsort(-flux[inside], kind="stable")]
    clean = np.asarray(flags)[order] == 0
    return FieldStars(x[order], y[order], flux[order], clean, width, height)


def every_source(stars: FieldStars) -> FieldStars:
    """Count flagged sources as clean stars too."""
    return replace(stars, clean=np.ones(len(stars.x), dtype=np.bool_))


def spread(stars: FieldStars, count: int, *, cells: int = _CELLS) -> Floats:
    """Pick clean stars spread over the frame, for a solver.

    The brightest star of every cell of a grid comes first, then the second of every
    cell, and so on: a cluster or a bright corner cannot use up the list, and a
    solver that works through the list in slices sees the whole frame in each.

    Parameters
    ----------
    stars
        The stars of the frame.
    count
        Stars wanted at most.
    cells
        Cells of the grid, about.

    Returns
    -------
    numpy.ndarray
        x, y and flux, shape (m, 3), m <= count.
    """
    clean = np.flatnonzero(stars.clean)
    columns = max(1, round(float(np.sqrt(cells * stars.width / max(1, stars.height)))))
    rows = max(1, round(cells / columns))
    column = np.clip((stars.x[clean] - 0.5) * columns / stars.width, 0, columns - 1).astype(int)
    row = np.clip((stars.y[clean] - 0.5) * rows / stars.height, 0, rows - 1).astype(int)
    picked = clean[np.argsort(_rank_in_cell(row * columns + column), kind="stable")[:count]]
    return np.column_stack([stars.x[picked], stars.y[picked], stars.flux[picked]])


def _rank_in_cell(cell: np.ndarray[tuple[int], np.dtype[np.int_]]) -> np.ndarray[tuple[int], np.dtype[np.int_]]:
    """Count, for each star in order of brightness, the brighter ones of its cell."""
    order = np.argsort(cell, kind="stable")
    ordered = cell[order]
    first = np.searchsorted(ordered, ordered, side="left")
    rank = np.empty(len(cell), dtype=np.int_)
    rank[order] = np.arange(len(cell)) - first
    return rank

"""Where the lights of one target lie: on one grid of the sky, or on a light by their stars; runs in a child."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.cli.processing.panels import LARGEST
from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.astrometry.projection import Wcs
from pictor.imaging.errors import ImagingError
from pictor.imaging.registration.stars import match_stars
from pictor.imaging.registration.transform import Transform, apply
from pictor.imaging.resampling.grid import Grid, grid_of
from pictor.imaging.stars.starlist import StarList


@dataclass(frozen=True, slots=True)
class _Light:
    """One light: its name, size, solution and stars."""

    label: str
    shape: tuple[int, int]
    wcs: Wcs | None
    stars: Path


def place(*, lights: Sequence[Mapping[str, Any]], scratch: str) -> dict[str, object]:
    """Find one grid for all lights of a target.

    Where all are solved it is a grid of the sky with the direction and scale of the first. Else every light is laid
    onto the one with most stars, a solved one before others, by the stars both show, on a grid that holds them all;
    one that shows other stars is left out.

    Parameters
    ----------
    lights
        Of each its ``label``, ``path``, ``stars`` (path of its list) and whether it is ``solved``.
    scratch
        Not used.

    Returns
    -------
    dict
        ``grid`` (None when laid by stars), ``matrices`` by label, ``reference``, ``shape``, ``wcs`` and
        ``dropped`` with a sentence by label.
    """
    del scratch
    known = [_light(one) for one in lights]
    solved = [one for one in known if one.wcs is not None]
    lists = {one.label: StarList.from_fits(one.stars) for one in known} if len(solved) < len(known) else {}
    best = max(known, key=lambda one: (one.wcs is not None, len(lists.get(one.label, ())), one.label))
    laid, dropped = _laid(known, best, lists, only_unsolved=True)
    if solved and len(dropped) == len(known) - len(solved):
        return {"grid": told_of_grid(_grid(solved)), "matrices": {}, "reference": solved[0].label, "dropped": dropped}
    laid, dropped = _laid(known, best, lists, only_unsolved=False)
    shapes = {one.label: one.shape for one in known}
    (left, top), shape = widened(best.shape, [(shapes[label], one.matrix) for label, one in laid.items()])
    moved = np.array([[1.0, 0.0, left], [0.0, 1.0, top], [0.0, 0.0, 1.0]])
    wcs = None if best.wcs is None else told_of_grid(Grid(_moved(best.wcs, left, top), shape))
    matrices = {label: (moved @ transform.matrix).tolist() for label, transform in laid.items()}
    return {
        "grid": None, "matrices": matrices, "reference": best.label, "dropped": dropped,
        "shape": list(shape), "wcs": wcs,
    }  # fmt: skip


def widened(
    shape: tuple[int, int], laid: Sequence[tuple[tuple[int, int], NDArray[np.float64]]]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Widen the grid of the reference until it holds all lights.

    Parameters
    ----------
    shape
        Shape (ny, nx) of the reference.
    laid
        Shape of every light, and the matrix from its pixels to those of the reference.

    Returns
    -------
    (left, top), (ny, nx)
        Columns and rows put before those of the reference, even so that the cells of a mosaic stay whole, and the
        shape; that of the reference where lights would make it too large.
    """
    corners = [apply(matrix, *_corners(size)) for size, matrix in [(shape, np.eye(3)), *laid]]
    low, high = (np.array([function([function(part) for part in axis]) for axis in zip(*corners, strict=True)])
                 for function in (np.min, np.max))  # fmt: skip
    before = [int(-2 * np.floor(edge / 2)) if edge < 0 else 0 for edge in np.round(low + 0.5, 3)]
    size = [int(np.ceil(edge)) + more for edge, more in zip(np.round(high + 0.5, 3), before, strict=True)]
    if not np.isfinite([*low, *high]).all() or size[0] * size[1] > LARGEST * shape[0] * shape[1]:
        return (0, 0), shape
    return (before[0], before[1]), (size[1], size[0])


def _corners(shape: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = shape[1] - 0.5, shape[0] - 0.5
    return np.array([-0.5, x, x, -0.5]), np.array([-0.5, -0.5, y, y])


def _moved(wcs: Wcs, left: int, top: int) -> Wcs:
    """Give the world coordinates with so many columns and rows before the first."""
    return replace(wcs, crpix=(wcs.crpix[0] + left, wcs.crpix[1] + top))


def _light(told: Mapping[str, Any]) -> _Light:
    header = fits.getheader(told["path"])
    shape = int(header["NAXIS2"]), int(header["NAXIS1"])
    return _Light(told["label"], shape, read_wcs(header) if told["solved"] else None, Path(told["stars"]))


def _laid(
    known: Sequence[_Light], best: _Light, lists: Mapping[str, StarList], *, only_unsolved: bool
) -> tuple[dict[str, Transform], dict[str, str]]:
    """Lay lights onto the best one by their stars."""
    laid, dropped = {best.label: Transform.identity(best.shape, best.wcs)}, {}
    for one in known:
        if one is best or (only_unsolved and one.wcs is not None):
            continue
        try:
            laid[one.label] = match_stars(lists[best.label], lists[one.label])
        except ImagingError as error:
            dropped[one.label] = f"not registered: {error}"
    return laid, dropped


def _grid(solved: Sequence[_Light]) -> Grid:
    grids = [Grid(one.wcs, one.shape) for one in solved if one.wcs is not None]
    made = grid_of(grids)
    largest = max(grid.shape[0] * grid.shape[1] for grid in grids)
    if made.shape[0] * made.shape[1] > LARGEST * largest:
        raise ImagingError(
            f"the lights lie too far apart for one coadd: it would have {made.shape[1]} x {made.shape[0]} pixels; "
            "give the fields names of their own in OBJECT",
            reason="too-far-apart",
        )
    return made


def told_of_grid(grid: Grid) -> dict[str, object]:
    """Write a grid as JSON values; its distortion is left out, for grids have none."""
    wcs = grid.wcs
    cd = [list(row) for row in wcs.cd]
    return {"crval": list(wcs.crval), "crpix": list(wcs.crpix), "cd": cd, "shape": list(grid.shape)}


def grid_from(told: Mapping[str, Any]) -> Grid:
    """Read a grid of JSON values."""
    (a, b), (c, d) = told["cd"]
    ny, nx = told["shape"]
    return Grid(Wcs((told["crval"][0], told["crval"][1]), (told["crpix"][0], told["crpix"][1]), ((a, b), (c, d))),
                (int(ny), int(nx)))  # fmt: skip


def halved(grid: Grid) -> Grid:
    """Give the grid of 2 x 2 pixels each; the odd last row or column is left out."""
    wcs = grid.wcs
    cd = ((2 * wcs.cd[0][0], 2 * wcs.cd[0][1]), (2 * wcs.cd[1][0], 2 * wcs.cd[1][1]))
    crpix = ((wcs.crpix[0] + 0.5) / 2, (wcs.crpix[1] + 0.5) / 2)
    return Grid(Wcs(wcs.crval, crpix, cd), (max(1, grid.shape[0] // 2), max(1, grid.shape[1] // 2)))


def onto_halves(matrix: Any, offset: tuple[float, float]) -> np.ndarray[Any, np.dtype[np.float64]]:  # noqa: ANN401
    """Give the matrix from pixels of a colour, at ``offset`` (x, y) of its cell, to cells of the reference."""
    cell = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5], [0.0, 0.0, 1.0]])
    colour = np.array([[2.0, 0.0, offset[0]], [0.0, 2.0, offset[1]], [0.0, 0.0, 1.0]])
    return np.asarray(np.linalg.inv(cell) @ np.asarray(matrix, dtype=np.float64) @ colour)

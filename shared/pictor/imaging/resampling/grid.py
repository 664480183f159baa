"""Grids of pixels on the sky, and frames resampled onto them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.astrometry.geometry import scale_of
from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky, sky_to_plane
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame

Floats = NDArray[np.float64]
SkyPoint = tuple[float, float]

MOST_PIXELS = 1 << 31
"""A grid with more pixels than this is a mistake: frames on it are of different fields."""

_AROUND = 33
# Edges may stick out of the grid by this many pixels.
_SLACK = 0.01


@dataclass(frozen=True, slots=True)
class Grid:
    """Pixels to resample onto.

    Parameters
    ----------
    wcs
        World coordinates.
    shape
        Shape (ny, nx).
    """

    wcs: Wcs
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or self.shape[0] * self.shape[1] > MOST_PIXELS:
            raise ImagingError(f"a grid of {self.shape[1]} x {self.shape[0]} pixels cannot be made", reason="grid-size")

    @classmethod
    def of(cls, frame: Frame) -> "Grid":
        """Take the grid of a frame.

        Raises
        ------
        ImagingError
            If the frame has no gnomonic world coordinates.
        """
        return cls(wcs_of(frame), frame.shape)


def wcs_of(frame: Frame) -> Wcs:
    """Give the gnomonic world coordinates of a frame.

    Raises
    ------
    ImagingError
        If it has none.
    """
    if frame.wcs is None:
        raise ImagingError(
            "the frame has no gnomonic world coordinates (CTYPE1 RA---TAN): solve it, or register it by its stars",
            reason="no-wcs",
        )
    return frame.wcs


def grid_of(
    frames: Sequence[Frame | Grid],
    *,
    scale: float | None = None,
    north_up: bool = False,
    centre: SkyPoint | None = None,
    size: tuple[int, int] | None = None,
) -> Grid:
    """Make a grid that holds all frames.

    It has no distortion, keeps the direction of the first frame unless ``north_up``, and shares its pixel positions
    where neither scale nor direction nor centre are asked for, so that the first frame need not be interpolated.

    Parameters
    ----------
    frames
        Frames with world coordinates, or grids.
    scale
        Arcseconds per pixel; None: that of the first frame.
    north_up
        Whether +y points north and +x west.
    centre
        Right ascension and declination of the middle, in degrees; None: the middle of all frames.
    size
        Columns and rows (nx, ny); None: as many as hold all frames.

    Returns
    -------
    Grid
        Gnomonic.

    Raises
    ------
    ImagingError
        If a frame has no world coordinates, or the frames are too far apart for one plane.
    """
    if not frames:
        raise ImagingError("no frames were given to make a grid of", reason="no-frames")
    grids = [frame if isinstance(frame, Grid) else Grid.of(frame) for frame in frames]
    first = grids[0].wcs
    aligned = scale is None and not north_up and centre is None and first.sip is None
    cd = _north_up(scale_of(first)) if north_up else np.array(first.cd)
    cd = cd * (1.0 if scale is None else scale / scale_of(first))
    crval = first.crval if aligned else centre or _middle(grids)
    edges = _outline(grids, crval, cd)
    axes = [
        _axis(edge, None if size is None else size[axis], centred=centre is not None)
        if not aligned
        else _axis_like(edge, None if size is None else size[axis], first.crpix[axis])
        for axis, edge in enumerate(edges)
    ]
    (x, nx), (y, ny) = axes
    matrix = (float(cd[0, 0]), float(cd[0, 1])), (float(cd[1, 0]), float(cd[1, 1]))
    return Grid(Wcs(crval, (1.0 - x, 1.0 - y), matrix), (ny, nx))


def _north_up(scale: float) -> Floats:
    """North along +y, east along -x."""
    return np.array([[-scale / 3600, 0.0], [0.0, scale / 3600]])


def _middle(grids: Sequence[Grid]) -> SkyPoint:
    """Direction of the mean of the middles of all grids."""
    total = np.zeros(3)
    for grid in grids:
        ny, nx = grid.shape
        ra, dec = (np.radians(v[0]) for v in pixel_to_sky(grid.wcs, *(np.array([(n + 1) / 2]) for n in (nx, ny))))
        total += np.array([math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)])
    away = math.degrees(math.atan2(total[1], total[0])) % 360.0
    return away, math.degrees(math.atan2(total[2], math.hypot(total[0], total[1])))


def _outline(grids: Sequence[Grid], crval: SkyPoint, cd: Floats) -> list[tuple[float, float]]:
    """Find the range of all edges along x and y, in pixels from the tangent point."""
    inverse = np.linalg.inv(cd)
    found = []
    for grid in grids:
        ny, nx = grid.shape
        along = np.linspace(0.5, 1.0, _AROUND) * 2 - 1
        x = np.concatenate([along * nx + 0.5, along * nx + 0.5, np.full(_AROUND, 0.5), np.full(_AROUND, nx + 0.5)])
        y = np.concatenate([np.full(_AROUND, 0.5), np.full(_AROUND, ny + 0.5), along * ny + 0.5, along * ny + 0.5])
        plane = inverse @ np.array(sky_to_plane(*pixel_to_sky(grid.wcs, x, y), crval))
        if not np.isfinite(plane).all():
            raise ImagingError("the frames lie 90 degrees apart; no plane holds them", reason="too-far-apart")
        found.append(plane)
    edges = np.hstack(found)
    return [(float(edge.min()), float(edge.max())) for edge in edges]


def _axis(edge: tuple[float, float], size: int | None, *, centred: bool) -> tuple[float, int]:
    """Choose the first pixel and the number of pixels along an axis, in pixels from the tangent point."""
    middle = 0.0 if centred else (edge[0] + edge[1]) / 2
    reach = 2 * max(middle - edge[0], edge[1] - middle)
    number = size or max(1, math.ceil(reach - _SLACK))
    return middle - (number - 1) / 2, number


def _axis_like(edge: tuple[float, float], size: int | None, crpix: float) -> tuple[float, int]:
    """Choose them so that the pixels coincide with those of a frame with this reference pixel."""
    if size is not None:
        start = (edge[0] + edge[1] - size + 1) / 2
        return round(start + crpix) - crpix, size
    start = math.floor(edge[0] + 0.5 + crpix + _SLACK) - crpix
    return start, max(1, math.ceil(edge[1] - 0.5 - start - _SLACK) + 1)

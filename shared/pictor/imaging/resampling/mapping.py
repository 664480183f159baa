"""Where the pixels of a grid lie on a frame: a homography where that is exact, else a lattice of positions."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.astrometry.projection import Wcs, pixel_to_sky, sky_to_pixel
from pictor.imaging.errors import ImagingError

Floats = NDArray[np.float64]
ToPixel = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""Right ascension and declination, in degrees, to pixels of a frame counted from 0."""

_COARSEST, _FINEST = 64, 4
# Pixels up to a tenth wider than the frame's are interpolated at their middle; more places would only blur.
_SPARED, _FINEST_AVERAGE = 0.1, 16
LARGEST_ERROR_PX = 0.002
"""The lattice is refined until positions between its nodes are right to this."""


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """Positions on a frame of the pixels of a grid, both counted from 0.

    Parameters
    ----------
    matrix
        Homography from grid to frame, shape (3, 3); used when there is no lattice.
    lattice
        x, y and pixel area (frame pixels per grid pixel) at every ``step``-th position of the grid, shape (3, my, mx);
        my = mx = 0 for none.
    step
        Distance of its nodes, in pixels of the grid.
    error_px
        Largest difference between interpolated and computed positions seen, in pixels of the frame.
    """

    matrix: Floats
    lattice: Floats
    step: int = 1
    error_px: float = 0.0

    def places(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Find positions on the frame of positions of the grid, shape (n,)."""
        if self.lattice.size == 0:
            u, v, w = self.matrix @ np.vstack([np.ravel(x), np.ravel(y), np.ones(np.size(x))])
            w = np.where(w > 0, w, np.nan)
            return u / w, v / w
        return _interpolated(self.lattice[:2], self.step, np.ravel(x), np.ravel(y))

    def positions(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Find positions on the grid of positions of the frame, shape (n,), by Newton steps from a plane fit."""
        if self.lattice.size == 0:
            u, v, w = np.linalg.inv(self.matrix) @ np.vstack([x, y, np.ones_like(x)])
            return u / w, v / w
        ny, nx = (self.step * (n - 1) for n in self.lattice.shape[1:])
        rows, columns = (place.ravel() for place in np.mgrid[0:ny:16j, 0:nx:16j])
        seen = np.column_stack([*self.places(columns, rows), np.ones(rows.size)])
        good = np.isfinite(seen).all(axis=1)
        plane, *_ = np.linalg.lstsq(seen[good], np.column_stack([columns, rows])[good], rcond=None)
        u, v = (np.column_stack([x, y, np.ones_like(x)]) @ plane).T
        for _ in range(5):
            seen_x, seen_y = self.places(u, v)
            step = np.column_stack([x - seen_x, y - seen_y]) @ plane[:2]
            u, v = u + np.nan_to_num(step[:, 0]), v + np.nan_to_num(step[:, 1])
        return u, v

    def area(self, x: Floats, y: Floats) -> Floats:
        """Find how many pixels of the frame a pixel of the grid covers at positions of the grid, shape (n,)."""
        right, left = self.places(x + 0.5, y), self.places(x - 0.5, y)
        up, down = self.places(x, y + 0.5), self.places(x, y - 0.5)
        along, across = np.subtract(right, left), np.subtract(up, down)
        return np.asarray(np.abs(along[0] * across[1] - along[1] * across[0]))

    def usual_area(self, frame_shape: tuple[int, int], shape: tuple[int, int]) -> float:
        """Give the median of the area where a grid of this shape meets the frame; 1 where they do not meet."""
        rows, columns = (v.ravel() for v in np.meshgrid(*(np.linspace(0, n - 1, 9) for n in shape), indexing="ij"))
        x, y = self.places(columns, rows)
        seen = (x > -1) & (y > -1) & (x < frame_shape[1]) & (y < frame_shape[0])
        areas = self.area(columns, rows)[seen & np.isfinite(x)]
        return float(np.median(areas)) if areas.size else 1.0

    @property
    def packed(self) -> tuple[Floats, Floats, int]:
        """As the compiled loops take it."""
        return self.matrix, self.lattice, self.step


def fineness(area: float) -> int:
    """Say how many places along each side of a pixel must be averaged so that no pixel of the frame is missed.

    Parameters
    ----------
    area
        Pixels of the frame in a pixel of the grid.

    Raises
    ------
    ImagingError
        If the pixels of the grid are more than 16 times as wide as those of the frame.
    """
    wanted = max(1, math.ceil(math.sqrt(area) - _SPARED))
    if wanted > _FINEST_AVERAGE:
        raise ImagingError(
            f"the new pixels are {wanted} times as wide as the old ones, {_FINEST_AVERAGE} times is the most",
            reason="too-coarse",
        )
    return wanted


def by_matrix(matrix: Floats, middle: tuple[float, float]) -> Mapping:
    """Map by a homography from grid to frame; ``middle`` (x, y) is a point of the grid in front of the frame."""
    depth = float(matrix[2] @ np.array([middle[0], middle[1], 1.0]))
    made = np.ascontiguousarray(matrix if depth > 0 else -matrix, dtype=np.float64)
    return Mapping(made, np.zeros((3, 0, 0)))


def between(grid: Wcs, shape: tuple[int, int], frame: Wcs, frame_shape: tuple[int, int]) -> Mapping:
    """Map the pixels of a grid to a frame through the sky.

    Two gnomonic projections of one sphere differ by a homography [1]_; with distortion a lattice is used.

    Parameters
    ----------
    grid, frame
        World coordinates of both.
    shape, frame_shape
        Their shapes (ny, nx).

    References
    ----------
    .. [1] Hartley R., Zisserman A., 2004, Multiple View Geometry, Cambridge, section 8.4: rotating camera.
    """
    if grid.sip is None and frame.sip is None:
        matrix = np.linalg.inv(_camera(frame)) @ _camera(grid)
        return by_matrix(matrix / np.abs(matrix).max(), ((shape[1] - 1) / 2, (shape[0] - 1) / 2))

    def to_pixel(ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        x, y = sky_to_pixel(frame, ra, dec)
        return x - 1.0, y - 1.0

    return by_lattice(grid, shape, to_pixel, frame_shape)


def by_lattice(grid: Wcs, shape: tuple[int, int], to_pixel: ToPixel, frame_shape: tuple[int, int]) -> Mapping:
    """Map through any projection: compute nodes of a lattice, fine enough for positions between them.

    Parameters
    ----------
    grid
        World coordinates of the grid.
    to_pixel
        From the sky to the frame.
    shape, frame_shape
        Shapes (ny, nx) of grid and frame.
    """

    def place(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        with np.errstate(all="ignore"):
            return to_pixel(*pixel_to_sky(grid, x + 1.0, y + 1.0))

    step = _COARSEST
    while True:
        lattice = _lattice(place, step, shape)
        error = _error(place, lattice, step, frame_shape)
        if error <= LARGEST_ERROR_PX or step <= _FINEST:
            return Mapping(np.eye(3), lattice, step, error)
        step //= 2


def _camera(wcs: Wcs) -> Floats:
    """Matrix from homogeneous pixels counted from 0 to directions on the sphere."""
    ra, dec = map(math.radians, wcs.crval)
    towards = np.array([math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec)])
    east = np.array([-math.sin(ra), math.cos(ra), 0.0])
    north = np.array([-math.sin(dec) * math.cos(ra), -math.sin(dec) * math.sin(ra), math.cos(dec)])
    cd = np.radians(np.array(wcs.cd))
    offset = cd @ (1.0 - np.array(wcs.crpix))
    plane = np.array([[cd[0, 0], cd[0, 1], offset[0]], [cd[1, 0], cd[1, 1], offset[1]], [0.0, 0.0, 1.0]])
    return np.asarray(np.column_stack([east, north, towards]) @ plane)


def _lattice(place: ToPixel, step: int, shape: tuple[int, int]) -> Floats:
    """Compute x, y and area at the nodes; areas from differences over one pixel."""
    ny, nx = (max(2, math.ceil((n - 1) / step) + 1) for n in shape)
    v, u = np.indices((ny, nx), dtype=np.float64) * step
    x, y = place(u.ravel(), v.ravel())
    right, left = place(u.ravel() + 0.5, v.ravel()), place(u.ravel() - 0.5, v.ravel())
    up, down = place(u.ravel(), v.ravel() + 0.5), place(u.ravel(), v.ravel() - 0.5)
    area = np.abs((right[0] - left[0]) * (up[1] - down[1]) - (right[1] - left[1]) * (up[0] - down[0]))
    return np.ascontiguousarray(np.stack([x, y, area]).reshape(3, ny, nx))


def _error(place: ToPixel, lattice: Floats, step: int, frame_shape: tuple[int, int]) -> float:
    """Compare interpolated with computed positions on the frame, in the middle of cells and of their sides."""
    _, ny, nx = lattice.shape
    worst = 0.0
    for dx, dy in ((0.5, 0.5), (0.5, 0.0), (0.0, 0.5)):
        v, u = (np.indices((ny - 1, nx - 1), dtype=np.float64) + np.array([dy, dx])[:, None, None]) * step
        true, near = place(u.ravel(), v.ravel()), _interpolated(lattice[:2], step, u.ravel(), v.ravel())
        distance = np.hypot(true[0] - near[0], true[1] - near[1])
        middle = (frame_shape[1] - 1) / 2, (frame_shape[0] - 1) / 2
        seen = (np.abs(true[0] - middle[0]) < middle[0] + 1) & (np.abs(true[1] - middle[1]) < middle[1] + 1)
        distance = np.where(np.isfinite(distance), distance, np.inf)[seen]
        worst = max(worst, float(np.max(distance, initial=0.0)))
    return worst


def _interpolated(lattice: Floats, step: int, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    u, v = x / step, y / step
    i = np.clip(np.floor(u).astype(np.int64), 0, lattice.shape[2] - 2)
    j = np.clip(np.floor(v).astype(np.int64), 0, lattice.shape[1] - 2)
    fx, fy = u - i, v - j
    low = lattice[:, j, i] * (1 - fx) + lattice[:, j, i + 1] * fx
    high = lattice[:, j + 1, i] * (1 - fx) + lattice[:, j + 1, i + 1] * fx
    found = low * (1 - fy) + high * fy
    return found[0], found[1]

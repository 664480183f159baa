"""How far two directions are apart, and the grid of a frame with north up."""

import math
from dataclasses import dataclass

import numpy as np

from pictor.imaging.astrometry.celestial import Celestial
from pictor.imaging.astrometry.geometry import SkyPoint, separation
from pictor.imaging.astrometry.projection import Wcs, sky_to_plane
from pictor.imaging.errors import ImagingError

_EDGE_POINTS = 33
"""Points along each edge: between two, the edge of a frame of 10 degrees bends by less than 0.1 px of 4000."""

_TOUCH = 1e-3
"""A pixel that the frame covers by less than this is left out."""


@dataclass(frozen=True, slots=True)
class Offset:
    """From one direction to another.

    Parameters
    ----------
    east_arcsec, north_arcsec
        The separation along right ascension (times cos dec) and along declination, taken at the start.
    separation_arcsec
        Angle between both on the great circle.
    pa_deg
        Direction of the end seen from the start, east of north, in [0, 360).
    """

    east_arcsec: float
    north_arcsec: float
    separation_arcsec: float
    pa_deg: float


def offset(start: SkyPoint, end: SkyPoint) -> Offset:
    """Measure how to move from one direction to another, also over a pole or over right ascension 0.

    Parameters
    ----------
    start, end
        Right ascension and declination, ICRS, in degrees.

    Returns
    -------
    Offset
        Separation, its direction and both components.

    Examples
    --------
    >>> found = offset((359.9, 60.0), (0.1, 60.0))
    >>> f"{found.east_arcsec:.1f} {found.north_arcsec:.1f} {found.pa_deg:.2f}"
    '360.0 0.5 89.91'
    """
    alpha = math.radians(end[0] - start[0])
    here, there = math.radians(start[1]), math.radians(end[1])
    east = math.cos(there) * math.sin(alpha)
    north = math.cos(here) * math.sin(there) - math.sin(here) * math.cos(there) * math.cos(alpha)
    angle = 3600 * separation(start, end)
    direction = math.atan2(east, north)
    return Offset(angle * math.sin(direction), angle * math.cos(direction), angle, math.degrees(direction) % 360.0)


def north_up(
    seen: Celestial, shape: tuple[int, int], *, scale_arcsec: float | None = None
) -> tuple[Wcs, tuple[int, int]]:
    """Make the grid that shows a frame with north up and east left.

    Parameters
    ----------
    seen
        World coordinates of the frame.
    shape
        Shape (ny, nx) of the frame.
    scale_arcsec
        Pixel scale of the grid, in arcsec; None keeps that of the centre of the frame.

    Returns
    -------
    tuple
        Gnomonic world coordinates of the grid, tangent at the centre of the frame, and its shape (ny, nx): the
        smallest that holds every pixel of the frame.

    Raises
    ------
    ImagingError
        ``no-wcs`` when a part of the frame sees no sky, or lies 90 degrees or more from its centre.
    """
    height, width = shape
    middle = np.array([(width + 1) / 2, (width + 3) / 2, (width + 1) / 2])
    beside = np.array([(height + 1) / 2, (height + 1) / 2, (height + 3) / 2])
    ra, dec = seen.sky(middle, beside)
    centre = (float(ra[0]), float(dec[0]))
    xi, eta = sky_to_plane(ra[1:], dec[1:], centre)
    step = scale_arcsec / 3600 if scale_arcsec else math.sqrt(abs(float(xi[0] * eta[1] - xi[1] * eta[0])))
    edge = sky_to_plane(*seen.sky(*_edge(width, height)), centre)
    if not (np.isfinite(edge).all() and math.isfinite(step) and step > 0):
        raise ImagingError("a part of the frame sees no sky, so that it cannot be turned north up", reason="no-wcs")
    low = [float(np.min(axis)) / step for axis in (-edge[0], edge[1])]
    size = [float(np.max(axis)) / step - first for axis, first in zip((-edge[0], edge[1]), low, strict=True)]
    pixels = [max(1, math.ceil(side - _TOUCH)) for side in size]
    reference = [0.5 - first + (count - side) / 2 for first, count, side in zip(low, pixels, size, strict=True)]
    wcs = Wcs(centre, (reference[0], reference[1]), ((-step, 0.0), (0.0, step)))
    return wcs, (pixels[1], pixels[0])


def _edge(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Walk around the outer edge of a frame, in FITS pixels."""
    across, along = np.linspace(0.5, width + 0.5, _EDGE_POINTS), np.linspace(0.5, height + 0.5, _EDGE_POINTS)
    left, low = np.full(_EDGE_POINTS, 0.5), np.full(_EDGE_POINTS, 0.5)
    x = np.concatenate([across, left + width, across, left])
    y = np.concatenate([low, along, low + height, along])
    return x, y

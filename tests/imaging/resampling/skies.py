"""Frames of exact Gaussian stars with world coordinates, for resampling and coadding."""

import math

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.special import erf

from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.projection import Sip, Wcs, sky_to_pixel
from pictor.imaging.frame import Frame

CENTRE = (83.8, 22.0)


def wcs(
    shape: tuple[int, int],
    *,
    scale: float = 1.5,
    turn: float = 0.0,
    centre: tuple[float, float] = CENTRE,
    mirrored: bool = False,
    sip: Sip | None = None,
) -> Wcs:
    """World coordinates with the reference pixel in the middle; scale in arcsec, turn in degrees."""
    c, s = scale / 3600 * math.cos(math.radians(turn)), scale / 3600 * math.sin(math.radians(turn))
    sign = 1 if mirrored else -1
    return Wcs(centre, ((shape[1] + 1) / 2, (shape[0] + 1) / 2), ((sign * c, -sign * -s), (sign * s, c)), sip)


def stars_on(
    grid: Wcs, shape: tuple[int, int], ra: NDArray, dec: NDArray, flux: NDArray, *, sigma: float = 1.3
) -> NDArray[np.float64]:
    """Gaussian stars integrated over pixels, at exact places of the sky; sigma in pixels."""
    x, y = sky_to_pixel(grid, ra, dec)
    image = np.zeros(shape)
    for px, py, light in zip(x - 1, y - 1, flux, strict=True):
        image += light * np.outer(_line(shape[0], py, sigma), _line(shape[1], px, sigma))
    return image


def _line(n: int, centre: float, sigma: float) -> NDArray[np.float64]:
    edges = (np.arange(n + 1) - 0.5 - centre) / (sigma * math.sqrt(2))
    return np.diff(erf(edges)) / 2


def frame_of(data: NDArray, grid: Wcs, **planes: NDArray) -> Frame:
    """A frame with these world coordinates."""
    return Frame(data, header=write_wcs(fits.Header(), grid, data.shape), **planes)


def scatter(n: int, rng: np.random.Generator, *, radius: float = 0.05) -> tuple[NDArray, NDArray]:
    """Places around the centre, in degrees."""
    dec = CENTRE[1] + rng.uniform(-radius, radius, n)
    return CENTRE[0] + rng.uniform(-radius, radius, n) / np.cos(np.radians(dec)), dec


def aperture(data: NDArray, x: float, y: float, radius: float) -> float:
    """Sum within a square around a place counted from 0."""
    r, c, n = round(y), round(x), math.ceil(radius)
    return float(data[r - n : r + n + 1, c - n : c + n + 1].sum(dtype=np.float64))


def centroid(data: NDArray, x: float, y: float, radius: int) -> tuple[float, float]:
    """First moments in a square around a place counted from 0."""
    r, c = round(y), round(x)
    cut = data[r - radius : r + radius + 1, c - radius : c + radius + 1].astype(np.float64)
    rows, columns = np.indices(cut.shape)
    return c - radius + float((cut * columns).sum() / cut.sum()), r - radius + float((cut * rows).sum() / cut.sum())

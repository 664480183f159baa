"""How bright the sky is: zero point, limiting magnitude and sky brightness of a solved frame."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from pictor.imaging.astrometry.projection import Floats, Wcs, sky_to_pixel
from pictor.imaging.astrometry.stars import SkyStars
from pictor.imaging.stars.starlist import GAUSSIAN_BETA, StarList

SYSTEM = "VT, no colour term"
"""Magnitudes of the star index are Tycho-2 VT, whatever the filter of the frame."""
LIMIT_SNR = 5.0
_FEWEST = 5
_ROUNDS = 5
_CLIP = 3.0
_LEAST_CLIP_MAG = 0.05
_MAD_TO_SIGMA = 1.4826
_STEPS, _REACH, _HALVINGS = 2000, 60.0, 40
"""Steps of the integral, its end in squared widths of the Gaussian, and halvings of the interval of that width."""
_ALMOST = 1.0 - 1e-6
"""Exponents went through a logarithm and single precision."""
_MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Error of a median relative to that of a mean, for normal scatter."""

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ZeroPoint:
    """Magnitude of a star of 1 ADU/s, the scatter of single stars, its error, and the stars it stands on."""

    mag: float
    scatter_mag: float
    error_mag: float
    count: int


def match(wcs: Wcs, x: Floats, y: Floats, sky: SkyStars, *, radius_px: float) -> tuple[Indices, Indices]:
    """Pair measured stars with catalogue stars; each is the other's nearest.

    Parameters
    ----------
    wcs
        Projection of the frame.
    x, y
        FITS pixel positions (first pixel 1), shape (n,).
    sky
        Catalogue stars.
    radius_px
        Largest distance of a pair, in pixels.

    Returns
    -------
    tuple
        Indices into the measured and into the catalogue stars, shape (m,) each.
    """
    projected = np.column_stack(sky_to_pixel(wcs, sky.ra, sky.dec))
    inside = np.flatnonzero(np.isfinite(projected).all(axis=1))
    if len(x) == 0 or len(inside) == 0:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    measured, listed = np.column_stack([x, y]), projected[inside]
    distance, nearest = KDTree(listed).query(measured)
    _, back = KDTree(measured).query(listed)
    star = np.flatnonzero((distance <= radius_px) & (back[nearest] == np.arange(len(x))))
    return star, inside[nearest[star]]


def measured_share(stars: StarList) -> float:
    """Tell which share of the light of its stars the fluxes of a star list hold.

    Parameters
    ----------
    stars
        Star list of a frame.

    Returns
    -------
    float
        What its profile measured; for lists without it, what follows from the exponent; 1 without a profile.
    """
    if stars.psf is None:
        return 1.0
    return stars.psf.share if stars.psf.share is not None else matched_share(stars.psf.beta)


def matched_share(beta: float) -> float:
    """Compute the share of a star's light that a matched Gaussian measures.

    Fluxes of the star list are weighted by the Gaussian whose second moments match the
    star's [1]_: exact for a Gaussian profile, too little for the wings of a Moffat one.

    Parameters
    ----------
    beta
        Moffat exponent of the frame's stellar profile, above 1; the largest that is fitted stands for a Gaussian.

    Returns
    -------
    float
        Measured flux over total flux, at most 1.

    References
    ----------
    .. [1] Bernstein G. M., Jarvis M., 2002, AJ 123, 583, section 3.
    """
    if beta >= GAUSSIAN_BETA * _ALMOST:
        return 1.0
    area = np.linspace(0.0, 1.0, _STEPS)[1:] ** 2
    low, high = 1e-3 / beta, 3.0 / beta
    for _ in range(_HALVINGS):
        size = math.sqrt(low * high)
        radius2 = area * _REACH * size
        light = np.exp(-radius2 / (2 * size) - beta * np.log1p(radius2))
        moment = float(np.trapezoid(radius2 * light, radius2) / np.trapezoid(light, radius2))
        low, high = (size, high) if moment > size else (low, size)
    return min(1.0, 2 * (beta - 1) * float(np.trapezoid(light, radius2)))


def zero_point(
    flux_adu: Floats, catalogue_mag: Floats, *, exposure_s: float, usable: Mask | None = None
) -> ZeroPoint | None:
    """Measure the zero point from matched stars: the median of m + 2.5 log10(flux / s) [1]_.

    Stars beyond three robust standard deviations (1.4826 MAD, at least 0.05 mag) are
    left out until none is. No colour term and no extinction are applied: the
    value holds for the frame's own filter and airmass, on the catalogue's system.

    Parameters
    ----------
    flux_adu
        Total light above sky of matched stars, shape (n,), in ADU.
    catalogue_mag
        Their catalogue magnitudes, shape (n,); NaN where unknown.
    exposure_s
        Exposure time, in seconds.
    usable
        True for unsaturated, unflagged stars, shape (n,); None takes all.

    Returns
    -------
    ZeroPoint or None
        None with fewer than five stars, or without an exposure time.

    References
    ----------
    .. [1] Howell S. B., 2006, Handbook of CCD Astronomy, 2nd ed., Cambridge University Press, ch. 5.
    """
    good = np.isfinite(flux_adu) & (flux_adu > 0) & np.isfinite(catalogue_mag)
    if usable is not None:
        good &= usable
    if not exposure_s > 0 or np.count_nonzero(good) < _FEWEST:
        return None
    each = catalogue_mag[good] + 2.5 * np.log10(flux_adu[good] / exposure_s)
    for _ in range(_ROUNDS):
        kept = np.abs(each - np.median(each)) <= _CLIP * max(_scatter(each), _LEAST_CLIP_MAG / _CLIP)
        if kept.all():
            break
        each = each[kept]
    if len(each) < _FEWEST:
        return None
    scatter = _scatter(each)
    return ZeroPoint(float(np.median(each)), scatter, _MEDIAN_ERROR * scatter / math.sqrt(len(each)), len(each))


def limiting_magnitude(zero: ZeroPoint, flux_error_adu: Floats, *, exposure_s: float) -> float | None:
    """Estimate the magnitude of a star with a signal-to-noise ratio of 5.

    The noise is the median error of the fluxes in the star list, which is that of the
    sky in the area each flux is summed over: at SNR 5 the star's own photon noise is small.

    Parameters
    ----------
    zero
        Zero point of the frame.
    flux_error_adu
        Errors of the total light of unflagged stars, sky noise only, shape (n,), in ADU.
    exposure_s
        Exposure time, in seconds.

    Returns
    -------
    float or None
        Limiting magnitude on the system of the zero point; None without an error.
    """
    known = flux_error_adu[np.isfinite(flux_error_adu) & (flux_error_adu > 0)]
    if len(known) == 0 or not exposure_s > 0:
        return None
    return zero.mag - 2.5 * math.log10(LIMIT_SNR * float(np.median(known)) / exposure_s)


def sky_brightness(zero: ZeroPoint, sky_adu: float, *, exposure_s: float, scale_arcsec: float) -> float | None:
    """Give the surface brightness of the sky.

    Parameters
    ----------
    zero
        Zero point of the frame.
    sky_adu
        Background above the pedestal, in ADU per pixel.
    exposure_s
        Exposure time, in seconds.
    scale_arcsec
        Pixel scale, in arcsec per pixel.

    Returns
    -------
    float or None
        Magnitudes per square arcsecond; None when the background is not above the pedestal.
    """
    if not (sky_adu > 0 and exposure_s > 0 and scale_arcsec > 0):
        return None
    return zero.mag - 2.5 * math.log10(sky_adu / exposure_s / scale_arcsec**2)


def _scatter(values: Floats) -> float:
    return _MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))

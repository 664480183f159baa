"""Image quality of one light frame."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.background import Background
from pictor.imaging.pixels import as_pixels
from pictor.imaging.quality.defects import find_defects
from pictor.imaging.quality.zones import Field, map_field
from pictor.imaging.stars.profile import choose
from pictor.imaging.stars.starlist import METHOD as STARS_METHOD
from pictor.imaging.stars.starlist import StarList

METHOD = f"pictor-quality 2 ({STARS_METHOD})"
"""Name and version of the method, stored with every measurement."""

# Half-flux radii of fainter stars scatter more than the frame varies.
_HFR_SNR = 20.0
# A width below this is one pixel, whatever the star was.
_NARROWEST_FWHM = 0.9


@dataclass(frozen=True, slots=True)
class Quality:
    """Image quality of one light frame; what could not be measured is None.

    Parameters
    ----------
    star_count
        Stars measured: unsaturated and unflagged.
    fwhm_px, fwhm_scatter_px
        FWHM of the stacked stellar profile and the robust scatter of single stars, in pixels.
    beta, beta_scatter
        Moffat exponent of the stacked profile and its scatter; 25 means a Gaussian.
    hfr_px
        Median half-flux radius, in pixels.
    eccentricity, ellipticity
        Medians of sqrt(1 - (b/a)^2) and 1 - b/a over the stars of the profile; None where most stars are sharper
        than a pixel.
    elongation_deg, elongation_coherence
        Mean direction of elongation, degrees from +x towards +y, averaged as doubled angles; and how much
        the stars agree on it, 0 to 1 (1: all trailed alike).
    background_adu, background_e, noise_adu
        Median sky level in ADU and, where the gain is trusted, electrons; median noise in ADU per pixel.
    gradient, gradient_deg
        Rise of the sky across the frame as a share of its level, and its direction.
    saturated_fraction, repeated_fraction, non_finite_fraction
        Shares of pixels that are saturated, that have the most frequent value, that are not finite.
    pattern_noise
        True when rows or columns carry a regular pattern.
    trail_count, spike_count
        Satellite or aircraft trails; hot pixels and cosmic-ray hits removed before the search.
    field
        Map of zones, tilt and curvature.
    method
        Name and version of the method.
    """

    star_count: int
    fwhm_px: float | None
    fwhm_scatter_px: float | None
    beta: float | None
    beta_scatter: float | None
    hfr_px: float | None
    eccentricity: float | None
    ellipticity: float | None
    elongation_deg: float | None
    elongation_coherence: float | None
    background_adu: float | None
    background_e: float | None
    noise_adu: float | None
    gradient: float | None
    gradient_deg: float | None
    saturated_fraction: float | None
    repeated_fraction: float | None
    non_finite_fraction: float
    pattern_noise: bool | None
    trail_count: int
    spike_count: int
    field: Field
    method: str = METHOD


def measure(
    image: NDArray[Any], stars: StarList, sky: Background, *, egain: float | None = None, bayer: bool = False
) -> Quality:
    """Sum up the quality of one light frame from its pixels, stars and sky.

    Parameters
    ----------
    image
        Shape (ny, nx), raw or calibrated, in ADU.
    stars
        Its star list.
    sky
        Its background, as from `sky_of`.
    egain
        Conversion gain in electrons per ADU where it is trusted; None leaves electrons out.
    bayer
        True for a raw one-shot-colour frame.

    Returns
    -------
    Quality
        Everything that can be said about this frame.

    Raises
    ------
    FrameMismatchError
        If the image is not two-dimensional.
    """
    pixels = as_pixels(image)
    defects = find_defects(pixels, sky, stars.saturation, bayer=bayer)
    level, plane = sky.level, sky.plane()
    known = plane is not None and level is not None and level > 0.0
    clean = _resolved(stars.select(choose(stars)))
    direction, coherence = _elongation(clean)
    psf = stars.psf
    return Quality(
        star_count=stars.star_count,
        fwhm_px=_width(stars, clean),
        fwhm_scatter_px=None if psf is None else psf.fwhm_scatter,
        beta=None if psf is None else psf.beta,
        beta_scatter=None if psf is None else psf.beta_scatter,
        hfr_px=_half_flux_radius(stars),
        eccentricity=_median(clean.eccentricity),
        ellipticity=_median(clean.ellipticity),
        elongation_deg=direction,
        elongation_coherence=coherence,
        background_adu=level,
        background_e=None if egain is None or level is None else level * egain,
        noise_adu=sky.noise,
        gradient=plane[0] / level if known and plane and level else None,
        gradient_deg=plane[1] if plane is not None else None,
        saturated_fraction=defects.saturated_fraction,
        repeated_fraction=defects.repeated_fraction,
        non_finite_fraction=defects.non_finite_fraction,
        pattern_noise=defects.pattern_noise,
        trail_count=stars.trail_count,
        spike_count=stars.spike_count,
        field=map_field(stars),
    )


def _median(values: NDArray[np.float64]) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None


def _resolved(clean: StarList) -> StarList:
    """Keep the stars that are wider than a pixel; none where most are not, for the few others are not typical."""
    wide = clean.fwhm >= _NARROWEST_FWHM
    return clean.select(wide if 2 * np.count_nonzero(wide) >= len(clean) else np.zeros_like(wide))


def _width(stars: StarList, clean: StarList) -> float | None:
    """FWHM of the profile, else the median of the clean stars; None when sharper than a pixel can tell."""
    width = stars.psf.fwhm if stars.psf is not None else _median(clean.fwhm)
    return width if width is not None and width >= _NARROWEST_FWHM else None


def _half_flux_radius(stars: StarList) -> float | None:
    clean = stars.select((stars.flags == 0) & np.isfinite(stars.hfr) & (stars.fwhm >= _NARROWEST_FWHM))
    bright = clean.select(clean.snr > _HFR_SNR)
    return _median(bright.hfr) if len(bright) else _median(clean.hfr)


def _elongation(clean: StarList) -> tuple[float | None, float | None]:
    """Direction and agreement of the elongation, averaged as doubled angles."""
    total = float(np.sum(clean.ellipticity))
    if total <= 0.0:
        return None, None
    doubled = 2.0 * np.radians(clean.theta)
    cos, sin = np.sum(clean.ellipticity * np.cos(doubled)), np.sum(clean.ellipticity * np.sin(doubled))
    return 0.5 * math.degrees(math.atan2(sin, cos)), float(math.hypot(cos, sin) / total)

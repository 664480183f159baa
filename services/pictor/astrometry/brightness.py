"""Photometry of a solved frame, from its star list and the catalogue stars of the index."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pictor.astrometry.catalogue import stars_around
from pictor.astrometry.indexes import Index
from pictor.imaging.astrometry.photometry import (
    SYSTEM,
    limiting_magnitude,
    match,
    measured_share,
    sky_brightness,
    zero_point,
)
from pictor.imaging.astrometry.solution import Solution
from pictor.imaging.astrometry.standards import StandardStars
from pictor.imaging.stars.starlist import StarList

_VT_FILES = ("index-sample", "index-tycho2", "index-41")
"""Indexes made of Tycho-2; the 5200 series is made of Gaia and carries other magnitudes."""
_CATALOGUE_STARS = 5000
_LEAST_RADIUS_PX = 1.0
_RADIUS_PER_RMS = 3.5


def with_vt(indexes: Sequence[Index]) -> list[Index]:
    """Keep the indexes whose magnitudes are Tycho-2 VT."""
    return [index for index in indexes if index.path.name.startswith(_VT_FILES)]


def index_stars(solution: Solution, indexes: Sequence[Index]) -> StandardStars:
    """Give the Tycho-2 stars of the installed indexes around a solved field, with their magnitudes.

    Parameters
    ----------
    solution
        The verified solution.
    indexes
        Where catalogue stars come from.

    Returns
    -------
    StandardStars
        Empty where no index with magnitudes has stars there.
    """
    radius_deg = float(np.hypot(solution.width_deg, solution.height_deg)) / 2
    sky = stars_around(with_vt(indexes), solution.ra_deg, solution.dec_deg, radius_deg, most=_CATALOGUE_STARS)
    return StandardStars(sky.ra, sky.dec, sky.mag, system=f"Tycho-2 {SYSTEM}")


def photometry(
    listed: StarList, solution: Solution, indexes: Sequence[Index], *, exposure_s: float, sky_adu: float | None
) -> dict[str, Any] | None:
    """Measure zero point, limiting magnitude and sky brightness.

    Parameters
    ----------
    listed
        Star list of the frame.
    solution
        Its verified solution.
    indexes
        Where catalogue stars come from.
    exposure_s
        Exposure time, in seconds.
    sky_adu
        Background above the pedestal, in ADU per pixel; None where the pedestal is not known.

    Returns
    -------
    dict or None
        Magnitudes with the names of the contract, ``zero_point_error_mag``, ``zero_point_stars``
        and ``system``; None when fewer than five usable stars carry a magnitude.
    """
    radius_deg = float(np.hypot(solution.width_deg, solution.height_deg)) / 2
    sky = stars_around(with_vt(indexes), solution.ra_deg, solution.dec_deg, radius_deg, most=_CATALOGUE_STARS)
    radius_px = max(_LEAST_RADIUS_PX, _RADIUS_PER_RMS * solution.rms_px)
    star, known = match(solution.wcs, listed.x + 1, listed.y + 1, sky, radius_px=radius_px)
    clean = np.asarray(listed.flags == 0)
    share = measured_share(listed)
    zero = zero_point(listed.flux[star] / share, sky.mag[known], exposure_s=exposure_s, usable=clean[star])
    if zero is None:
        return None
    scale = solution.scale_arcsec
    return {
        "zero_point_mag": zero.mag,
        "zero_point_scatter_mag": zero.scatter_mag,
        "zero_point_error_mag": zero.error_mag,
        "zero_point_stars": zero.count,
        "limiting_mag": limiting_magnitude(zero, listed.flux_error[clean] / share, exposure_s=exposure_s),
        "sky_mag_arcsec2": None
        if sky_adu is None
        else sky_brightness(zero, sky_adu, exposure_s=exposure_s, scale_arcsec=scale),
        "system": SYSTEM,
    }

"""World coordinates of other projections than the gnomonic one, read by astropy."""

import warnings as python_warnings

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from pictor.imaging.errors import ImagingError
from pictor.imaging.resampling.mapping import ToPixel

Floats = NDArray[np.float64]


def to_pixel_of(header: fits.Header) -> ToPixel:
    """Give the function from ICRS right ascension and declination to pixels counted from 0.

    Raises
    ------
    ImagingError
        If the cards hold no celestial world coordinates.
    """
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")
            wcs = WCS(header).celestial
    except Exception as error:
        raise ImagingError(f"the world coordinates cannot be read: {error}", reason="no-wcs") from error
    if wcs.naxis != 2 or not wcs.has_celestial or str(wcs.wcs.radesys).upper() not in {"ICRS", "FK5", ""}:
        raise ImagingError(
            "the frame has no celestial world coordinates: solve it, or register it by its stars", reason="no-wcs"
        )
    if str(wcs.wcs.ctype[0])[:4] != "RA--":
        raise ImagingError(
            f"the world coordinates are {wcs.wcs.ctype[0]} and {wcs.wcs.ctype[1]}; right ascension and declination "
            "are needed",
            reason="no-wcs",
        )

    def to_pixel(ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        x, y = wcs.all_world2pix(ra, dec, 0, quiet=True)
        return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)

    return to_pixel

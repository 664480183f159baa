"""World coordinates of any projection behind one protocol: our own gnomonic ones, others through astropy."""

import warnings as python_warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from astropy.io import fits

from pictor.imaging.astrometry.cards import Number, read_wcs
from pictor.imaging.astrometry.projection import Floats, Wcs, pixel_to_sky, sky_to_pixel

_NATIVE_POLE_DEG = 180.0
_BEYOND_OURS = ("PV1_", "PV2_", "CPDIS", "CQDIS", "DQ1", "DQ2", "D2IM")
"""Cards that bend a gnomonic projection in ways our own reader does not know."""


class Celestial(Protocol):
    """What leads from pixels to the sky and back."""

    def sky(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Find where pixels look at.

        Parameters
        ----------
        x, y
            FITS pixel positions (first pixel 1), shape (n,).

        Returns
        -------
        tuple
            Right ascension in [0, 360) and declination, ICRS, shape (n,), in degrees; NaN where a pixel sees no sky.
        """
        ...

    def pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Find the pixels that look at positions.

        Parameters
        ----------
        ra, dec
            ICRS positions, shape (n,), in degrees.

        Returns
        -------
        tuple
            FITS pixel positions x and y, shape (n,); NaN where the projection does not reach.
        """
        ...


@dataclass(frozen=True, slots=True)
class Gnomonic:
    """A TAN projection with or without SIP."""

    wcs: Wcs

    def sky(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Find where pixels look at; see `Celestial.sky`."""
        return pixel_to_sky(self.wcs, x, y)

    def pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Find the pixels that look at positions; see `Celestial.pixels`."""
        return sky_to_pixel(self.wcs, ra, dec)


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """Any other celestial projection, computed by `astropy.wcs.WCS`."""

    wcs: Any

    def sky(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Find where pixels look at; see `Celestial.sky`."""
        world = self.wcs.all_pix2world(np.column_stack([np.ravel(x), np.ravel(y)]), 1)
        lon, lat = world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat]
        ra, dec = _turned(self.wcs, lon, lat, to_icrs=True)
        return np.mod(ra, 360.0).reshape(np.shape(x)), dec.reshape(np.shape(x))

    def pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Find the pixels that look at positions; see `Celestial.pixels`."""
        lon, lat = _turned(self.wcs, np.ravel(np.asarray(ra, float)), np.ravel(np.asarray(dec, float)), to_icrs=False)
        world = np.empty((len(lon), 2))
        world[:, self.wcs.wcs.lng], world[:, self.wcs.wcs.lat] = lon, lat
        found = self.wcs.all_world2pix(world, 1, quiet=True)
        return found[:, 0].reshape(np.shape(ra)), found[:, 1].reshape(np.shape(ra))


def read_celestial(header: fits.Header | Mapping[str, Number]) -> Celestial | None:
    """Read the world coordinates of a header, whatever their projection.

    Parameters
    ----------
    header
        Cards of the frame.

    Returns
    -------
    Celestial or None
        Our own projection for TAN and TAN-SIP, astropy's for every other; None when the header holds no celestial
        coordinates that can be computed.
    """
    own = read_wcs(header)
    bent = any(keyword.startswith(_BEYOND_OURS) for keyword in header)
    if own is not None and not bent and float(header.get("LONPOLE") or _NATIVE_POLE_DEG) == _NATIVE_POLE_DEG:
        return Gnomonic(own)
    return _library(header)


def _library(header: fits.Header | Mapping[str, Number]) -> Library | None:
    from astropy.wcs import WCS, WcsError  # noqa: PLC0415 - wcslib takes 0.1 s to load, and most headers are gnomonic

    if "CTYPE1" not in header:
        return None
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        try:
            wcs = WCS(fits.Header(header), naxis=2)
            wcs.wcs.set()
            usable = wcs.has_celestial and np.isfinite(wcs.all_pix2world([wcs.wcs.crpix], 1)).all()
        except (WcsError, ValueError, KeyError, TypeError):
            return None
    return Library(wcs) if usable else None


def _turned(wcs: Any, lon: Floats, lat: Floats, *, to_icrs: bool) -> tuple[Floats, Floats]:  # noqa: ANN401 - no types
    """Turn positions between the frame of the header and ICRS; FK5 of J2000 is ICRS within 0.03 arcsec and kept."""
    from astropy.coordinates import ICRS, SkyCoord  # noqa: PLC0415 - half a second to load
    from astropy.wcs.utils import wcs_to_celestial_frame  # noqa: PLC0415

    frame = wcs_to_celestial_frame(wcs)
    if frame.name == "icrs" or (frame.name == "fk5" and abs(frame.equinox.jyear - 2000.0) < 1e-6):
        return lon, lat
    start, end = (frame, ICRS()) if to_icrs else (ICRS(), frame)
    turned = SkyCoord(lon, lat, unit="deg", frame=start).transform_to(end).spherical
    return np.asarray(turned.lon.deg), np.asarray(turned.lat.deg)

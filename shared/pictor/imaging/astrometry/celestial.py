"""World coordinates of any projection behind one protocol: our own gnomonic ones, others through astropy."""

import re
import warnings as python_warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from astropy.io import fits

from pictor.imaging.astrometry.cards import Number, matrix_of, number_of, read_wcs, sip_of
from pictor.imaging.astrometry.projection import Floats, Wcs, pixel_to_sky, sky_to_pixel

_NATIVE_POLE_DEG = 180.0
_BENDING = ("PV1_", "PV2_")
"""Cards that bend a gnomonic projection in ways our own reader does not know."""
_KIND = re.compile(
    r"(?P<axis>RA--|DEC-|GLON|GLAT|ELON|ELAT)-(?P<code>AZP|SZP|TAN|STG|SIN|ARC|ZPN|ZEA|AIR|CYP|CEA|CAR|MER|SFL|PAR|MOL"
    r"|AIT|COP|COE|COD|COO|BON|PCO|TSC|CSC|QSC|HPX|XPH|TPV)(?P<sip>-SIP)?\Z"
)
_AXES = ({"RA--", "DEC-"}, {"GLON", "GLAT"}, {"ELON", "ELAT"})
_SYSTEMS = frozenset({"ICRS", "FK5", "FK4", "FK4-NO-E"})
_LARGEST = 1e7
_MOST_PV = 29


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
    bent = any(keyword.startswith(_BENDING) for keyword in header)
    if own is not None and not bent and header.get("LONPOLE", _NATIVE_POLE_DEG) == _NATIVE_POLE_DEG:
        return Gnomonic(own)
    wcs = astropy_wcs(header)
    return None if wcs is None else Library(wcs)


def astropy_wcs(header: fits.Header | Mapping[str, Number]) -> Any:  # noqa: ANN401 - astropy ships no types
    """Make an `astropy.wcs.WCS` of a header whose cards may hold anything.

    The library that computes it writes beyond its buffers for some headers; it is therefore given none but a header of
    our own, of checked cards: celestial axes of a projection of the FITS standard [1]_ (or TPV), finite numbers, an
    invertible matrix, PV and SIP terms within their bounds.

    Parameters
    ----------
    header
        Cards of the frame.

    Returns
    -------
    astropy.wcs.WCS or None
        Of two axes; None when the header holds no celestial coordinates that can be computed.

    References
    ----------
    .. [1] Calabretta M. R., Greisen E. W., 2002, A&A 395, 1077.
    """
    checked = _checked(header)
    if checked is None:
        return None
    from astropy.wcs import WCS, WcsError  # noqa: PLC0415 - 0.1 s to load, and most headers are gnomonic

    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        try:
            wcs = WCS(checked, naxis=2)
            wcs.wcs.set()
            seen = wcs.all_pix2world([wcs.wcs.crpix], 1)
        except (WcsError, ValueError, KeyError, MemoryError):
            return None
    return wcs if wcs.has_celestial and np.isfinite(seen).all() else None


def _checked(header: fits.Header | Mapping[str, Number]) -> fits.Header | None:
    """Copy the cards of celestial coordinates that are as they should be; None without them."""
    kinds = [_KIND.match(str(header.get(f"CTYPE{axis}", "")).strip().upper()) for axis in (1, 2)]
    units = {str(header.get(f"CUNIT{axis}", "deg")).strip().lower() for axis in (1, 2)}
    if kinds[0] is None or kinds[1] is None or not units <= {"", "deg", "degree", "degrees"}:
        return None
    if kinds[0]["code"] != kinds[1]["code"] or {kinds[0]["axis"], kinds[1]["axis"]} not in _AXES:
        return None
    numbers = [number_of(header.get(f"{name}{axis}")) for name in ("CRVAL", "CRPIX") for axis in (1, 2)]
    matrix = matrix_of(header)
    if matrix is None or not all(abs(number) < _LARGEST for number in numbers):
        return None
    made = fits.Header()
    for axis, kind in enumerate(kinds, 1):
        made[f"CTYPE{axis}"], made[f"CUNIT{axis}"] = kind[0] if kind else "", "deg"
        made[f"CRVAL{axis}"], made[f"CRPIX{axis}"] = numbers[axis - 1], numbers[axis + 1]
        for column in (1, 2):
            made[f"CD{axis}_{column}"] = matrix[axis - 1][column - 1]
    return made if _add_frame(made, header) and _add_terms(made, header, kinds[0]) else None


def _add_frame(made: fits.Header, header: fits.Header | Mapping[str, Number]) -> bool:
    """Add reference system, equinox and native pole; False when one of them is none."""
    system = str(header.get("RADESYS", header.get("RADECSYS", ""))).strip().upper()
    if system in _SYSTEMS:
        made["RADESYS"] = system
    elif system:
        return False
    for keyword, (low, high) in {"EQUINOX": (1800.0, 2200.0), "LONPOLE": (-720, 720), "LATPOLE": (-90, 90)}.items():
        if keyword in header:
            value = number_of(header.get(keyword))
            if not low <= value <= high:
                return False
            made[keyword] = value
    return True


def _add_terms(made: fits.Header, header: fits.Header | Mapping[str, Number], kind: re.Match[str]) -> bool:
    """Add the parameters of the projection and of its distortion; False when one is none."""
    for axis, most in ((1, _MOST_PV if kind["code"] == "TPV" else 4), (2, _MOST_PV)):
        for term in range(most + 1):
            if f"PV{axis}_{term}" in header:
                value = number_of(header.get(f"PV{axis}_{term}"))
                if not abs(value) < _LARGEST:
                    return False
                made[f"PV{axis}_{term}"] = value
    if kind["code"] == "TPV":
        for keyword in ("PV1_1", "PV2_1"):
            made[keyword] = made.get(keyword, 1.0)
    sip = sip_of(header) if kind["sip"] else None
    for name, terms in (("A", sip.a), ("B", sip.b)) if sip else ():
        made[f"{name}_ORDER"] = sip.order if sip else 0
        for p, q, value in terms:
            made[f"{name}_{p}_{q}"] = value
    return sip is not None or not kind["sip"]


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

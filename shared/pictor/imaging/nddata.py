"""Between frames and the containers of astropy: NDData, CCDData, Quantity, masked arrays."""

import warnings as python_warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, NDData, StdDevUncertainty
from astropy.wcs import WCS
from numpy.typing import NDArray

from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.types import Mask

if TYPE_CHECKING:
    from pictor.imaging.frame import Frame

_BAD = 1
Parts = tuple[NDArray[np.number], NDArray[np.floating] | None, Mask | None, fits.Header, str]
"""Data, error, mask, header and unit."""


def parts_of(other: Any) -> Parts:  # noqa: ANN401 - anything that holds pixels
    """Take apart what holds pixels; see `pictor.imaging.frame.Frame.from_nddata`.

    Raises
    ------
    TypeError
        If the values are not real numbers.
    """
    if isinstance(other, NDData):
        data, unit = np.asarray(other.data), _spelled(other.unit)
        return data, _deviation(other), _bits(other), _header(other), unit
    unit = _spelled(other.unit) if isinstance(other, u.Quantity) else "adu"
    data = np.asarray(other.value if isinstance(other, u.Quantity) else other)
    if data.dtype.kind not in "uifb":
        raise TypeError(f"pixels are real numbers, not {data.dtype}")
    hidden = np.ma.getmaskarray(other) if isinstance(other, np.ma.MaskedArray) else None
    return data, None, _flattened(hidden), fits.Header(), unit


def ccddata_of(frame: "Frame") -> CCDData:
    """Make a CCDData; see `pictor.imaging.frame.Frame.to_ccddata`."""
    uncertainty = None if frame.err is None else StdDevUncertainty(frame.err)
    mask = None if frame.mask is None else np.broadcast_to(frame.mask != 0, frame.data.shape)
    unit = u.Unit(frame.unit) if frame.unit else u.dimensionless_unscaled
    made = CCDData(frame.data, unit=unit, uncertainty=uncertainty, mask=mask, meta=frame.header, wcs=_wcs(frame.header))
    made.flags = frame.mask
    return made


def _spelled(unit: u.UnitBase | None) -> str:
    if unit is None:
        return "adu"
    if unit in {u.adu, u.ct}:
        return "adu"
    return str(unit.to_string())


def _deviation(other: NDData) -> NDArray[np.floating] | None:
    """Read the uncertainty as a standard deviation in the unit of the data."""
    if other.uncertainty is None:
        return None
    found = other.uncertainty.represent_as(StdDevUncertainty)
    values: NDArray[np.floating] = np.asarray(found.array, dtype=np.float32)
    if found.unit is not None and other.unit is not None and found.unit != other.unit:
        values *= np.float32(found.unit.to(other.unit))
    return values


def _bits(other: NDData) -> Mask | None:
    flags = getattr(other, "flags", None)
    if flags is not None and np.asarray(flags).dtype == np.uint8:
        return np.asarray(flags)
    return None if other.mask is None else _flattened(np.broadcast_to(other.mask, np.shape(other.data)))


def _flattened(hidden: NDArray[np.bool_] | None) -> Mask | None:
    """Turn a boolean mask into bits of shape (ny, nx); a pixel is bad when any of its planes is."""
    if hidden is None:
        return None
    bad = hidden.any(axis=0) if hidden.ndim == 3 else hidden
    return np.asarray(bad, dtype=np.uint8) * np.uint8(_BAD)


def _header(other: NDData) -> fits.Header:
    header = fits.Header(other.meta)
    if other.wcs is not None and not any(is_stale(keyword) for keyword in header):
        header.update(other.wcs.to_header(relax=True))
    return header


def _wcs(header: fits.Header) -> WCS | None:
    if "CTYPE1" not in header:
        return None
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        try:
            return WCS(header, naxis=2)
        except (ValueError, KeyError):
            return None

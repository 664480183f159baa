"""Between frames and the containers of astropy: NDData, CCDData, Quantity, masked arrays."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, NDData, StdDevUncertainty, UnknownUncertainty
from numpy.typing import NDArray

from pictor.imaging.astrometry.celestial import astropy_wcs
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.types import Mask
from pictor.imaging.units import spelled

if TYPE_CHECKING:
    from pictor.imaging.frame import Frame

Parts = tuple[NDArray[np.number], NDArray[np.floating] | None, Mask | None, fits.Header, str]
"""Data, error, mask, header and unit."""


def parts_of(other: Any) -> Parts:  # noqa: ANN401 - anything that holds pixels
    """Take apart what holds pixels; see `pictor.imaging.frame.Frame.from_nddata`.

    Raises
    ------
    FrameMismatchError
        If the values are not real numbers.
    ImagingError
        If the uncertainty is of no known kind.
    """
    if isinstance(other, NDData):
        data = _numbers(other.data)
        return data, _deviation(other), _bits(other, data.shape), _header(other), _spelled(other.unit)
    unit = _spelled(other.unit) if isinstance(other, u.Quantity) else "adu"
    data = _numbers(other.value if isinstance(other, u.Quantity) else other)
    hidden = np.ma.getmaskarray(other) if isinstance(other, np.ma.MaskedArray) else None
    return data, None, _flattened(hidden), fits.Header(), unit


def ccddata_of(frame: "Frame") -> CCDData:
    """Make a CCDData; see `pictor.imaging.frame.Frame.to_ccddata`."""
    shape = frame.data.shape
    uncertainty = None if frame.err is None else StdDevUncertainty(frame.err)
    mask = None if frame.mask is None else np.array(np.broadcast_to(frame.mask != 0, shape))
    unit = u.Unit(frame.unit, parse_strict="silent") if frame.unit else u.dimensionless_unscaled
    header = frame.header.copy(strip=True)
    made = CCDData(
        frame.data, unit=unit, uncertainty=uncertainty, mask=mask, meta=header, wcs=astropy_wcs(frame.header)
    )
    made.flags = None if frame.mask is None else np.array(np.broadcast_to(frame.mask, shape))
    return made


def _numbers(values: Any) -> NDArray[np.number]:  # noqa: ANN401 - anything numpy takes
    data = np.asarray(values)
    if data.dtype.kind not in "uifb":
        raise FrameMismatchError(f"pixels are real numbers, not {data.dtype}")
    return data


def _spelled(unit: u.UnitBase | None) -> str:
    return "adu" if unit is None else spelled(unit.to_string())


def _deviation(other: NDData) -> NDArray[np.floating] | None:
    """Read the uncertainty as a standard deviation in the unit of the data; it is not changed."""
    found = other.uncertainty
    if found is None or found.array is None:
        return None
    if isinstance(found, UnknownUncertainty):
        raise ImagingError(
            "the uncertainty is of no known kind; give a StdDevUncertainty, VarianceUncertainty or InverseVariance",
            reason="unknown-uncertainty",
        )
    with np.errstate(divide="ignore"):
        deviation = found.represent_as(StdDevUncertainty)
    values = np.asarray(deviation.array)
    factor = 1.0
    if deviation.unit is not None and other.unit is not None and deviation.unit != other.unit:
        factor = float(deviation.unit.to(other.unit))
    kind = values.dtype if values.dtype in {np.float32, np.float64} else np.float32
    scaled: NDArray[np.floating] = values.astype(kind) if factor == 1.0 else (values * factor).astype(kind)
    return scaled


def _bits(other: NDData, shape: tuple[int, ...]) -> Mask | None:
    """Join the bits of the flags with the mask, which somebody may have changed since."""
    flags = getattr(other, "flags", None)
    told = None if flags is None or np.asarray(flags).dtype != np.uint8 else np.asarray(flags)
    bits = None if told is None else (np.bitwise_or.reduce(told, axis=0) if told.ndim == 3 else told)
    hidden = None if other.mask is None else _flattened(np.broadcast_to(np.asarray(other.mask, np.bool_), shape))
    if bits is None or hidden is None:
        return hidden if bits is None else bits
    return np.where(bits == 0, hidden, bits).astype(np.uint8)


def _flattened(hidden: NDArray[np.bool_] | None) -> Mask | None:
    """Turn a boolean mask into bits of shape (ny, nx); a pixel is bad when any of its planes is."""
    if hidden is None:
        return None
    bad = hidden.any(axis=0) if hidden.ndim == 3 else hidden
    return np.asarray(bad, dtype=np.uint8)


def _header(other: NDData) -> fits.Header:
    """Keep of the meta what cards can hold; the WCS counts before cards of an older one."""
    header = _cards(other.meta)
    found = None if other.wcs is None else _wcs_cards(other.wcs)
    if found is None:
        return header
    told = astropy_wcs(header)
    if told is not None and told.to_header_string(relax=True) == other.wcs.to_header_string(relax=True):
        return header
    for keyword in {keyword for keyword in header if is_stale(keyword)}:
        header.remove(keyword, remove_all=True)
    header.extend(found, update=True)
    return header


def _wcs_cards(wcs: Any) -> fits.Header | None:  # noqa: ANN401 - any of astropy's many WCS classes
    """Write a WCS as cards; None for one that has none, such as a sliced or generalised one."""
    if not hasattr(wcs, "to_header"):
        return None
    found: fits.Header = wcs.to_header(relax=True)
    return found


def _cards(meta: Mapping[str, Any]) -> fits.Header:
    """Copy a header, or make one of the entries FITS cards can hold."""
    if isinstance(meta, fits.Header):
        return meta.copy()
    header = fits.Header()
    for name, value in dict(meta).items():
        plain = value.item() if isinstance(value, np.generic) else value
        if not isinstance(plain, str | int | float | bool | None):
            continue
        keyword = str(name) if len(str(name)) <= _LONGEST else f"HIERARCH {name}"
        try:
            header[keyword] = plain
        except (ValueError, TypeError):
            continue
    return header


_LONGEST = 8

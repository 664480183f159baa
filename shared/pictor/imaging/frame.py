"""A frame in memory: pixels with their error, mask, header and unit; from and to FITS files and CCDData."""

import warnings as python_warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, Union

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.astrometry.projection import Wcs
from pictor.imaging.errors import FrameMismatchError, UnreadableFrameError
from pictor.imaging.fits.reading import FrameFile, read_frame
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.scratch import scratch_folder
from pictor.imaging.types import Image, Mask
from pictor.imaging.units import spelled

if TYPE_CHECKING:
    from astropy.nddata import NDData

FrameLike: TypeAlias = Union["Frame", "NDData", NDArray[np.number]]
"""What stages take: a frame, an NDData or CCDData, a Quantity, a masked or a bare array; see `Frame.from_nddata`."""

BAD, SATURATED, LOW_FLAT, HIT, NO_DATA, NON_LINEAR = 1, 2, 4, 8, 16, 32
"""Bits of the mask."""

_ERR, _FOREIGN_ERR, _MASK = "ERR", "UNCERT", "MASK"
_DEVIATION: dict[str, Callable[[Image], Image]] = {
    "VAR": np.sqrt,
    "IVM": lambda values: 1 / np.sqrt(values),
    "STD": lambda values: values,
    "": lambda values: values,
}
"""How a plane of errors becomes standard deviations, by the first letters of UTYPE as CCDData writes it."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Pixels of one frame and what is known about them.

    Parameters
    ----------
    data
        Shape (ny, nx), or (planes, ny, nx) for colour, any real type.
    err
        Standard deviation of each value, same shape and unit; None where it is not known.
    mask
        Bits as in `pictor.imaging.types.Mask`, shape (ny, nx); None: all pixels are good. A boolean one becomes bit 1.
    header
        Cards of the frame; no structural ones are needed.
    unit
        Unit of data and err as `astropy.units` spells it, lower case: ``adu``, ``electron``, ``adu / s``, or empty
        for ratios such as a flat.

    Raises
    ------
    FrameMismatchError
        If the planes differ in shape, data has neither two nor three axes, or its values are no real numbers.
    """

    data: NDArray[np.number]
    err: NDArray[np.floating] | None = None
    mask: Mask | None = None
    header: fits.Header = field(default_factory=fits.Header)
    unit: str = "adu"

    def __post_init__(self) -> None:
        if self.data.dtype.kind not in "uifb":
            raise FrameMismatchError(f"pixels are real numbers, not {self.data.dtype}")
        for name in ("data", "err"):
            values = getattr(self, name)
            if values is not None and not values.dtype.isnative:
                object.__setattr__(self, name, values.astype(values.dtype.newbyteorder("=")))
        if self.mask is not None and self.mask.dtype != np.uint8:
            object.__setattr__(self, "mask", bits_of(self.mask))
        if self.data.ndim not in {2, 3} or self.data.size == 0:
            raise FrameMismatchError(f"a frame has 2 axes, or 3 with colour; this one has shape {self.data.shape}")
        if self.err is not None and self.err.shape != self.data.shape:
            raise FrameMismatchError(f"the error {self.err.shape} and the data {self.data.shape} differ in shape")
        if self.mask is not None and self.mask.shape != self.data.shape[-2:]:
            raise FrameMismatchError(f"the mask {self.mask.shape} and the data {self.data.shape} differ in shape")

    def __repr__(self) -> str:
        """Show a notebook one line instead of all pixels and cards."""
        planes = [name for name in ("err", "mask") if getattr(self, name) is not None]
        cards = [f"{key}={self.header[key]!r}" for key in ("OBJECT", "FILTER", "EXPTIME") if key in self.header]
        told = [f"{self.data.dtype} {self.data.shape}", self.unit or "no unit", *planes, *cards]
        return f"Frame({', '.join(told)})"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns (ny, nx)."""
        return self.data.shape[-2], self.data.shape[-1]

    @property
    def wcs(self) -> Wcs | None:
        """Gnomonic world coordinates of the header; None when it has none that can be read."""
        return read_wcs(self.header)

    def real(self) -> Image:
        """Give the pixels as float32, or float64 where that would lose digits; NaN where the mask says no data."""
        values: Image = self.data.astype(np.float64 if loses_digits(self.data.dtype) else np.float32)
        if self.mask is not None:
            values[..., (self.mask & NO_DATA) != 0] = np.nan
        return values

    def plane(self) -> "Frame":
        """Give a frame of two axes: itself, or the mean of its colour planes."""
        if self.data.ndim == 2:
            return self
        err = None if self.err is None else np.sqrt(np.sum(np.square(self.err), axis=0)) / self.err.shape[0]
        return replace(self, data=self.real().mean(axis=0), err=err)

    @classmethod
    def from_fits(cls, path: Path | str) -> Self:
        """Read a FITS file, plain, tile-compressed (.fz), gzipped, or XISF.

        Planes ERR (or UNCERT, as CCDData writes it, of any kind) and MASK are read where they have the shape of the
        image. A mask of bytes holds our bits; of a wider one all but 0 becomes bit 1. A cube of one plane is a plane.

        Parameters
        ----------
        path
            The file. It is scanned before any library opens it.

        Raises
        ------
        UnreadableFrameError
            Whatever is wrong with the file, with its reason class.
        """
        path = Path(path)
        with scratch_folder() as scratch:
            plain = unpack(path, scratch).path
            found = read_frame(plain)
            planes = _planes(plain, found) if found.hdus > 1 else {}
        data = found.data[0] if found.data.ndim == 3 and found.data.shape[0] == 1 else found.data
        return cls(data, planes.get(_ERR), planes.get(_MASK), found.header, unit_of(found.header))

    @classmethod
    def from_nddata(cls, other: Any) -> Self:  # noqa: ANN401 - NDData, CCDData and bare arrays; none of them is typed
        """Take over an NDData, CCDData, Quantity, masked array or array; values in native byte order are not copied.

        Parameters
        ----------
        other
            Its uncertainty may be a standard deviation, a variance or an inverse variance; its mask becomes bit 1,
            beside the bits its ``flags`` hold. Masked elements of a masked array become bit 1 too. Without a unit it is
            in adu. Of its meta, what FITS cards can hold is kept; its WCS counts before cards of its meta.

        Raises
        ------
        FrameMismatchError
            If its planes differ in shape, or its values are no real numbers.
        ImagingError
            If its uncertainty is of no known kind.
        """
        if isinstance(other, cls):
            return other
        from pictor.imaging.nddata import parts_of  # noqa: PLC0415 - CCDData takes 0.2 s to import

        data, err, mask, header, unit = parts_of(other)
        return cls(data, err, mask, header, unit)

    def to_ccddata(self) -> Any:  # noqa: ANN401 - astropy ships no types
        """Give an `astropy.nddata.CCDData` with unit, standard deviation, mask (any bit), flags (the bits) and WCS."""
        from pictor.imaging.nddata import ccddata_of  # noqa: PLC0415 - CCDData takes 0.2 s to import

        return ccddata_of(self)


def unit_of(header: fits.Header) -> str:
    """Read the unit of the pixels: BUNIT; without one ADU, and none for a master flat.

    Parameters
    ----------
    header
        Cards of a frame.

    Returns
    -------
    str
        As `pictor.imaging.units.spelled` gives it; empty for ratios.
    """
    told = str(header.get("BUNIT", "")).strip()
    if told:
        return spelled(told)
    return "" if str(header.get("IMAGETYP", "")).strip().lower() == "master flat" else "adu"


def loses_digits(kind: np.dtype[Any]) -> bool:
    """Tell whether float32 cannot hold every value of a kind."""
    return kind.itemsize > 4 or (kind.itemsize == 4 and kind.kind in "iu")


def _planes(path: Path, image: FrameFile) -> dict[str, Any]:
    """Read the error and mask planes that lie beside an image.

    Raises
    ------
    UnreadableFrameError
        If one of them cannot be read.
    """
    found: dict[str, Any] = {}
    shape = image.data.shape[1:] if image.data.shape[0] == 1 and image.data.ndim == 3 else image.data.shape
    try:
        with python_warnings.catch_warnings(), fits.open(path, memmap=False, lazy_load_hdus=True) as units:
            python_warnings.simplefilter("ignore")
            for number, unit in enumerate(units):
                name = str(unit.name).upper()
                if number == image.hdu or name not in {_ERR, _FOREIGN_ERR, _MASK} or not unit.is_image:
                    continue
                if name == _MASK and unit.shape and unit.shape[-2:] == shape[-2:]:
                    found[_MASK] = bits_of(unit.data)
                elif name != _MASK and unit.shape in {shape, (1, *shape)}:
                    found.setdefault(_ERR, _deviation(unit, shape, image.data.dtype))
    except (OSError, ValueError, TypeError, AttributeError, IndexError, KeyError, fits.VerifyError) as error:
        raise UnreadableFrameError(
            f"The planes beside the image cannot be read: {error}.", reason="bad-planes"
        ) from error
    return found


def _deviation(unit: fits.ImageHDU, shape: tuple[int, ...], like: np.dtype[Any]) -> NDArray[np.floating] | None:
    """Read a plane of errors; None where it does not say which kind they are of."""
    change = _DEVIATION.get(str(unit.header.get("UTYPE", "")).strip().upper()[:3])
    if change is None and str(unit.header.get("UTYPE", "")).upper().startswith("INVERSEVAR"):
        change = _DEVIATION["IVM"]
    if change is None:
        return None
    wide = np.float64 if like == np.float64 else np.float32
    with np.errstate(all="ignore"):
        values: NDArray[np.floating] = change(np.asarray(unit.data, dtype=np.float64)).astype(wide)
    return values.reshape(shape)


def bits_of(mask: NDArray[Any]) -> Mask:
    """Turn a mask of any kind into our bits.

    Parameters
    ----------
    mask
        Shape (ny, nx), or (planes, ny, nx): then what any plane says holds. Bytes are bits already; of booleans and
        wider integers, whose bits mean something else, all but 0 become bit 1.

    Returns
    -------
    numpy.ndarray
        uint8, shape (ny, nx).
    """
    bits = np.asarray(mask)
    if bits.dtype != np.uint8:
        bits = (bits != 0).astype(np.uint8) * np.uint8(BAD)
    flat: Mask = np.ascontiguousarray(np.bitwise_or.reduce(bits, axis=0) if bits.ndim == 3 else bits)
    return flat

"""A frame in memory: pixels with their error, mask, header and unit; from and to FITS files and CCDData."""

import warnings as python_warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.astrometry.projection import Wcs
from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.types import Image, Mask

if TYPE_CHECKING:
    from astropy.nddata import NDData

FrameLike: TypeAlias = "Frame | NDData | NDArray[np.number]"
"""What stages take: a frame, an NDData or CCDData, a Quantity, a masked or a bare array; see `Frame.from_nddata`."""

BAD, SATURATED, LOW_FLAT, HIT, NO_DATA, NON_LINEAR = 1, 2, 4, 8, 16, 32
"""Bits of the mask."""

_ADU = frozenset({"adu", "count", "counts", "ct", "dn"})
_ERR, _FOREIGN_ERR, _MASK = "ERR", "UNCERT", "MASK"


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
        Bits as in `pictor.imaging.types.Mask`, shape (ny, nx); None: all pixels are good.
    header
        Cards of the frame; no structural ones are needed.
    unit
        Unit of data and err as `astropy.units` spells it, lower case: ``adu``, ``electron``, ``adu / s``, or empty
        for ratios such as a flat.

    Raises
    ------
    FrameMismatchError
        If the planes differ in shape, or data has neither two nor three axes.
    """

    data: NDArray[np.number]
    err: NDArray[np.floating] | None = None
    mask: Mask | None = None
    header: fits.Header = field(default_factory=fits.Header)
    unit: str = "adu"

    def __post_init__(self) -> None:
        if self.data.ndim not in {2, 3} or self.data.size == 0:
            raise FrameMismatchError(f"a frame has 2 axes, or 3 with colour; this one has shape {self.data.shape}")
        if self.err is not None and self.err.shape != self.data.shape:
            raise FrameMismatchError(f"the error {self.err.shape} and the data {self.data.shape} differ in shape")
        if self.mask is not None and self.mask.shape != self.data.shape[-2:]:
            raise FrameMismatchError(f"the mask {self.mask.shape} and the data {self.data.shape} differ in shape")

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
        wide = self.data.dtype.itemsize > 4 or (self.data.dtype.itemsize == 4 and self.data.dtype.kind in "iu")
        values: Image = self.data.astype(np.float64 if wide else np.float32)
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

        Planes ERR (or UNCERT, as CCDData writes it) and MASK are read where they have the shape of the image.

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
        with TemporaryDirectory(prefix="pictor-") as scratch:
            plain = unpack(path, Path(scratch)).path
            found = read_frame(plain)
            planes = _planes(plain, found.data.shape[-2:])
        mask = planes.get(_MASK)
        return cls(found.data, planes.get(_ERR), mask, found.header, unit_of(found.header))

    @classmethod
    def from_nddata(cls, other: Any) -> Self:  # noqa: ANN401 - NDData, CCDData and bare arrays; none of them is typed
        """Take over an NDData, CCDData, Quantity, masked array or array; the values are not copied.

        Parameters
        ----------
        other
            Its uncertainty may be a standard deviation, a variance or an inverse variance; its mask becomes bit 1,
            unless its ``flags`` hold our bits. Masked elements of a masked array become bit 1 too.

        Raises
        ------
        FrameMismatchError
            If its planes differ in shape.
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
    """Read the unit of the pixels: BUNIT; without one ADU, and none for a master flat."""
    told = str(header.get("BUNIT", "")).strip().lower()
    if not told:
        return "" if str(header.get("IMAGETYP", "")).strip().lower() == "master flat" else "adu"
    return "adu" if told in _ADU else told


def _planes(path: Path, shape: tuple[int, ...]) -> dict[str, Any]:
    """Read the error and mask planes that lie beside an image."""
    found: dict[str, Any] = {}
    with python_warnings.catch_warnings(), fits.open(path, memmap=False, lazy_load_hdus=True) as units:
        python_warnings.simplefilter("ignore")
        for unit in units:
            name = str(unit.name).upper()
            if not unit.is_image or not unit.shape or unit.shape[-2:] != shape:
                continue
            if name in {_ERR, _FOREIGN_ERR}:
                found[_ERR] = np.ascontiguousarray(unit.data, dtype=np.float32)
            elif name == _MASK:
                found[_MASK] = np.ascontiguousarray(unit.data).astype(np.uint8)
    return found

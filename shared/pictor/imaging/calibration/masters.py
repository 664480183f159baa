"""Masters as FITS: science plane first, then error, mask and count."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.planes import Plane, row_chunks, write_planes
from pictor.imaging.errors import FrameMismatchError, ImagingError, UnreadableFrameError
from pictor.imaging.fits.cards import Card as StoredCard
from pictor.imaging.headers.stacks import read_stack
from pictor.imaging.types import Mask


class Kind(StrEnum):
    """What a master calibrates."""

    BIAS = "bias"
    DARK = "dark"
    FLAT = "flat"
    FLAT_DARK = "flat-dark"


IMAGE_TYPE = {
    Kind.BIAS: "Master Bias",
    Kind.DARK: "Master Dark",
    Kind.FLAT: "Master Flat",
    Kind.FLAT_DARK: "Master Dark",
}
"""A flat-dark is a dark to every other program; its role is in CALROLE."""

COPIED = (
    "TELESCOP", "INSTRUME", "CAMERAID", "OBSERVAT", "SITENAME", "EXPTIME", "EXPOSURE", "XBINNING", "YBINNING", "GAIN",
    "OFFSET", "EGAIN", "READOUTM", "USBLIMIT", "XPIXSZ", "YPIXSZ", "SET-TEMP", "CCD-TEMP", "FILTER", "FWHEEL",
    "ROTATANG", "BAYERPAT", "XBAYROFF", "YBAYROFF", "ROWORDER", "XORGSUBF", "YORGSUBF", "FOCALLEN", "SWCREATE",
)  # fmt: skip
"""Cards that describe the camera mode; the sky and the clock of one exposure do not describe a master."""

Card = tuple[str, str | int | float | bool | None, str]
"""Keyword, value and comment of one header card."""


@dataclass(frozen=True)
class Master:
    """A master; planes have shape (ny, nx), bias and dark in ADU, a flat relative to 1."""

    sci: NDArray[np.float32]
    err: NDArray[np.float32]
    mask: Mask
    nused: NDArray[np.uint8]
    header: fits.Header

    @property
    def holds_bias(self) -> bool:
        """Whether the bias level is still inside a dark."""
        return bool(self.header.get("DARKBIAS", False))

    @property
    def exposure_s(self) -> float | None:
        """Exposure of each input, in seconds."""
        found = self.header.get("EXPTIME", self.header.get("EXPOSURE"))
        return float(found) if isinstance(found, int | float) else None


def master_header(first: Sequence[Card], cards: Sequence[Card], history: Sequence[str]) -> fits.Header:
    """Make the primary header of a master from the cards of the first input, its own cards and its history."""
    header = fits.Header()
    for key, value, comment in (*(card for card in first if card[0] in COPIED), *cards):
        header[key] = (value, comment)
    for line in history:
        header.add_history(line)
    return header


def write_master(path: Path, master: Master) -> None:
    """Write a master with checksums; the same planes and header give the same bytes."""
    planes = [
        Plane("SCI", "f4", lambda rows: master.sci[rows]),
        Plane("ERR", "f4", lambda rows: master.err[rows]),
        Plane("MASK", "u1", lambda rows: master.mask[rows]),
        Plane("NUSED", "u1", lambda rows: master.nused[rows]),
    ]
    write_planes(path, master.header, planes, (master.sci.shape[0], master.sci.shape[1]))


def read_master(path: Path, *, planes: Sequence[str] = ("ERR", "MASK", "NUSED")) -> Master:
    """Read a master of ours, or the first plane of a foreign one: then the error is 0 and the mask empty.

    Parameters
    ----------
    path
        FITS file.
    planes
        Planes needed beside the science plane; the others are left zero and cost no memory.

    Raises
    ------
    UnreadableFrameError
        If the file is no FITS image.
    FrameMismatchError
        If it has not two axes.
    """
    try:
        with fits.open(path, memmap=False) as units:
            image = next(unit for unit in units if unit.is_image and unit.shape)
            sci = _native(image.data)
            named = {unit.name: unit.data for unit in units if unit.name in planes}
            header = units[0].header if image is units[0] else units[0].header + image.header
    except (OSError, StopIteration, TypeError, AttributeError) as error:
        raise UnreadableFrameError(f"{path.name} is not a master that can be read: {error}") from error
    if sci.ndim != 2:
        raise FrameMismatchError(f"{path.name} has {sci.ndim} axes; a master has two")
    err = _native(named["ERR"]) if "ERR" in named else np.zeros(sci.shape, np.float32)
    mask, nused = (
        np.ascontiguousarray(named[name], dtype=np.uint8) if name in named else np.zeros(sci.shape, np.uint8)
        for name in ("MASK", "NUSED")
    )
    return Master(sci, err, mask, nused, header)


def _native(data: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return the data as native float32, swapped in place where that is enough."""
    if data.dtype == np.dtype(">f4") and data.flags.writeable and data.flags.c_contiguous:
        swapped: NDArray[np.float32] = data.byteswap(inplace=True).view(np.float32)
        return swapped
    return np.ascontiguousarray(data, dtype=np.float32)


def read_strips(path: Path, ranges: Sequence[tuple[int, int]], shape: tuple[int, int]) -> Master:
    """Read only some rows (first, end) of a master, one range below the other.

    Raises
    ------
    FrameMismatchError
        If the master does not have ``shape``.
    """
    with fits.open(path) as units:
        planes = {unit.name: unit for unit in units if unit.is_image and unit.shape}
        sci = units[0] if units[0].shape else next(iter(planes.values()))
        if tuple(sci.shape) != shape:
            raise FrameMismatchError(f"{path.name} is {sci.shape[1]} x {sci.shape[0]}, not {shape[1]} x {shape[0]}")

        def rows(unit: fits.ImageHDU | None) -> NDArray[np.float32]:
            parts = [unit.section[a:b] if unit else np.zeros((b - a, shape[1])) for a, b in ranges]
            return np.concatenate(parts).astype(np.float32)

        mask, nused = (rows(planes.get(name)).astype(np.uint8) for name in ("MASK", "NUSED"))
        return Master(rows(sci), rows(planes.get("ERR")), mask, nused, units[0].header)


def holds_bias(header: fits.Header, level: float, bias_level: float | None) -> bool:
    """Tell whether the bias is still inside a dark, from its header and by value.

    DARKBIAS says it, else the letters of CALSTAT (MaxIm DL: 'M' is a master dark with its bias, 'BM' one without).

    Parameters
    ----------
    header
        Header of the master dark.
    level
        Its median, in ADU.
    bias_level
        Level of the bias, in ADU; None when unknown.

    Returns
    -------
    bool
        True when the dark may be subtracted from a frame that still has its bias.

    Raises
    ------
    ImagingError
        If header and pixels contradict each other, or neither tells.
    """
    removed = read_stack(_readable(header)).bias_removed
    told = None if removed is None else not removed
    seen = None if not bias_level else level > bias_level / 2
    if told is None and seen is None:
        raise ImagingError(
            f"the master dark (level {level:.1f} ADU) does not say whether the bias is inside it; "
            "give the master bias as well, or set the card DARKBIAS of the dark to T or F",
            reason="dark-bias-unknown",
        )
    if told is not None and seen is not None and bool(told) != seen:
        raise ImagingError(
            f"the master dark says {_said(header, holds=bool(told))}, but its level is {level:.1f} ADU "
            f"and the bias {bias_level:.1f} ADU",
            reason="dark-bias-contradiction",
        )
    return bool(told) if seen is None else seen


def _readable(header: fits.Header) -> Iterator[StoredCard]:
    """List the cards that can be read; what others wrote may hold some that cannot."""
    for card in header.cards:
        with suppress(fits.VerifyError, ValueError):
            yield StoredCard(card.keyword, card.value, card.comment)


def _said(header: fits.Header, *, holds: bool) -> str:
    """Name the card that says whether the bias is inside."""
    if isinstance(header.get("DARKBIAS"), bool):
        return f"DARKBIAS = {'T' if holds else 'F'}"
    return f"CALSTAT = '{header['CALSTAT']}'" if header.get("CALSTAT") else f"its bias is {'in' if holds else 'off'}"


def bias_level(path: Path) -> float:
    """Return the level of a master bias, in ADU: of its frames where it lists them, else of its pixels.

    Parameters
    ----------
    path
        FITS file.
    """
    header = fits.getheader(path)
    levels = [float(header[f"IN{i:03d}LEV"]) for i in range(1, 1000) if f"IN{i:03d}LEV" in header]
    if levels:
        return float(median(levels))
    return float(np.median(read_master(path, planes=()).sci))


def write_map(path: Path, bad: Mask, header: fits.Header) -> None:
    """Write a bad-pixel map: 8-bit, 1 where a mask has that bit, in the first plane so that any viewer shows it."""
    shape = bad.shape[0], bad.shape[1]
    own = fits.Header()
    for key in ("INSTRUME", "XBINNING", "YBINNING", "CAMERAID", "SET-TEMP", "DATE-OBS"):
        if key in header:
            own[key] = header[key]
    own["IMAGETYP"] = ("Bad Pixel Map", "1 marks a bad pixel")
    count = sum(int(np.count_nonzero(bad[rows] & 1)) for rows in row_chunks(shape))
    own["NBAD"] = (count, "bad pixels")
    write_planes(path, own, [Plane("BADPIX", "u1", lambda rows: bad[rows] & 1)], shape)

"""Pixels of an uncompressed image, read and scaled."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.cards import Card, CardValue
from pictor.imaging.fits.structure import Hdu

Pixels = NDArray[np.number]
"""Pixels as read, shape (ny, nx) or (planes, ny, nx), native byte order."""

APPLIED = ("BSCALE", "BZERO", "BLANK")
"""What stands for numbers in another scale, and is gone once it was applied."""

_PIECE = 1 << 19
"""Pixels read and turned at once: a megabyte of 16-bit ones stays in the second-level cache."""

_STORED = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_SHIFTED: dict[int, tuple[int, type[np.integer[Any]]]] = {
    8: (-128, np.int8), 16: (2**15, np.uint16), 32: (2**31, np.uint32), 64: (2**63, np.uint64)
}  # fmt: skip
_SCALED = {8: np.float32, 16: np.float32, 32: np.float64, 64: np.float64, -32: np.float32, -64: np.float64}


@dataclass(frozen=True, slots=True)
class Scaling:
    """How stored numbers become ADU."""

    zero: float
    scale: float
    blank: int | None

    @classmethod
    def of(cls, cards: tuple[Card, ...], bitpix: int, warnings: list[str]) -> "Scaling":
        """Read BZERO, BSCALE and BLANK of an image; what is odd about them goes into the warnings."""
        values = {card.keyword: card.value for card in reversed(cards) if card.keyword in APPLIED}
        zero, scale = _number(values.get("BZERO"), 0.0), _number(values.get("BSCALE"), 1.0)
        if scale == 0 or not (math.isfinite(zero) and math.isfinite(scale)):
            raise UnreadableFrameError(
                f"BSCALE {values.get('BSCALE')!r} and BZERO {values.get('BZERO')!r} do not scale pixels; "
                "where pixels stand for themselves the cards are 1 and 0, or not there.",
                reason="bad-scaling",
            )
        if bitpix < 0 and zero:
            warnings.append(
                f"floating-point pixels carry BZERO {zero:g}, probably left behind by a conversion; it is applied"
            )
        blank = values.get("BLANK")
        return cls(zero, scale, blank if isinstance(blank, int) and bitpix > 0 else None)


def _number(value: CardValue, default: float) -> float:
    if value is None:
        return default
    try:
        return float(value)
    except ValueError:
        return math.nan


def read_plain(path: Path, image: Hdu, scaling: Scaling) -> Pixels:
    """Read an uncompressed image; pieces are put into native order while they are in the cache, by two threads.

    Parameters
    ----------
    path, image
        The file and its image.
    scaling
        What is done to the stored numbers.

    Returns
    -------
    numpy.ndarray
        Pixels in ADU, of the shape of the image.

    Raises
    ------
    UnreadableFrameError
        If the file ends inside the pixels.
    """
    stored = np.dtype(_STORED[image.bitpix])
    native = np.empty(math.prod(image.shape), stored.newbyteorder("="))
    flip = _flipped(scaling, image.bitpix)

    def read(first: int) -> bool:
        piece = native[first : first + _PIECE]
        whole = _filled(file.fileno(), image.data_offset + first * stored.itemsize, piece)
        if not stored.isnative:
            piece.byteswap(inplace=True)
        if flip is not None:
            unsigned = piece.view(flip.dtype)
            np.bitwise_xor(unsigned, flip, out=unsigned)
        return whole

    with path.open("rb") as file, ThreadPoolExecutor(2) as pool:
        if not all(pool.map(read, range(0, native.size, _PIECE))):
            raise UnreadableFrameError("The file ends inside the pixels.", reason="data-truncated")
    if flip is not None:
        return native.view(_SHIFTED[image.bitpix][1]).reshape(image.shape)
    return _apply(native.reshape(image.shape), scaling, image.bitpix)


def _filled(descriptor: int, position: int, piece: Pixels) -> bool:
    """Read the bytes of a piece; tells whether the file held all of them."""
    view, done = piece.data.cast("B"), 0
    while done < len(view):
        got = os.preadv(descriptor, [view[done:]], position + done)
        if got == 0:
            return False
        done += got
    return True


def _flipped(scaling: Scaling, bitpix: int) -> np.generic | None:
    """Return the bit whose change turns stored integers into unsigned ones (bytes into signed ones), if it does."""
    if scaling.blank is not None or scaling.scale != 1 or bitpix < 0:
        return None
    shift, kind = _SHIFTED[bitpix]
    if scaling.zero != shift:
        return None
    size = np.dtype(kind).itemsize
    unsigned: np.generic = np.dtype(f"u{size}").type(1 << (8 * size - 1))
    return unsigned


def _apply(native: Pixels, scaling: Scaling, bitpix: int) -> Pixels:
    if scaling.blank is None and scaling.scale == 1 and scaling.zero == 0:
        return native
    scaled = native.astype(_SCALED[bitpix])
    scaled *= scaled.dtype.type(scaling.scale)
    scaled += scaled.dtype.type(scaling.zero)
    if scaling.blank is not None:
        scaled[native == scaling.blank] = np.nan
    return scaled

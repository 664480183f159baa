"""Where the pixels of a coadd come from: frames in memory, or files read window by window."""

from dataclasses import dataclass
from mmap import MADV_DONTNEED, mmap
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.errors import FrameMismatchError
from pictor.imaging.fits.cards import CardValue
from pictor.imaging.fits.prescan import Prescan, prescan_file
from pictor.imaging.fits.reading import header_block, image_of, read_header
from pictor.imaging.fits.structure import Hdu, HduKind
from pictor.imaging.frame import Frame, unit_of
from pictor.imaging.resampling.resampling import Window

Reals = NDArray[np.float32]
_STORED = {16: ">i2", -32: ">f4", 8: ">u1"}
_PLANES = {"ERR": -32, "MASK": 8}


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Planes of one light, in memory or mapped from a file; none is changed.

    Parameters
    ----------
    name
        For sentences about it.
    header, unit
        Of the frame.
    data, err, mask
        Shape (ny, nx), any real type and byte order; None: not known.
    zero
        Added to data.
    """

    name: str
    header: fits.Header
    unit: str
    data: NDArray[np.number]
    err: NDArray[np.number] | None = None
    mask: NDArray[np.number] | None = None
    zero: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.data.shape[0], self.data.shape[1]

    def window(self, rows: slice, columns: slice) -> Window:
        """Read a part of the frame; values are a copy unless they lie in memory as float32."""
        part = rows, columns
        values = np.ascontiguousarray(self.data[part], dtype=np.float32)
        if self.zero:
            values = values + np.float32(self.zero)
        variance, bits = np.zeros((0, 0), np.float32), np.zeros((0, 0), np.uint8)
        if self.err is not None:
            variance = np.ascontiguousarray(np.square(self.err[part], dtype=np.float32))
        if self.mask is not None:
            bits = np.array(self.mask[part], dtype=np.uint8, order="C")
        return Window(values, variance, bits, (rows.start, columns.start))

    def forget(self) -> None:
        """Let go of the pages of its file that were read; they are read again when they are asked for."""
        for plane in (self.data, self.err, self.mask):
            held = getattr(plane, "_mmap", None)
            if isinstance(held, mmap):
                held.madvise(MADV_DONTNEED)

    def frame(self) -> Frame:
        """Give it as a frame, read whole."""
        if not self.zero and self.data.dtype.isnative:
            return Frame(self.data, self.err, self.mask, self.header, self.unit)  # type: ignore[arg-type]
        whole = self.window(slice(0, self.shape[0]), slice(0, self.shape[1]))
        err = None if self.err is None else np.sqrt(whole.variance)
        return Frame(whole.values, err, None if self.mask is None else whole.bits, self.header, self.unit)


def source_of(frame: Frame, name: str) -> Source:
    """Take a frame in memory.

    Raises
    ------
    FrameMismatchError
        If it has more than one plane.
    """
    if frame.data.ndim != 2:
        raise FrameMismatchError(f"{name} has {frame.data.shape[0]} colour planes; coadd them one by one")
    return Source(name, frame.header, frame.unit, frame.data, frame.err, frame.mask)


def open_source(path: Path) -> Source:
    """Open a file: plain planes are mapped, all others decoded once into a file without a name.

    Raises
    ------
    UnreadableFrameError
        Whatever is wrong with the file.
    FrameMismatchError
        If it has more than one plane.
    """
    found = _mapped(path)
    if found is not None:
        return found
    frame = Frame.from_fits(path)
    held = source_of(frame, path.name)
    err = None if held.err is None else _kept(held.err.astype(np.float32))
    mask = None if held.mask is None else _kept(held.mask.astype(np.uint8))
    return Source(path.name, held.header, held.unit, _kept(held.data.astype(np.float32)), err, mask)


def _mapped(path: Path) -> Source | None:
    """Map the planes of a plain file; None where anything has to be interpreted."""
    with path.open("rb") as file:
        if file.read(6) != b"SIMPLE":
            return None
    scan = prescan_file(path)
    image = image_of(scan)
    if image.kind is not HduKind.IMAGE or image.bitpix not in {16, -32} or len(image.shape) != 2:
        return None
    cards = _cards(path, image)
    if _number(cards, "BSCALE", 1.0) != 1.0 or "BLANK" in cards:
        return None
    planes = _planes(path, scan, image.shape)
    if planes is None:
        return None
    header = read_header(path)
    data = np.memmap(path, _STORED[image.bitpix], "r", image.data_offset, image.shape)
    zero = _number(cards, "BZERO", 0.0)
    return Source(path.name, header, unit_of(header), data, planes.get("ERR"), planes.get("MASK"), zero)


def _planes(path: Path, scan: Prescan, shape: tuple[int, ...]) -> dict[str, NDArray[np.number]] | None:
    """Map ERR and MASK; None where one of them is stored in another way."""
    found: dict[str, NDArray[np.number]] = {}
    for unit in scan.hdus[1:]:
        if unit.kind is HduKind.COMPRESSED:
            return None
        if unit.kind is not HduKind.IMAGE or unit.shape != shape:
            continue
        cards = _cards(path, unit)
        name = str(cards.get("EXTNAME", "")).strip().upper()
        if name == "UNCERT":
            return None
        if name in _PLANES:
            if unit.bitpix != _PLANES[name] or _number(cards, "BSCALE", 1.0) != 1 or _number(cards, "BZERO", 0.0) != 0:
                return None
            found[name] = np.memmap(path, _STORED[unit.bitpix], "r", unit.data_offset, shape)
    return found


def _cards(path: Path, unit: Hdu) -> dict[str, CardValue]:
    return {card.keyword: card.value for card in reversed(header_block(path, unit)[1])}


def _number(cards: dict[str, CardValue], keyword: str, default: float) -> float:
    value = cards.get(keyword)
    return default if value is None else float(value)


def _kept(data: NDArray[np.generic]) -> NDArray[np.number]:
    """Move an array into a file without a name, so that the memory it takes can be taken back."""
    with TemporaryFile() as file:
        data.tofile(file)
        file.flush()
        return np.memmap(file, data.dtype, "r", 0, data.shape)

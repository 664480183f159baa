"""Where the samples come from: rows of plain 16-bit FITS as they lie in the file, or a decoded copy."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.combine.kernels import decode_words
from pictor.imaging.combine.pieces import read_pieces
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import image_of, read_frame

BLOCK = 2880
CARD = 80
HEADER_LIMIT = 64
"""Header blocks looked at before a file is left to the general reader."""


@dataclass(frozen=True, slots=True)
class PlainLayout:
    """A FITS file whose pixels can be read in place: 16-bit integers offset by 32768."""

    shape: tuple[int, int]
    offset: int


def plain_layout(path: Path) -> PlainLayout | None:
    """Find the pixels of a plain unsigned 16-bit primary image; None for every other encoding."""
    cards: dict[str, str] = {}
    with path.open("rb") as file:
        for block in range(1, HEADER_LIMIT + 1):
            data = file.read(BLOCK)
            if len(data) < BLOCK:
                return None
            for start in range(0, BLOCK, CARD):
                card = data[start : start + CARD]
                key = card[:8].decode("ascii", "replace").rstrip()
                if key == "END":
                    return _layout(cards, block * BLOCK, os.fstat(file.fileno()).st_size)
                if card[8:10] == b"= ":
                    cards.setdefault(key, card[10:].decode("ascii", "replace").split("/")[0].strip())
    return None


def _layout(cards: dict[str, str], offset: int, size: int) -> PlainLayout | None:
    """Accept only what needs no interpretation."""
    try:
        plain = (
            cards["SIMPLE"] == "T"
            and int(cards["BITPIX"]) == 16
            and int(cards["NAXIS"]) == 2
            and float(cards.get("BZERO", "0")) == 32768.0
            and float(cards.get("BSCALE", "1")) == 1.0
            and "BLANK" not in cards
        )
        shape = int(cards["NAXIS2"]), int(cards["NAXIS1"])
    except (KeyError, ValueError):
        return None
    if not plain or shape[0] < 1 or shape[1] < 1 or size < offset + 2 * shape[0] * shape[1]:
        return None
    return PlainLayout(shape, offset)


@dataclass(frozen=True, slots=True)
class Source:
    """An open frame: ``raw`` rows are big-endian offset integers, the others native float32."""

    name: str
    shape: tuple[int, int]
    raw: bool
    file: BinaryIO
    offset: int

    def read_rows(self, first: int, out: NDArray[np.uint16] | NDArray[np.float32]) -> None:
        """Read rows from ``first`` on into ``out``, shape (rows, nx)."""
        view = out.data.cast("B")
        position, done = self.offset + first * self.shape[1] * out.itemsize, 0
        while done < len(view):
            got = os.preadv(self.file.fileno(), [view[done:]], position + done)
            if got == 0:
                raise ImagingError(f"{self.name} ends in the middle of its pixels", reason="truncated")
            done += got


def _decode(path: Path, scratch: Path | None) -> Source:
    """Decode any other encoding once into a file without a name, so that memory stays bounded."""
    data = read_frame(path).data
    if data.ndim != 2:
        raise FrameMismatchError(f"{path.name} has {data.ndim} axes; only two-dimensional frames can be combined")
    raw = data.dtype == np.uint16
    file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115
    if raw:
        file.write(np.bitwise_xor(data.astype(np.uint16), np.uint16(0x8000)).astype(">u2").data.cast("B"))
    else:
        file.write(np.ascontiguousarray(data, dtype=np.float32).data.cast("B"))
    file.flush()
    return Source(path.name, (data.shape[0], data.shape[1]), raw, file, 0)


def open_source(path: Path, *, scratch: Path | None = None) -> Source:
    """Open one frame for reading by rows."""
    layout = plain_layout(path)
    if layout is None:
        return _decode(path, scratch)
    return Source(path.name, layout.shape, True, path.open("rb"), layout.offset)


def _shape_of(frames: list[Source]) -> tuple[int, int]:
    """Return the shape all frames share."""
    ny, nx = frames[0].shape
    for frame in frames:
        if frame.shape != (ny, nx):
            own = f"{frame.shape[1]} x {frame.shape[0]}"
            raise FrameMismatchError(f"{frame.name} is {own} pixels, {frames[0].name} is {nx} x {ny}")
    return ny, nx


def words_of(samples: int) -> int:
    """Return how many 8-byte words hold so many 16-bit samples."""
    return -(-samples // 4)


class Sources:
    """The open frames of one combination; closes their files."""

    def __init__(self, paths: list[Path], *, scratch: Path | None = None) -> None:
        if not paths:
            raise ImagingError("no frames were given to combine", reason="no-frames")
        self.frames: list[Source] = []
        try:
            for path in paths:
                self.frames.append(open_source(path, scratch=scratch))
            self.shape = _shape_of(self.frames)
            self._files = np.array([frame.file.fileno() for frame in self.frames], np.int32)
            self._offsets = np.array([frame.offset for frame in self.frames])
        except BaseException:
            self.close()
            raise
        self.raw = all(frame.raw for frame in self.frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every file."""
        self._files = np.empty(0, np.int32)
        for frame in self.frames:
            frame.file.close()

    def read_integers(self, first: int, rows: int, out: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Read the same rows of all frames into a buffer, shape (n, rows, nx), native values."""
        count = len(self.frames) * rows * self.shape[1]
        tile = out[:count].reshape(len(self.frames), rows, self.shape[1])
        row, stored = 2 * self.shape[1], out[: words_of(count) * 4]
        read = read_pieces(self._files, self._offsets + first * row, rows * row, stored.view(np.uint8))
        for i in range(read, len(self.frames)):
            self.frames[i].read_rows(first, tile[i])
        decode_words(stored.view(np.uint64))
        return tile

    def read_box(self, index: int, rows: slice) -> NDArray[np.uint16] | NDArray[np.float32]:
        """Read rows of one frame as they are kept: native integers or float32."""
        frame, count = self.frames[index], (rows.stop - rows.start) * self.shape[1]
        if not frame.raw:
            return self.read_reals(index, rows.start, rows.stop - rows.start)
        stored = np.empty(words_of(count) * 4, np.uint16)
        frame.read_rows(rows.start, stored[:count])
        decode_words(stored.view(np.uint64))
        return stored[:count].reshape(-1, self.shape[1])

    def read_reals(self, index: int, first: int, rows: int) -> NDArray[np.float32]:
        """Read rows of one frame as float32 values."""
        frame = self.frames[index]
        if frame.raw:
            return self.read_box(index, slice(first, first + rows)).astype(np.float32)
        values = np.empty((rows, self.shape[1]), np.float32)
        frame.read_rows(first, values)
        return values


def shape_of(path: Path) -> tuple[int, int]:
    """Return the shape (ny, nx) of one frame."""
    layout = plain_layout(path)
    if layout is not None:
        return layout.shape
    shape = image_of(prescan_file(path)).shape
    if len(shape) != 2:
        raise FrameMismatchError(f"{path.name} has {len(shape)} axes; only two-dimensional frames can be combined")
    return shape[0], shape[1]

"""Rows on their way into a file: brought into its byte order and summed in one pass, and written in whole pieces."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.calibration.applying import EIGHT, OUTER, SECOND, THIRD, Swapped
from pictor.imaging.calibration.planes import PlaneFile
from pictor.imaging.calibration.rows import Room
from pictor.imaging.compiling import njit
from pictor.imaging.fits.checksum import fold
from pictor.imaging.types import Image, Mask

PIECE = 1 << 20
"""Bytes gathered, up to multiples of this in the file, before they are handed to `PlaneFile.put_bytes`."""


@njit(cache=True, nogil=True)
def swap_words(words: Swapped, out: Swapped) -> int:
    """Copy words into the byte order of the file; return their sum as the checksum wants it."""
    total = np.uint64(0)
    for i in range(words.size):
        word = words[i]
        total += np.uint64(word)
        out[i] = (word >> OUTER) | ((word >> EIGHT) & SECOND) | ((word << EIGHT) & THIRD) | (word << OUTER)
    return int(total)


@njit(cache=True, nogil=True)
def copy_words(words: Swapped, out: Swapped) -> int:
    """Copy words that have the byte order of the file; return their sum as the checksum wants it."""
    total = np.uint64(0)
    for i in range(words.size):
        word = words[i]
        out[i] = word
        swapped = (word >> OUTER) | ((word >> EIGHT) & SECOND) | ((word << EIGHT) & THIRD) | (word << OUTER)
        total += np.uint64(np.uint32(swapped))
    return int(total)


@dataclass(slots=True)
class Stage:
    """Rows of one plane that follow each other, gathered to whole pieces of the file.

    ``offset`` is the byte of the plane where the words that are held belong, ``held`` how many bytes are.
    """

    file: PlaneFile
    plane: int
    offset: int
    room: NDArray[np.uint32]
    held: int = 0
    total: int = 0

    @classmethod
    def of(cls, file: PlaneFile, plane: int, offset: int, room: Room) -> Self:
        """Begin at a byte of a plane, a multiple of four, with memory of a thread."""
        return cls(file, plane, offset, room.take(f"stage{plane}", PIECE).view(np.uint32))

    def add(self, rows: Image | Mask) -> None:
        """Take the next rows; the last ones of a plane of bytes are filled up with zeros to a whole word."""
        words, move = _words(rows), swap_words if rows.dtype == np.float32 else copy_words
        while words.size:
            free = (self.file.to_border(self.plane, self.offset, PIECE) - self.held) // 4
            part, begin = words[:free], self.held // 4
            self.total = fold(self.total + int(move(part, self.room[begin : begin + part.size])))
            self.held += 4 * part.size
            words = words[part.size :]
            if part.size == free:
                self.flush()

    def flush(self) -> None:
        """Write what is held."""
        self.file.put_bytes(self.plane, self.offset, self.room[: self.held // 4].data.cast("B"), self.total)
        self.offset, self.held, self.total = self.offset + self.held, 0, 0


def _words(rows: Image | Mask) -> Swapped:
    flat = rows.reshape(-1)
    return (flat if flat.nbytes % 4 == 0 else np.pad(flat, (0, -flat.nbytes % 4))).view(np.uint32)


def warm() -> None:
    """Compile the kernels."""
    for move in (swap_words, copy_words):
        move(np.zeros(8, np.uint32), np.zeros(8, np.uint32))

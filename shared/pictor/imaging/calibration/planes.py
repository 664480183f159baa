"""Write several image planes into one FITS file, row by row, with checksums and without a second copy in memory."""

import errno
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.fits.cards import padded
from pictor.imaging.fits.checksum import encode, fold, sum_bytes

CHUNK_BYTES = 1 << 20
CHUNKS = 8
"""Chunks one thread writes before it takes others."""

WRITE = 1 << 16
"""Bytes written at once, up to multiples of this in the file: memory of this size is at hand in the kernel's lists.

Writes of 1 MB cost it a third less where so much lies together, and up to five times more where it does not or where a
virtual machine has to ask its host for it.
"""
_NO_SUM = b"CHECKSUM= '0000000000000000'"
_NO_DATA = b"DATASUM = '0       '          "
BITPIX = {"f4": -32, "u1": 8}


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane: its name, its type and how to get some of its rows, shape (rows, nx), in two threads at once."""

    name: str
    kind: str
    rows: Callable[[slice], NDArray[np.generic]]


def row_chunks(shape: tuple[int, int], *, item_bytes: int = 4) -> list[slice]:
    """Cut a frame into pieces of about a megabyte; four rows at a time, so that pieces are whole 32-bit words."""
    height = max(4, CHUNK_BYTES // (item_bytes * shape[1]) // 4 * 4)
    return [slice(y, min(y + height, shape[0])) for y in range(0, shape[0], height)]


def write_planes(path: Path, header: fits.Header, planes: Sequence[Plane], shape: tuple[int, int]) -> None:
    """Write the first plane as primary image under ``header``, the others as extensions.

    The same planes and header give the same bytes; CHECKSUM and DATASUM are those of the file.

    Parameters
    ----------
    path
        File to write.
    header
        Cards of the primary header beyond the structural ones.
    planes
        What to write, in order.
    shape
        Shape (ny, nx) of every plane.
    """
    from pictor.imaging.calibration.rows import Room  # noqa: PLC0415 - as below
    from pictor.imaging.calibration.staging import Stage  # noqa: PLC0415 - which writes into a PlaneFile

    rooms = [Room(), Room()]
    with PlaneFile(path, header, [(plane.name, plane.kind) for plane in planes], shape) as file:

        def put(number: int, chunks: list[slice]) -> None:
            kind, room = np.dtype(planes[number].kind), rooms.pop()
            stage = Stage.of(file, number, chunks[0].start * shape[1] * kind.itemsize, room)
            for rows in chunks:
                stage.add(np.ascontiguousarray(planes[number].rows(rows), dtype=kind))
            stage.flush()
            rooms.append(room)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(put, *zip(*_parts(planes, shape), strict=True)))
        file.finish()


def _parts(planes: Sequence[Plane], shape: tuple[int, int]) -> list[tuple[int, list[slice]]]:
    """Cut every plane into parts, one thread each: pieces that follow each other."""
    parts = []
    for number, plane in enumerate(planes):
        chunks = row_chunks(shape, item_bytes=np.dtype(plane.kind).itemsize)
        parts += [(number, chunks[start : start + CHUNKS]) for start in range(0, len(chunks), CHUNKS)]
    return parts


class PlaneFile:
    """A FITS file of planes whose rows come in any order and from several threads; sums are filled in at the end.

    Parameters
    ----------
    path
        File to write.
    header
        Cards of the primary header; `finish` may give some of them other values.
    planes
        Name and type (f4, u1) of each plane.
    shape
        Shape (ny, nx) of every plane; with three axes, as of a cube of colours, its rows are counted through.
    """

    def __init__(
        self, path: Path, header: fits.Header, planes: Sequence[tuple[str, str]], shape: tuple[int, ...]
    ) -> None:
        self.planes, self.shape = planes, shape
        self._sums, self._lock = [0] * len(planes), Lock()
        self._starts, self._data, end = [], [], 0
        self._first = _without_sums(*planes[0], shape, header)
        for number, (_, kind) in enumerate(planes):
            size = np.dtype(kind).itemsize * math.prod(shape)
            self._starts.append(end)
            self._data.append(end + len(self._block(number)))
            end = self._data[-1] + padded(size)
        path.unlink(missing_ok=True)
        self._file = path.open("wb")
        _make_room(self._file, end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def put(self, plane: int, first: int, data: NDArray[np.generic], total: int) -> None:
        """Write rows from ``first`` on, in the byte order of the file; ``total`` is the sum of their 32-bit words.

        ``first`` is a multiple of four, so that the rows begin with a whole word.
        """
        self.put_bytes(plane, first * self.shape[-1] * data.itemsize, data.data.cast("B"), total)

    def put_bytes(self, plane: int, offset: int, view: memoryview, total: int) -> None:
        """Write bytes of a plane from ``offset`` on, a multiple of four; ``total`` is as for `put`."""
        position, done = self._data[plane] + offset, 0
        while done < len(view):
            border = done + WRITE - (position + done) % WRITE
            done += os.pwrite(self._file.fileno(), view[done:border], position + done)
        with self._lock:
            self._sums[plane] = fold(self._sums[plane] + total)

    def to_border(self, plane: int, offset: int, piece: int) -> int:
        """Return how many bytes lie between a place in a plane and the next multiple of ``piece`` in the file."""
        return piece - (self._data[plane] + offset) % piece

    def finish(self, *changed: fits.Card) -> None:
        """Write the headers with the sums of all that was put; ``changed`` cards take the place of primary ones."""
        for card in changed:
            said = str(card).encode("ascii")
            at = next(at for at in range(0, len(self._first), 80) if self._first.startswith(said[:10], at))
            self._first = self._first[:at] + said + self._first[at + 80 :]
        for number, start in enumerate(self._starts):
            os.pwrite(self._file.fileno(), self._block(number), start)

    def _block(self, number: int) -> bytes:
        """Make the header of one plane."""
        block = _extension(*self.planes[number], self.shape) if number else self._first
        said = f"'{self._sums[number]:<8}'".ljust(20).encode("ascii")
        block = block.replace(_NO_DATA, _NO_DATA[:10] + said, 1)
        told = encode(fold(sum_bytes(block) + self._sums[number])).encode("ascii")
        return block.replace(_NO_SUM, _NO_SUM.replace(b"0" * 16, told), 1)


def _make_room(file: BinaryIO, size: int) -> None:
    """Give a file its length and its place on the disk: a full one is known now, and writing is then faster."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:
            file.close()
            raise
        file.truncate(size)


@lru_cache
def _extension(name: str, kind: str, shape: tuple[int, ...]) -> bytes:
    """Make the header of a plane that is not the first; its sums are zero."""
    return _without_sums(name, kind, shape, None)


def _without_sums(name: str, kind: str, shape: tuple[int, ...], header: fits.Header | None) -> bytes:
    """Make a header whose sums are zero; ``header`` has the further cards of the first plane, None is of another."""
    own = _structure(kind, shape, primary=header is not None)
    if header is not None:
        own.extend(header, strip=True, update=True)
    own["EXTNAME"] = (name, "name of this plane")
    own["CHECKSUM"] = ("0" * 16, "HDU checksum")
    own["DATASUM"] = ("0", "data unit checksum")
    text: str = own.tostring()
    return text.encode("ascii")


def _structure(kind: str, shape: tuple[int, ...], *, primary: bool) -> fits.Header:
    """Make the cards every image begins with."""
    first = ("SIMPLE", True, "conforms to FITS") if primary else ("XTENSION", "IMAGE", "image extension")
    last = [("EXTEND", True, "")] if primary else [("PCOUNT", 0, ""), ("GCOUNT", 1, "")]
    axes: list[tuple[str, int, str]] = [("NAXIS", len(shape), "")]
    names = ("columns", "rows", "planes")[: len(shape)]
    axes += [(f"NAXIS{k}", size, name) for k, (size, name) in enumerate(zip(shape[::-1], names, strict=True), 1)]
    return fits.Header([first, ("BITPIX", BITPIX[kind], "bits per pixel"), *axes, *last])


def sum_words(native: NDArray[np.generic]) -> int:
    """Sum the 32-bit words the values become in the file; a native word already has the value of its swapped bytes."""
    if native.itemsize == 4:
        return fold(int(native.view(np.uint32).sum(dtype=np.uint64)))
    return sum_bytes(native.tobytes())

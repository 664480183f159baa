"""Planes read by rows, from a file as they lie there or from memory, so that nothing is held or converted whole."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.errors import ImagingError

_MEASURED_AT_MOST = 64
_measured: dict[tuple[int, ...], float] = {}

Words = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32] | NDArray[np.float32]


@dataclass(slots=True)
class Room:
    """Memory of one thread, used for tile after tile: fresh pages cost more than the arithmetic on them."""

    kept: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    read: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Which rows of which state of a file lie under a name."""

    def take(self, name: str, size: int) -> NDArray[np.uint8]:
        """Return so many bytes under a name; what lay there before is gone."""
        self.read.pop(name, None)
        found = self.kept.get(name)
        if found is None or found.size < size:
            found = self.kept[name] = np.empty(-(-size // 64) * 64, np.uint8)
        return found[:size]


class Rows(Protocol):
    """A plane whose rows can be asked for."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (ny, nx)."""
        ...

    @property
    def swapped(self) -> bool:
        """Whether the bytes come in the order of the file, big end first."""
        ...

    def read(self, first: int, last: int, room: Room, name: str) -> Words:
        """Return rows ``first`` to ``last`` as they lie, shape (rows, nx)."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """A plane in memory, C-contiguous and in native byte order."""

    data: NDArray[np.float32] | NDArray[np.uint8]
    swapped: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (ny, nx)."""
        return self.data.shape[0], self.data.shape[1]

    def read(self, first: int, last: int, room: Room, name: str) -> Words:  # noqa: ARG002
        """Return a view of the rows."""
        return self.data[first:last]


@dataclass(frozen=True, slots=True)
class Stored:
    """A plane in an open file; ``kind`` is the type of a pixel without regard to byte order."""

    name: str
    file: BinaryIO
    offset: int
    shape: tuple[int, int]
    kind: type[np.uint8] | type[np.uint16] | type[np.float32]
    swapped: bool = True
    version: tuple[int, ...] | None = None
    """What changes when the file is written anew, see `version_of`; None: not known."""

    def read(self, first: int, last: int, room: Room, name: str) -> Words:
        """Read the rows into the thread's memory, unless it is these that lie there."""
        item, nx = np.dtype(self.kind).itemsize, self.shape[1]
        size, rows = (last - first) * nx * item, (*(self.version or ()), self.offset, first, last)
        if self.version is not None and room.read.get(name) == rows:
            return cast("Words", room.kept[name][:size].view(self.kind).reshape(last - first, nx))
        out = room.take(name, size)
        view, position, done = out.data, self.offset + first * nx * item, 0
        while done < len(view):
            got = os.preadv(self.file.fileno(), [view[done:]], position + done)
            if got == 0:
                raise ImagingError(f"{self.name} ends in the middle of its pixels", reason="truncated")
            done += got
        if self.version is not None:
            room.read[name] = rows
        return cast("Words", out.view(self.kind).reshape(last - first, nx))


def version_of(path: Path) -> tuple[int, ...]:
    """Tell one state of a file from any other: device, inode, length, and when it was written and changed."""
    now = path.stat()
    return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns


@dataclass(frozen=True, slots=True)
class Mixed:
    """A plane made of two others, row by row, in native byte order."""

    one: Rows
    two: Rows
    join: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
    swapped: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (ny, nx)."""
        return self.one.shape

    def read(self, first: int, last: int, room: Room, name: str) -> Words:
        """Read the rows of both and join them."""
        one, two = (native(plane, first, last, room, name + side) for plane, side in ((self.one, "1"), (self.two, "2")))
        return np.ascontiguousarray(self.join(one, two), dtype=np.float32)


def native(plane: Rows, first: int, last: int, room: Room, name: str) -> NDArray[np.float32]:
    """Return rows of a real plane in native byte order, for occasional use."""
    found = plane.read(first, last, room, name)
    return (found.byteswap() if plane.swapped else found).view(np.float32)


def sampled(plane: Rows, *, rows: int = 64, columns: int = 512) -> NDArray[np.float32]:
    """Return a sample of a real plane on a grid of at most so many rows and columns, or twice that."""
    ny, nx = plane.shape
    room = Room()
    step = max(1, nx // columns)
    found = [native(plane, y, y + 1, room, "sample")[0, ::step].copy() for y in range(0, ny, max(1, ny // rows))]
    return np.concatenate(found)


def typical(plane: Rows) -> float:
    """Return the median of the numbers of a sample of a real plane, NaN without any; of a file it is measured once."""
    if not isinstance(plane, Stored) or plane.version is None:
        return _median(sampled(plane))
    key = (*plane.version, plane.offset)
    if key not in _measured:
        while len(_measured) >= _MEASURED_AT_MOST:
            _measured.pop(next(iter(_measured)), None)
        _measured[key] = _median(sampled(plane))
    return _measured[key]


def _median(values: NDArray[np.float32]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan

"""A row that is sent as a file: its bytes are made when they are needed, never kept in the repository."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.catalogue.rows import Row

CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes that need not be in memory at once.

    Parameters
    ----------
    head
        The first bytes.
    filler, fill
        Bytes that follow, repeated up to a length of ``fill``.
    """

    head: bytes
    filler: bytes = b""
    fill: int = 0

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.head) + self.fill

    def chunks(self) -> Iterator[bytes]:
        """Give the bytes piece by piece."""
        for start in range(0, len(self.head), CHUNK):
            yield self.head[start : start + CHUNK]
        if not self.fill:
            return
        block = self.filler * (CHUNK // len(self.filler))
        left = self.fill
        while left > 0:
            yield block[:left]
            left -= len(block)


@dataclass(frozen=True, slots=True)
class Case:
    """A row, how its file is made, under which name it is sent, and what else must be true of the frame.

    Parameters
    ----------
    row
        What must come of it.
    make
        Makes the file.
    name
        File name the client gives; None for one made of the row's number.
    said
        Facts of the frame that must hold, as its address answers them.
    warns
        Words that must be in one of the frame's warnings.
    """

    row: Row
    make: Callable[[], Body]
    name: str | None = None
    said: dict[str, object] = field(default_factory=dict)
    warns: str = ""


def plain(data: bytes) -> Callable[[], Body]:
    """Make a file of bytes that are there already."""
    return lambda: Body(data)


def later(make: Callable[[], bytes]) -> Callable[[], Body]:
    """Make a file of bytes that take some work."""
    return lambda: Body(make())

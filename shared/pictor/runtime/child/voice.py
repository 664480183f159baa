"""What a child prints: bounded, kept for the log, and no way into ours."""

import asyncio
from collections.abc import Callable

OUTPUT_LIMIT = 1 << 20
"""Bytes a child may print during one call; libraries print warnings, never a megabyte of them."""

_KEPT = 4096


class Voice(asyncio.Protocol):
    """The end of a pipe a child prints to.

    Parameters
    ----------
    too_loud
        Called once when a call has printed more than it may.
    """

    def __init__(self, too_loud: Callable[[], None]) -> None:
        self._too_loud = too_loud
        self._tail = b""
        self._size = 0
        self.exceeded = False

    def data_received(self, data: bytes) -> None:
        """Keep the last of it, count the rest."""
        self._size += len(data)
        self._tail = (self._tail + data[-_KEPT:])[-_KEPT:]
        if self._size > OUTPUT_LIMIT and not self.exceeded:
            self.exceeded = True
            self._too_loud()

    def begin(self) -> None:
        """Count anew, for the next call."""
        self._size = 0

    @property
    def words(self) -> str:
        """The last words, printable on any terminal."""
        text = self._tail.decode("utf-8", "replace")
        return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)

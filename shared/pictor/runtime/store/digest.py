"""Bytes on their way into a store, counted and hashed; the last ones are held back until all is known to be right."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable

from pictor.runtime.store.errors import DigestMismatch
from pictor.runtime.store.protocol import CHUNK


class Hashed:
    """A stream that knows its size and SHA-256 once read.

    Parameters
    ----------
    chunks
        The bytes.
    size
        Length that was announced; None if unknown.
    sha256
        Digest that was announced; None if unknown.
    """

    def __init__(self, chunks: AsyncIterable[bytes], size: int | None, sha256: str | None) -> None:
        self._chunks = chunks
        self._announced = size, sha256
        self._hash = hashlib.sha256()
        self._started = False
        self.size = 0
        self.error: BaseException | None = None
        """What went wrong with the bytes, as opposed to with the store."""
        self.at_source: Callable[[bool], None] = _ignore
        """Told True while the next bytes are awaited, False while the store takes those that came."""

    @property
    def started(self) -> bool:
        """Whether somebody began to read: it can be read once only."""
        return self._started

    @property
    def sha256(self) -> str:
        """Digest of the bytes read so far."""
        return self._hash.hexdigest()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._started:
            raise RuntimeError("a stream can be sent once only")
        self._started, held = True, b""
        try:
            self.at_source(True)
            async for chunk in self._chunks:
                self.at_source(False)
                for start in range(0, len(chunk), CHUNK):
                    piece = bytes(chunk[start : start + CHUNK])
                    self._add(piece)
                    if held:
                        yield held
                    held = piece
                self.at_source(True)
            self.at_source(False)
            self._check()
        except Exception as error:
            self.error = error
            raise
        if held:
            yield held

    def _add(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.size += len(piece)
        size = self._announced[0]
        if size is not None and self.size > size:
            raise DigestMismatch(f"{size} bytes were announced, more arrived")

    def _check(self) -> None:
        size, sha256 = self._announced
        if size is not None and self.size != size:
            raise DigestMismatch(f"{size} bytes were announced, {self.size} arrived")
        if sha256 is not None and self.sha256 != sha256:
            raise DigestMismatch(f"the announced SHA-256 is {sha256}, the bytes have {self.sha256}")


def _ignore(_: object, /) -> None:
    """Nobody wants to know."""

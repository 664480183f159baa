"""What every store of frames can do.

Keys are immutable: the first writer wins, and a later one is told what is there. A key is made by us, of letters,
digits and ``. _ -`` in segments joined by ``/``.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

BYTES = "binary/octet-stream"
"""What S3 calls bytes of no kind; SeaweedFS tries to compress those named ``application/octet-stream``."""

CHUNK = 256 << 10
"""Bytes handled at once: small enough that hashing one never stops the event loop for a millisecond."""

SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9._-]*"
KEY = re.compile(rf"{SEGMENT}(/{SEGMENT})*")
KEY_LIMIT = 512


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the store keeps it."""

    key: str
    size: int
    etag: str
    sha256: str | None
    """Hexadecimal SHA-256 of the bytes; None where the store was never told and has not been asked to read them."""
    content_type: str = BYTES
    created: bool = False
    """Whether this call wrote it; False when it was already there."""
    modified: datetime | None = None
    """When it was written; filled in by ``list`` alone."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of bytes of a stored object."""

    key: str
    offset: int = 0
    length: int | None = None
    """Bytes to take; None takes all from ``offset`` to the end."""


class FrameStore(Protocol):
    """A store of frames and products.

    Every method raises ``StoreUnavailable`` when the store cannot answer and ``ValueError`` for a key that is not ours.
    """

    async def put_file(
        self, key: str, path: Path, content_type: str = BYTES, *, sha256: str | None = None
    ) -> StoredObject:
        """Store a file under a new key; raises ``DigestMismatch`` if it is not what ``sha256`` says."""

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        size: int | None,
        content_type: str = BYTES,
        *,
        sha256: str | None = None,
    ) -> StoredObject:
        """Store a stream under a new key while hashing it; the stream may be left unread when the key exists.

        Raises ``DigestMismatch`` if its length is not ``size`` or its digest not ``sha256``.
        """

    async def get_to_file(self, key: str, path: Path, *, sha256: str | None = None) -> str:
        """Fetch an object into a new file and return its SHA-256; a wrong digest leaves no file.

        Raises ``ObjectMissing`` or ``DigestMismatch``.
        """

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read bytes from ``start`` up to but without ``end``; nothing if ``start`` is beyond the object."""

    async def stat(self, key: str) -> StoredObject:
        """Describe an object; raises ``ObjectMissing``."""

    async def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    def list(self, prefix: str = "") -> AsyncGenerator[StoredObject, None]:
        """All objects whose key begins so, in no promised order; their digests are not filled in."""

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:
        """Address where anyone may read an object for a while; None if this store has no addresses."""

    async def compose(
        self, key: str, parts: Sequence[Part], content_type: str = BYTES, *, sha256: str | None = None
    ) -> StoredObject:
        """Make a new object of parts of others, inside the store where it can; ``sha256`` is recorded, not checked."""

    async def health(self) -> None:
        """Raise ``StoreUnavailable`` unless the store answers and accepts us."""

    async def close(self) -> None:
        """Close connections."""


def checked(key: str) -> str:
    """Refuse a key that is not one of ours."""
    if len(key) > KEY_LIMIT or not KEY.fullmatch(key):
        raise ValueError(f"not a store key: {key!r:.100}")
    return key

"""Frames in a folder: unit tests and tiny boxes.

An object is a file ``<key>.object``; what is known about it stands in ``<key>.json``. The name is given by a hard
link to a finished, synced file, so that the first writer wins and a power cut leaves whole objects only.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from pictor.runtime.store.digest import Hashed
from pictor.runtime.store.errors import DigestMismatch, ObjectMissing, StoreUnavailable
from pictor.runtime.store.files import arriving_file, file_chunks, file_sha256, file_size, sync_folder
from pictor.runtime.store.protocol import BYTES, Part, StoredObject, checked

OBJECT = ".object"
SIDECAR = ".json"


class FileStore:
    """A folder of objects.

    Parameters
    ----------
    folder
        Where the objects are; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._objects = folder / "objects"
        self._arriving = folder / "arriving"
        self._objects.mkdir(parents=True, exist_ok=True)
        self._arriving.mkdir(exist_ok=True)

    async def put_file(
        self, key: str, path: Path, content_type: str = BYTES, *, sha256: str | None = None
    ) -> StoredObject:
        """Store a file under a new key."""
        return await self.put_stream(key, file_chunks(path), await file_size(path), content_type, sha256=sha256)

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        size: int | None,
        content_type: str = BYTES,
        *,
        sha256: str | None = None,
    ) -> StoredObject:
        """Store a stream under a new key while hashing it."""
        body = Hashed(chunks, size, sha256)
        arriving = self._arriving / uuid4().hex
        target = self._path(key)
        try:
            with arriving.open("xb", buffering=0) as file:
                async for chunk in body:
                    file.write(chunk)
                await asyncio.to_thread(os.fsync, file.fileno())
            stored = StoredObject(key, body.size, body.sha256, body.sha256, content_type, created=True)
            if not await asyncio.to_thread(_publish, arriving, target, stored):
                return await self.stat(key)
        except OSError as error:
            if error is body.error:
                raise
            raise StoreUnavailable(f"the store folder refused {key}: {error}") from error
        finally:
            arriving.unlink(missing_ok=True)
        return stored

    async def get_to_file(self, key: str, path: Path, *, sha256: str | None = None) -> str:
        """Fetch an object into a new file and return its SHA-256."""
        digest = hashlib.sha256()
        with arriving_file(path) as file:
            async for chunk in self.open_range(key):
                digest.update(chunk)
                file.write(chunk)
            if sha256 is not None and sha256 != digest.hexdigest():
                raise DigestMismatch(f"{key} should have the SHA-256 {sha256}, it has {digest.hexdigest()}")
        return digest.hexdigest()

    async def open_range(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read bytes from ``start`` up to but without ``end``."""
        try:
            async for chunk in file_chunks(self._path(key), start, end):
                yield chunk
        except FileNotFoundError as error:
            raise ObjectMissing(f"there is no object {key}") from error

    async def stat(self, key: str) -> StoredObject:
        """Describe an object."""
        path = self._path(key)
        try:
            size = path.stat().st_size
            known = await asyncio.to_thread(_known, path)
        except FileNotFoundError as error:
            raise ObjectMissing(f"there is no object {key}") from error
        return StoredObject(key, size, known["sha256"], known["sha256"], known["content_type"])

    async def delete(self, key: str) -> None:
        """Remove an object."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        path.with_suffix(SIDECAR).unlink(missing_ok=True)

    async def list(self, prefix: str = "") -> AsyncGenerator[StoredObject, None]:
        """All objects whose key begins so."""
        for path in await asyncio.to_thread(lambda: sorted(self._objects.rglob(f"*{OBJECT}"))):
            key = path.relative_to(self._objects).as_posix().removesuffix(OBJECT)
            if not key.startswith(prefix):
                continue
            try:
                stored = await self.stat(key)
                modified = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            except (ObjectMissing, FileNotFoundError):
                continue  # deleted while we look
            yield StoredObject(key, stored.size, stored.etag, None, modified=modified)

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:  # noqa: ARG002
        """Give no address: nobody else can read our files."""
        checked(key)
        return None

    async def compose(
        self, key: str, parts: Sequence[Part], content_type: str = BYTES, *, sha256: str | None = None
    ) -> StoredObject:
        """Make a new object of parts of others."""
        return await self.put_stream(key, self._joined(parts), None, content_type, sha256=sha256)

    async def health(self) -> None:
        """Raise ``StoreUnavailable`` unless the folder can be written."""
        if not os.access(self._arriving, os.W_OK):
            raise StoreUnavailable("the store folder cannot be written")

    async def close(self) -> None:
        """Nothing is open between calls."""

    async def _joined(self, parts: Sequence[Part]) -> AsyncIterator[bytes]:
        for part in parts:
            end = None if part.length is None else part.offset + part.length
            async for chunk in self.open_range(part.key, part.offset, end):
                yield chunk

    def _path(self, key: str) -> Path:
        return self._objects / f"{checked(key)}{OBJECT}"


def _publish(arriving: Path, target: Path, stored: StoredObject) -> bool:
    """Give a finished file its name; False if the name was taken."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(arriving)
    except FileExistsError:
        return False
    sync_folder(target.parent)
    _remember(target, stored.sha256 or "", stored.content_type)
    return True


def _remember(target: Path, sha256: str, content_type: str) -> None:
    with arriving_file(target.with_suffix(SIDECAR)) as file:
        file.write(json.dumps({"sha256": sha256, "content_type": content_type}).encode())


def _known(path: Path) -> dict[str, str]:
    """Digest and content type; found again if a power cut took the sidecar."""
    try:
        known: dict[str, str] = json.loads(path.with_suffix(SIDECAR).read_bytes())
    except (FileNotFoundError, ValueError):
        known = {"sha256": file_sha256(path), "content_type": BYTES}
    return known

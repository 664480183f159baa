"""Objects that survive a power cut though their store does not see to it: its files on this machine are synced by us.

SeaweedFS syncs the bytes of a volume when told to, but neither the index that finds them nor the names of its filer:
every object of the last seconds before a power cut was gone (docs/decisions/0006). What a store has written before it
answers is in the kernel's hands; syncing the changed files of its folder puts it on the disk.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import suppress
from pathlib import Path

from pictor.runtime.store.errors import StoreUnavailable
from pictor.runtime.store.files import file_size
from pictor.runtime.store.protocol import BYTES, FrameStore, Part, StoredObject

TICK_NS = 100_000_000
"""Times of change are told in steps of some milliseconds: what changed so shortly before a sync is synced again."""


RESERVE = 32 << 20
"""Bytes left free: a store that fills its disk to the last one stops giving back what it has."""


class Disk:
    """The files of a store on this machine.

    Parameters
    ----------
    folder
        Where the store keeps everything.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._synced: dict[str, tuple[int, int, int]] = {}
        self._running: asyncio.Task[None] | None = None
        self._coming: asyncio.Task[None] | None = None

    def require_room(self, size: int) -> None:
        """Refuse an object there is no room for, before any byte of it is written.

        Raises
        ------
        StoreUnavailable
            If the disk would be full.
        """
        found = os.statvfs(self._folder)
        free = found.f_bavail * found.f_frsize
        if free < size + RESERVE:
            raise StoreUnavailable(f"the disk of the store is full: {free} bytes are left of {self._folder}")

    async def settled(self) -> None:
        """Return when everything written before this call is on the disk; calls at the same time share one sync.

        Raises
        ------
        StoreUnavailable
            If the disk refuses.
        """
        if self._coming is None:
            self._coming = asyncio.create_task(self._after(self._running), name="store sync")
        await asyncio.shield(self._coming)

    async def _after(self, running: asyncio.Task[None] | None) -> None:
        if running is not None:
            await asyncio.wait({running})
        self._running, self._coming = self._coming, None
        try:
            await asyncio.to_thread(self._sync)
        except OSError as error:
            raise StoreUnavailable(f"the disk of the store refused to sync: {error}") from error

    def _sync(self) -> None:
        """Sync every file and folder that changed since the last time; names after contents."""
        folders: list[tuple[str, os.stat_result]] = []
        for place, _, names in os.walk(self._folder):
            with suppress(FileNotFoundError):
                folders.append((place, os.stat(place)))  # noqa: PTH116 - hundreds of times a second
            for name in names:
                with suppress(FileNotFoundError):
                    path = f"{place}/{name}"
                    self._sync_one(path, os.stat(path))  # noqa: PTH116
        for place, seen in reversed(folders):
            with suppress(FileNotFoundError):
                self._sync_one(place, seen)

    def _sync_one(self, path: str, seen: os.stat_result) -> None:
        mark = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
        if self._synced.get(path) == mark:
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if time.time_ns() - seen.st_mtime_ns > TICK_NS:
            self._synced[path] = mark


class SyncedStore:
    """A store whose objects are on the disk of this machine before a call that made them returns.

    Parameters
    ----------
    store
        The store itself.
    disk
        Its files.
    """

    def __init__(self, store: FrameStore, disk: Disk) -> None:
        self._store = store
        self._disk = disk

    async def put_file(
        self, key: str, path: Path, content_type: str = BYTES, *, sha256: str | None = None
    ) -> StoredObject:
        """Store a file under a new key."""
        self._disk.require_room(await file_size(path))
        stored = await self._store.put_file(key, path, content_type, sha256=sha256)
        await self._disk.settled()
        return stored

    async def put_stream(
        self,
        key: str,
        chunks: AsyncIterable[bytes],
        size: int | None,
        content_type: str = BYTES,
        *,
        sha256: str | None = None,
    ) -> StoredObject:
        """Store a stream under a new key while hashing it; one that was there already is synced as well."""
        self._disk.require_room(size or 0)
        stored = await self._store.put_stream(key, chunks, size, content_type, sha256=sha256)
        await self._disk.settled()
        return stored

    async def compose(
        self, key: str, parts: Sequence[Part], content_type: str = BYTES, *, sha256: str | None = None
    ) -> StoredObject:
        """Make a new object of parts of others."""
        stored = await self._store.compose(key, parts, content_type, sha256=sha256)
        await self._disk.settled()
        return stored

    async def get_to_file(self, key: str, path: Path, *, sha256: str | None = None) -> str:
        """Fetch an object into a new file and return its SHA-256."""
        return await self._store.get_to_file(key, path, sha256=sha256)

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """Read bytes from ``start`` up to but without ``end``."""
        return self._store.open_range(key, start, end)

    async def stat(self, key: str) -> StoredObject:
        """Describe an object."""
        return await self._store.stat(key)

    async def delete(self, key: str) -> None:
        """Remove an object; after a power cut it may be back."""
        await self._store.delete(key)

    def list(self, prefix: str = "") -> AsyncGenerator[StoredObject, None]:
        """All objects whose key begins so."""
        return self._store.list(prefix)

    async def presign_get(self, key: str, expires_s: int, *, filename: str | None = None) -> str | None:
        """Address where anyone may read an object for a while."""
        return await self._store.presign_get(key, expires_s, filename=filename)

    async def health(self) -> None:
        """Raise ``StoreUnavailable`` unless the store answers and accepts us."""
        await self._store.health()

    async def close(self) -> None:
        """Close connections."""
        await self._store.close()

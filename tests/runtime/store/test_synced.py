"""Objects are on the disk before a call returns, and a disk that refuses is told as a failure of the store."""

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pictor.runtime.store.errors import StoreUnavailable
from pictor.runtime.store.file import FileStore
from pictor.runtime.store.synced import TICK_NS, Disk, SyncedStore


class Counting(Disk):
    """Counts what it syncs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.runs = 0
        self.synced: list[str] = []

    def _sync(self) -> None:
        self.runs += 1
        self.synced = []
        super()._sync()

    def _sync_one(self, path: str, seen: os.stat_result) -> None:
        before = self._synced.get(path)
        super()._sync_one(path, seen)
        if before != (seen.st_ino, seen.st_size, seen.st_mtime_ns):
            self.synced.append(Path(path).name)


class Refusing(Disk):
    """A disk that answers every sync with an error."""

    def _sync_one(self, path: str, seen: os.stat_result) -> None:  # noqa: ARG002 - whatever it is
        raise OSError(errno.EIO, "Input/output error")


async def _body() -> AsyncIterator[bytes]:
    yield b"frame"


def _old(path: Path) -> None:
    then = time.time_ns() - 10 * TICK_NS
    os.utime(path, ns=(then, then))


async def test_only_what_changed_is_synced_again(tmp_path: Path) -> None:
    for name in ("1.dat", "1.idx", "2.dat"):
        (tmp_path / name).write_bytes(b"x")
        _old(tmp_path / name)
    _old(tmp_path)
    disk = Counting(tmp_path)
    await disk.settled()
    assert set(disk.synced) == {"1.dat", "1.idx", "2.dat", tmp_path.name}
    await disk.settled()
    assert disk.synced == []
    (tmp_path / "1.idx").write_bytes(b"xy")
    await disk.settled()
    assert disk.synced == ["1.idx"]


async def test_what_changed_a_moment_ago_is_synced_once_more(tmp_path: Path) -> None:
    """Two writes within one tick of the clock of files leave the same time behind."""
    (tmp_path / "1.dat").write_bytes(b"x")
    disk = Counting(tmp_path)
    await disk.settled()
    await disk.settled()
    assert "1.dat" in disk.synced


async def test_a_new_name_is_synced_with_its_folder(tmp_path: Path) -> None:
    _old(tmp_path)
    disk = Counting(tmp_path)
    await disk.settled()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "new").write_bytes(b"x")
    await disk.settled()
    assert disk.synced == ["new", "below", tmp_path.name], "contents before names"


async def test_calls_at_the_same_time_share_a_sync_that_begins_after_each(tmp_path: Path) -> None:
    disk = Counting(tmp_path)
    await asyncio.gather(*(disk.settled() for _ in range(50)))
    assert disk.runs <= 2
    await disk.settled()
    assert disk.runs <= 3


async def test_a_caller_who_gives_up_does_not_take_the_sync_from_the_others(tmp_path: Path) -> None:
    disk = Counting(tmp_path)
    first, second = asyncio.ensure_future(disk.settled()), asyncio.ensure_future(disk.settled())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert disk.runs == 1


async def test_a_disk_that_refuses_to_sync_makes_no_accepted_object(tmp_path: Path) -> None:
    store = SyncedStore(FileStore(tmp_path), Refusing(tmp_path))
    for call in (store.put_stream("raw/a", _body(), 5), store.compose("products/a", [])):
        with pytest.raises(StoreUnavailable, match="refused to sync"):
            await call


async def test_an_object_without_room_is_refused_before_its_first_byte(tmp_path: Path) -> None:
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b""

    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    store = SyncedStore(FileStore(tmp_path), Disk(tmp_path))
    with pytest.raises(StoreUnavailable, match="the disk of the store is full"):
        await store.put_stream("raw/huge", body(), free)
    assert not read
    await store.put_stream("raw/a", _body(), 5)

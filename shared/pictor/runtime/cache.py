"""Frames fetched before, kept on the local disk under their digest; correctness never depends on it.

Several processes may share one folder: a file appears whole under its name or not at all, and its name is the digest
of its bytes, so it does not matter who put it there. The files used longest ago make room for new ones.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

ARRIVING = ".arriving-"

ABANDONED_S = 3600.0
"""A file that has been arriving for an hour belongs to a process that is gone."""

Load = Callable[[Path], Awaitable[object]]
"""Fetches and verifies the bytes into a new file."""


class FrameCache:
    """A bounded folder of files named by their SHA-256.

    Parameters
    ----------
    folder
        Where the files are; made if missing.
    max_bytes
        Bound of all files together. A larger file is still fetched, but not kept.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._loading: dict[str, asyncio.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True)

    async def get(self, sha256: str, load: Load, *, link: Path | None = None) -> Path:
        """Return a read-only file with these bytes, loading them first if they are not here.

        Parameters
        ----------
        sha256
            Digest of the bytes, hexadecimal.
        load
            Fetches the bytes; whatever it raises is raised.
        link
            Name to give the file besides the cached one: it stays when the cache drops its own. Without it the file
            may vanish as soon as other frames need the room.
        """
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256: {sha256!r:.80}")
        lock = self._loading.setdefault(sha256, asyncio.Lock())
        try:
            async with lock:
                return await self._found(sha256, link) or await self._loaded(sha256, load, link)
        finally:
            if not lock.locked():
                self._loading.pop(sha256, None)

    async def _found(self, sha256: str, link: Path | None) -> Path | None:
        path = self._folder / sha256
        try:
            os.utime(path)
            return await asyncio.to_thread(_given, path, link)
        except FileNotFoundError:
            return None

    async def _loaded(self, sha256: str, load: Load, link: Path | None) -> Path:
        arriving = self._folder / f"{ARRIVING}{uuid4().hex}"
        try:
            await load(arriving)
            arriving.chmod(0o444)
            given = await asyncio.to_thread(_given, arriving, link)
            path = arriving.replace(self._folder / sha256)
        finally:
            arriving.unlink(missing_ok=True)
        await asyncio.to_thread(self._make_room, path)
        return path if link is None else given

    def _make_room(self, newest: Path) -> None:
        """Remove the files used longest ago until the rest fits; the newest goes last and only if it is linked."""
        files = sorted(self._files(), key=lambda file: file[1])
        total = sum(size for _, _, size in files)
        for path, _, size in files:
            if total <= self._max_bytes:
                return
            if path == newest and not _has_second_name(path):
                continue
            path.unlink(missing_ok=True)
            total -= size

    def _files(self) -> list[tuple[Path, float, int]]:
        """Path, time of last use and size of every cached file; remains of dead processes are removed."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue
                if not entry.name.startswith(ARRIVING):
                    found.append((Path(entry.path), status.st_mtime, status.st_size))
                elif status.st_mtime < time.time() - ABANDONED_S:
                    Path(entry.path).unlink(missing_ok=True)
        return found


def _has_second_name(path: Path) -> bool:
    try:
        return path.stat().st_nlink > 1
    except FileNotFoundError:
        return True


def _given(path: Path, link: Path | None) -> Path:
    """Give a cached file its second name; on another disk that is a copy."""
    if link is None:
        return path
    link.unlink(missing_ok=True)
    try:
        link.hardlink_to(path)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(path, link)
    return link

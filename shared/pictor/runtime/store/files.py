"""Files read in pieces, and files that appear whole or not at all."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

READ = 1 << 20
"""Bytes per trip to the disk."""

AT_ONCE = 32
"""Files synced at a time: the disk writes down together what waits for it, one by one a thousand files take seconds."""


async def file_chunks(path: Path, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """Read a file from ``start`` up to but without ``end``, off the event loop."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        left = READ if end is None else end - start
        while left > 0:
            chunk = await asyncio.to_thread(file.read, min(READ, left))
            if not chunk:
                return
            yield chunk
            left -= 0 if end is None else len(chunk)


async def file_size(path: Path) -> int:
    """Bytes of a file."""
    return (await asyncio.to_thread(path.stat)).st_size


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def arriving_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when the block ends well; otherwise nothing is left."""
    arriving = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with arriving.open("xb", buffering=0) as file:
            yield file
        arriving.replace(path)
    finally:
        arriving.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Make a folder and everything in it survive a power cut."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(sync_folder, [path for path in (folder, *folder.rglob("*")) if not path.is_symlink()]))

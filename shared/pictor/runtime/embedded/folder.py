"""The folder of an embedded run: one run at a time, secrets made once, ports remembered."""

import asyncio
import fcntl
import itertools
import json
import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from pictor.runtime.embedded.errors import AlreadyRunningError, EmbeddedError
from pictor.runtime.store.files import sync_folder

LOOPBACK = "127.0.0.1"

PREVIOUS_RUN_S = 15.0
"""Servers of a killed run are gone after this time."""


def ports() -> range:
    """Return the ports servers and services of this machine are given: ``PICTOR_PORTS``, ``first-last``.

    By default those below what Linux gives to outgoing connections: none is taken by others while a server restarts.
    """
    text = os.environ.get("PICTOR_PORTS", "20000-31999")
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and 1024 <= int(first) < int(last) <= 65535):
        raise EmbeddedError(f"PICTOR_PORTS is {text!r}; it must be a range such as 20000-31999")
    return range(int(first), int(last) + 1)


def own_folder(path: Path) -> Path:
    """Make a folder that only we can read."""
    if not path.exists():
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(path.parent)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file that only we can read; after a power cut it is there, old or new, and whole."""
    arriving = path.with_name(f".{path.name}.arriving")
    arriving.unlink(missing_ok=True)
    descriptor = os.open(arriving, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    arriving.replace(path)
    sync_folder(path.parent)


class Remembered:
    """Names and values kept in a private file of the data folder.

    Parameters
    ----------
    path
        JSON file, mode 0600.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def secret(self, name: str) -> str:
        """Return a secret, made on first use; 192 bits, letters and digits only."""
        self.make_secrets([name])
        return self._values[name]

    def make_secrets(self, names: Iterable[str]) -> None:
        """Make those of some secrets that are not there yet, all in one write."""
        missing = [name for name in names if name not in self._values]
        self._values.update({name: secrets.token_hex(24) for name in missing})
        if missing:
            self.save()

    def ports(self, names: Sequence[str]) -> dict[str, int]:
        """Return ports of servers by name, new ones for those that somebody else took, all in one write."""
        before = dict(self._values)
        for name in names:
            if name not in self._values or not is_free(int(self._values[name])):
                self._values[name] = str(free_port({int(value) for value in self._values.values()}))
        if self._values != before:
            self.save()
        return {name: int(self._values[name]) for name in names}

    def forget(self, name: str) -> None:
        """Make the next use of this name find a new value."""
        self._values.pop(name, None)

    def save(self) -> None:
        """Write all values."""
        write_private(self._path, json.dumps(self._values, indent=1))


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(taken: set[int]) -> int:
    """Find a port nobody uses."""
    every = ports()
    first = secrets.randbelow(len(every))
    for port in itertools.chain(every[first:], every[:first]):
        if port not in taken and is_free(port):
            return port
    raise EmbeddedError(f"no free port between {every.start} and {every.stop - 1} on {LOOPBACK}")


def lock(path: Path) -> int:
    """Take the lock of a data folder; the kernel gives it back when we end, however we end.

    Raises
    ------
    AlreadyRunningError
        If another run holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 20).decode(errors="replace").strip()
        os.close(descriptor)
        raise AlreadyRunningError(
            f"Pictor already runs on {path.parent} (process {owner}); stop it or choose another folder"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


async def hold(path: Path) -> int:
    """Take the lock that a server holds for as long as any of its processes lives.

    After a killed run its servers end by themselves, a moment later than we may start: wait for them.

    Raises
    ------
    EmbeddedError
        If they do not end.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = asyncio.get_running_loop().time() + PREVIOUS_RUN_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.05)
                continue
            os.close(descriptor)
            raise EmbeddedError(
                f"a {path.stem} server of an earlier run still holds {path}; end it (fuser {path} names it)"
            ) from None
        return descriptor

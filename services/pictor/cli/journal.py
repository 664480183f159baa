"""The client's journal: one line for every upload the gateway answered with success, on disk before anyone is told.

A journal is a text file, one JSON object per line, UTF-8, each line ended by a newline and synced before the upload
counts as done. Unknown names are ignored, so that lines may grow; these are always there:

``{"sha256": "<64 hex digits>", "size": 8294400, "frame_id": "<uuid>", "status": 201,
"time": "2026-11-21T22:10:03.120000+00:00", "server": "http://127.0.0.1:8080", "name": "light-001.fits"}``

``status`` is the answer: 201 stored now, 200 there before. A last line without its newline was cut by a crash before
anybody was told; it is not read. ``pictor check --journal FILE`` compares a journal with what the installation holds.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

FOLDER = "pictor"
"""Below the folder for the state of programs of the user."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One upload that was answered with 201 or 200."""

    sha256: str
    size: int
    frame_id: str
    status: int
    time: str
    server: str
    name: str = ""


class JournalError(Exception):
    """A journal cannot be read."""


class Journal:
    """A journal that is written to; several processes may write to one file.

    Parameters
    ----------
    path
        The file; it and its folder are made if missing, readable by their owner alone.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._end_torn_line()

    def _end_torn_line(self) -> None:
        """Keep a line cut by a crash apart from the next one."""
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")

    def add(self, *, sha256: str, size: int, frame_id: str, status: int, server: str, name: str = "") -> Entry:
        """Write one line and wait until it is on disk."""
        entry = Entry(sha256, size, frame_id, status, datetime.now(UTC).isoformat(), server, name)
        os.write(self._file, json.dumps(asdict(entry)).encode() + b"\n")
        os.fsync(self._file)
        return entry

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def default_path() -> Path:
    """Return where ``pictor upload`` keeps its journal: below XDG_STATE_HOME, or ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / FOLDER / "uploads.jsonl"


def entries(path: Path, *, server: str | None = None) -> Iterator[Entry]:
    """Read a journal line by line; with ``server`` only what was sent there.

    Raises
    ------
    JournalError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for line in file:
                entry = _read(line)
                if entry is not None and (server is None or entry.server.rstrip("/") == server.rstrip("/")):
                    yield entry
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error.strerror}") from error


def _read(line: bytes) -> Entry | None:
    """Read a line; one that a crash cut short tells of no upload anybody was told of."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
        return Entry(**{name: found[name] for name in Entry.__dataclass_fields__ if name in found})
    except (ValueError, TypeError):
        return None

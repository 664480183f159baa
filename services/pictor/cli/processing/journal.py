"""What was done, one line of JSON per step: a run goes on where the last one ended, however it ended."""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pictor.cli.client import CommandError
from pictor.cli.processing.finding import JOURNAL

_LOCK = ".process.lock"


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was done: what it told, which files it made, how long it took."""

    result: Mapping[str, Any]
    outputs: Mapping[str, int]
    seconds: float


def content_key(step: str, content: Mapping[str, Any]) -> str:
    """Name a step by all it depends on: the same name, the same result.

    Parameters
    ----------
    step
        What is done.
    content
        JSON values: hashes of inputs, settings, names of outputs, the software; never times or folders.
    """
    text = json.dumps({"step": step, **content}, sort_keys=True, allow_nan=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Journal:
    """The journal of an output folder; only one run at a time holds it.

    Parameters
    ----------
    folder
        Output folder; it exists.
    overwrite
        Forget what was done.
    """

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self.folder = folder
        self._path = folder / JOURNAL
        self._done: dict[str, Done] = {}
        self._used: set[str] = set()
        self._lock = (folder / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise CommandError(
                f"another run is writing into {folder}; wait for it or name another folder", 2
            ) from error
        self._read()
        self._forgotten = frozenset(self._done) if overwrite else frozenset()
        self._made: set[str] = set()
        self._file = self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._lock.close()

    def known(self, key: str) -> Done | None:
        """Return a step that was done and whose files are still there, as long as they were."""
        done = self._done.get(key)
        if done is None or (key in self._forgotten and key not in self._made):
            return None
        if any(_size(self.folder / name) != size for name, size in done.outputs.items()):
            return None
        self._used.update(done.outputs)
        return done

    def unused(self) -> list[str]:
        """Name the files of earlier runs that are still there and that this run neither made nor used."""
        names = {name for done in self._done.values() for name in done.outputs}
        return [name for name in names - self._used if _size(self.folder / name) >= 0]

    def keep(self, key: str, result: Mapping[str, Any], outputs: Sequence[str], seconds: float) -> Done:
        """Write down that a step is done; it is on disk when this returns."""
        done = Done(result, {name: _size(self.folder / name) for name in outputs}, round(seconds, 3))
        self._done[key] = done
        self._made.add(key)
        self._used.update(done.outputs)
        self._file.write(_line(key, done))
        self._file.flush()
        os.fsync(self._file.fileno())
        return done

    def _read(self) -> None:
        with suppress(FileNotFoundError):
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    told = json.loads(line)
                    self._done[told["key"]] = Done(told["result"], told["outputs"], told["seconds"])

    def _any(self, done: Done) -> bool:
        return any(_size(self.folder / name) >= 0 for name in done.outputs)

    def _begin(self) -> Any:  # noqa: ANN401 - a text file
        """Write the whole lines anew: what a killed run left half is gone, and steps whose files are."""
        self._done = {key: done for key, done in self._done.items() if not done.outputs or self._any(done)}
        part = self._path.with_name(f".{JOURNAL}.part")
        part.write_text("".join(_line(key, done) for key, done in self._done.items()), encoding="utf-8")
        part.replace(self._path)
        return self._path.open("a", encoding="utf-8")


def _line(key: str, done: Done) -> str:
    told = {"key": key, "seconds": done.seconds, "outputs": dict(done.outputs), "result": done.result}
    return json.dumps(told, allow_nan=False) + "\n"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1

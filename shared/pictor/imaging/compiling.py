"""`numba.njit` for the kernels of this library, with a cache that knows what a kernel calls.

numba keeps a compiled function as long as its own file stays the same; what it calls from other files, and the
constants it takes from them, are compiled into it all the same. After an update in which only such a file changed it
would go on with the old one, beside callers of the new one.
"""

import os
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import (
    config,
    njit,  # noqa: TID251 - here is where all take it from
)
from numba.core import caching

__all__ = ["njit"]

_LIBRARY = Path(__file__).resolve().parent
_IMPORTED = re.compile(rb"^from pictor\.imaging\.([\w.]+) import", re.MULTILINE)
_COMPILES = b"from pictor.imaging.compiling import njit"


@cache
def digest(path: Path) -> bytes:
    """Hash the source of a module and of what its kernels are compiled from.

    Parameters
    ----------
    path
        File of a module of this library.

    Returns
    -------
    bytes
        SHA-256 over the file, the kernels it imports with all that these import, and the other modules it imports
        itself, for their constants.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    known, ahead = {path}, [path]
    while ahead:
        for each in _source(ahead.pop()).imported - known:
            known.add(each)
            if _source(each).compiles:
                ahead.append(each)
    return sha256(b"".join(_source(each).sha256 for each in sorted(known))).digest()


@dataclass(frozen=True, slots=True)
class _Source:
    """What is to be known of a module: its hash, whether it has kernels, and which files of the library it imports."""

    sha256: bytes
    compiles: bool
    imported: frozenset[Path]


@cache
def _source(path: Path) -> _Source:
    text = path.read_bytes()
    names = (_LIBRARY.joinpath(*name.decode().split(".")) for name in _IMPORTED.findall(text))
    files = frozenset(file for name in names if (file := name.with_suffix(".py")).is_file())
    return _Source(sha256(text).digest(), _COMPILES in text, files)


_writable: set[tuple[object, str, str]] = set()
"""Kinds of places and folders of sources that were seen to work: numba writes a file to learn it, for each kernel."""


@cache
def _stamp(file: str) -> bytes:
    return digest(Path(file).resolve())


@cache
def _ours(file: str) -> bool:
    return Path(file).resolve().is_relative_to(_LIBRARY)


class _Whole:
    """A place in numba's cache for functions of this library; those of others are left to numba's own classes."""

    _py_file: str

    def get_source_stamp(self) -> bytes:
        """Tell what the compiled function was made from."""
        return _stamp(self._py_file)

    @classmethod
    def from_function(cls, function: Any, file: str) -> Any:  # noqa: ANN401 - they are numba's
        """Give a place for a function of this library, or none."""
        if not _ours(file):
            return None
        folder = cls, os.path.dirname(file), str(vars(config)["CACHE_DIR"])  # noqa: PTH120 - for each kernel of a start
        if folder in _writable:
            return cls(function, file)  # type: ignore[call-arg]
        place = super().from_function(function, file)  # type: ignore[misc]
        if place is not None:
            _writable.add(folder)
        return place


def _places() -> list[Any]:
    """Make our own of each kind of place numba has, in its order."""
    kinds = (caching.UserProvidedCacheLocator, caching.InTreeCacheLocator, caching.UserWideCacheLocator)
    return [type(f"_Whole{kind.__name__}", (_Whole, kind), {}) for kind in kinds]


caching.CacheImpl._locator_classes = [*_places(), *caching.CacheImpl._locator_classes]  # noqa: SLF001

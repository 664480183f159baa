"""Which files of a folder may be frames; nothing is opened but the lists of archives, nothing is changed."""

import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

JOURNAL = "process.jsonl"
"""A folder that holds a journal is the output of a run, never its input."""

LARGEST_MEMBER = 5 << 29
"""Bytes of the largest file taken out of an archive, unpacked."""

_FRAME = re.compile(r"\.(fits?|fts)(\.(fz|gz|z|bz2|xz))?\Z|\.fz\Z|\.xisf\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that may be a frame, or a member of an archive that holds one.

    Parameters
    ----------
    label
        Path below the folder, as it is told in the report.
    path
        The file, or the archive.
    member
        Name inside the archive; None: the file itself.
    size
        Bytes, unpacked where the archive says so.
    """

    label: str
    path: Path
    member: str | None = None
    size: int = 0

    @property
    def name(self) -> str:
        """File name without folders."""
        return self.label.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in a folder: frames, files that cannot be opened with the reason, and how many are something else."""

    sources: tuple[Source, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    others: int = 0


@dataclass(slots=True)
class _Walk:
    """What was found so far."""

    sources: list[Source] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    others: int = 0

    def refuse(self, label: str, why: str) -> None:
        self.refused.append((label, why))


def find(folder: Path, *, without: Path | None = None) -> Found:
    """Walk a folder, archives included, in the order of names.

    Parameters
    ----------
    folder
        Folder of frames; nothing in it is changed.
    without
        Folder to leave out: where the products go.
    """
    walk = _Walk()
    for path in _files(folder, without, walk):
        label = path.relative_to(folder).as_posix()
        if path.suffix.lower() == ".zip":
            _look_inside(path, label, walk)
        elif not _FRAME.search(path.name):
            walk.others += 1
        else:
            _take(path, label, walk)
    return Found(tuple(walk.sources), tuple(walk.refused), walk.others)


def chosen(found: Found, include: Sequence[str], exclude: Sequence[str]) -> Found:
    """Keep the files whose label or name is like a pattern of the first, if there are any, and like none of the second.

    Capitals are told from small letters; ``*`` stands for slashes too. The others are counted as passed over.
    """

    def wanted(label: str) -> bool:
        names = (label, label.rsplit("/", 1)[-1])

        def like(patterns: Sequence[str]) -> bool:
            return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)

        return (not include or like(include)) and not like(exclude)

    sources = tuple(one for one in found.sources if wanted(one.label))
    refused = tuple((label, why) for label, why in found.refused if wanted(label))
    left = len(found.sources) + len(found.refused) - len(sources) - len(refused)
    return Found(sources, refused, found.others + left)


def _files(folder: Path, without: Path | None, walk: _Walk) -> Iterator[Path]:
    def closed(error: OSError) -> None:
        name = Path(os.fsdecode(error.filename or folder))
        label = name.relative_to(folder).as_posix() if name.is_relative_to(folder) else str(name)
        walk.refuse(label, f"the folder cannot be read: {error.strerror}")

    out = None if without is None else without.resolve()
    for place, folders, names in os.walk(folder, onerror=closed):
        here = Path(place)
        if JOURNAL in names or (out is not None and here.resolve() == out):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield here / name


def _take(path: Path, label: str, walk: _Walk) -> None:
    try:
        state = path.stat()
        if not path.is_file():
            walk.refuse(label, "it is no regular file")
            return
        path.open("rb").close()
    except OSError as error:
        walk.refuse(label, f"the file cannot be read: {error.strerror}")
        return
    walk.sources.append(Source(label, path, None, state.st_size))


def _look_inside(path: Path, label: str, walk: _Walk) -> None:
    """List the frames of an archive; one that is damaged or locked is told and leaves the others alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.infolist(), key=lambda one: one.filename)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        walk.refuse(label, f"the archive cannot be read: {getattr(error, 'strerror', None) or error}")
        return
    for member in members:
        name = f"{label}/{member.filename}"
        if member.is_dir():
            continue
        if not _FRAME.search(member.filename) or member.filename.startswith("__MACOSX/"):
            walk.others += 1
        elif member.flag_bits & 1:
            walk.refuse(name, "the archive is locked by a password; unpack it first")
        elif member.file_size > LARGEST_MEMBER:
            walk.refuse(name, f"it would be {member.file_size / 1e9:.1f} GB unpacked; the limit is 2.7 GB")
        else:
            walk.sources.append(Source(name, path, member.filename, member.file_size))

"""Folders for work in progress: gone when the work ends, and swept by the next work when its process was killed."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "pictor-scratch-"
"""How folders begin; beside products they are hidden by a dot before it."""

_MACHINE = hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:8]
"""Follows in the name: on a share, the locks of other machines may not be seen here."""

_swept: set[Path] = set()


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Give an empty folder that is removed afterwards.

    Its process holds a lock on it, which the system lets go however the process ends: the first call for a parent in
    another process removes folders that nobody holds any more.

    Parameters
    ----------
    parent
        Folder it is made in, hidden; None: the folder for temporary files.

    Raises
    ------
    OSError
        If it cannot be made; ``filename`` names the parent.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    try:
        if place not in _swept:
            _swept.add(place)
            sweep(place)
        folder, lock = _made(place, hidden=parent is not None)
    except OSError as error:
        error.filename = str(place)
        raise
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(place: Path) -> list[Path]:
    """Remove the scratch folders in a folder whose processes are gone.

    Folders of other people and other machines, and those of file systems that know no locks, are left alone.

    Parameters
    ----------
    place
        Folder to look into.

    Returns
    -------
    list of pathlib.Path
        What was removed.
    """
    with os.scandir(place) as entries:
        found = [Path(one.path) for one in entries if one.name.removeprefix(".").startswith(f"{NAME}{_MACHINE}-")]
    return [folder for folder in found if _removed(folder)]


def _removed(folder: Path) -> bool:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if os.fstat(lock).st_uid != os.getuid():
            return False
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _made(place: Path, *, hidden: bool) -> tuple[Path, int]:
    """Make a folder and hold it; one that was swept before it was held is made again."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{'.' * hidden}{NAME}{_MACHINE}-", dir=place))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_SH)
        if os.fstat(lock).st_nlink:
            return folder, lock
        os.close(lock)

"""Whether the inputs are still what was written: their CHECKSUM and DATASUM, looked at beside the work."""

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from pictor.cli.telling import tell
from pictor.imaging.fits.sums import wrong_sums


def sums_beside(inputs: Iterable[object], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do a work while another thread sums up the files it is given; tell what does not hold.

    It is told on standard error, and added to what the work tells as ``warnings``. The work is done all the same: a
    program that changed a header and left the card is more common than a damaged disk.

    Parameters
    ----------
    inputs
        Of these only paths count, so that everything a command was given may be handed over.
    work
        What is done with them.
    """
    paths = list(dict.fromkeys(one for one in inputs if isinstance(one, Path)))
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(lambda: [sentence for path in paths for sentence in wrong_in(path)])
        try:
            told = work()
        finally:
            found = looking.result()
            for sentence in found:
                tell(f"pictor: warning: {sentence}", file=sys.stderr)
    return {**told, "warnings": [*told.get("warnings", []), *found]} if found else told


def sums_once(path: Path) -> list[str]:
    """Say of a file that many frames are worked on with which sums do not hold; it is read and told once."""
    state = path.stat()
    return _sums_of(path, state.st_size, state.st_mtime_ns)


@cache
def _sums_of(path: Path, _size: int, _changed_ns: int) -> list[str]:
    found = wrong_in(path)
    for sentence in found:
        tell(f"pictor: warning: {sentence}", file=sys.stderr)
    return found


def wrong_in(path: Path) -> list[str]:
    """Say of a file, or of the files in a folder, which sums do not hold; what cannot be read has none."""
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        return [f"{one}: {wrong}" for one in files if one.is_file() for wrong in wrong_sums(one)]
    except OSError:
        return []

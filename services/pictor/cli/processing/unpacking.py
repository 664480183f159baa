"""A source of frames as a plain file: taken out of its archive, nothing of it changed."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pictor.cli.processing.finding import LARGEST_MEMBER
from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.unpack import unpack


def opened(source: Mapping[str, str | None], scratch: Path) -> Path:
    """Return the file of a source; a member of an archive is copied out, under a name of ours.

    Raises
    ------
    UnreadableFrameError
        If the archive or the member cannot be read.
    """
    path, member = Path(str(source["path"])), source.get("member")
    if member is None:
        return path
    scratch.mkdir(parents=True, exist_ok=True)
    target = scratch / f"member{''.join(Path(member).suffixes[-2:]).lower()[:16]}"
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream, target.open("wb") as file:
            _copy(stream, file)
    except (KeyError, RuntimeError, zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise UnreadableFrameError(f"The archive is damaged: {error}.", reason="archive-damaged") from error
    return target


def unpack_master(*, source: Mapping[str, str | None], packed: bool, out: str, scratch: str) -> dict[str, object]:
    """Write a packed master as plain FITS; runs in a child.

    Parameters
    ----------
    source
        Where it is.
    packed
        Whether it is no plain FITS even when it is out of its archive.
    out
        File to write.
    scratch
        Empty folder on the same file system.

    Returns
    -------
    dict
        ``outputs``.
    """
    folder, target = Path(scratch), Path(out)
    path = opened(source, folder)
    if packed:
        path = unpack(path, folder).path
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    return {"outputs": {"master": out}}


def _copy(stream: IO[bytes], file: IO[bytes]) -> None:
    """Copy a member; it ends with an error where its archive lied about the size."""
    left = LARGEST_MEMBER
    while piece := stream.read(1 << 20):
        left -= len(piece)
        if left < 0:
            raise UnreadableFrameError("The unpacked file exceeds 2.7 GB.", reason="too-large")
        file.write(piece)

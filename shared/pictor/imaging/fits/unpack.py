"""Unpack what Pictor accepts packed, never more than the contents declare."""

import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.limits import DEFAULT_LIMITS, Limits
from pictor.imaging.fits.prescan import Container, prescan_file, sniff
from pictor.imaging.fits.structure import read_hdu, read_header
from pictor.imaging.fits.walk import SIMPLE
from pictor.imaging.fits.xisf import convert

_CHUNK = 256 * 1024
_SNIFF = 65_536
_GZIP_WINDOW = 31


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A FITS file ready to be read.

    Parameters
    ----------
    path
        The file itself, or what was made of it in the scratch folder.
    container
        What the file was.
    converted
        Whether ``path`` is a new file.
    """

    path: Path
    container: Container
    converted: bool
    warnings: tuple[str, ...] = ()


def unpack(path: Path, scratch: Path, *, limits: Limits = DEFAULT_LIMITS) -> Unpacked:
    """Make a FITS file of any file Pictor accepts; tile-compressed FITS stays as it is.

    Parameters
    ----------
    path
        The file as uploaded.
    scratch
        Folder for the unpacked file, ``unpacked.fits``.

    Raises
    ------
    UnreadableFrameError
        ``not-a-file`` for folders and pipes, ``archive`` for zip, bz2, xz and others; ``gzip-damaged``,
        ``gzip-truncated``, the reasons of the prescan and of XISF for the rest.
    """
    if path.exists() and not path.is_file():
        raise UnreadableFrameError("It is a folder, a pipe or a device; a frame is a file.", reason="not-a-file")
    with path.open("rb") as stream:
        container = sniff(stream.read(_SNIFF))
        stream.seek(0)
        if container is Container.ARCHIVE:
            raise UnreadableFrameError(
                "The file is an archive (zip, bz2, xz, Z, 7z or zstd); send plain FITS, .fits.fz, .fits.gz or .xisf.",
                reason="archive",
            )
        if container is Container.GZIP:
            target = scratch / "unpacked.fits"
            return Unpacked(target, container, converted=True, warnings=_gunzip(stream, target, limits))
    if container is Container.XISF:
        target = scratch / "unpacked.fits"
        return Unpacked(target, container, converted=True, warnings=convert(path, target, limits=limits))
    return Unpacked(path, container, converted=False)


def fill_last_block(path: Path, target: Path, *, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Copy a FITS file whose last block is not filled up, filling it with zeros.

    Parameters
    ----------
    path
        A FITS file.
    target
        File to write.

    Returns
    -------
    bool
        False, and nothing written, when the file needs no filling.

    Raises
    ------
    UnreadableFrameError
        If the prescan refuses the file.
    """
    end = prescan_file(path, limits=limits).hdus[-1].end
    missing = end - path.stat().st_size
    if missing <= 0:
        return False
    shutil.copyfile(path, target)
    with target.open("ab") as stream:
        stream.write(bytes(missing))
    return True


def _gunzip(packed: BinaryIO, target: Path, limits: Limits) -> tuple[str, ...]:
    """Stream a gzip file to disk in constant memory, stopping where its own FITS headers say it must end."""
    with target.open("w+b", buffering=0) as plain:
        growing = _Growing(plain, limits)
        engine = zlib.decompressobj(_GZIP_WINDOW)
        data = packed.read(_CHUNK)
        while data:
            try:
                growing.add(engine.decompress(data, _CHUNK))
            except zlib.error as error:
                raise UnreadableFrameError(f"The gzip file is damaged ({error}).", reason="gzip-damaged") from error
            data = engine.unconsumed_tail or engine.unused_data or packed.read(_CHUNK)
            if engine.eof and data:
                if not data.startswith(b"\x1f\x8b"):
                    return ("bytes after the end of the gzip stream are ignored",)
                engine = zlib.decompressobj(_GZIP_WINDOW)
        if not engine.eof:
            raise UnreadableFrameError(
                f"The gzip file ends too early, after {growing.size} unpacked bytes; send it again.",
                reason="gzip-truncated",
            )
    return ()


class _Growing:
    """A FITS file while it is written; knows where the HDUs seen so far must end."""

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self.stream, self.limits = stream, limits
        self.size = self.end = self.hdus = 0

    def add(self, data: bytes) -> None:
        """Append bytes and look whether they are still what the headers announced."""
        self.stream.write(data)
        self.size += len(data)
        if self.size > self.limits.file_bytes:
            raise UnreadableFrameError(f"The unpacked file exceeds {self.limits.file_bytes} bytes.", reason="too-large")
        while self.end < self.size and self._next_hdu():
            pass

    def _next_hdu(self) -> bool:
        start = self._read(self.end, len(SIMPLE))
        expected = SIMPLE if self.hdus == 0 else b"XTENSION= "
        if not start.startswith(expected[: len(start)]):
            if self.hdus == 0:
                raise UnreadableFrameError("The unpacked file is not FITS.", reason="not-fits")
            if self.size - self.end > self.limits.trailing_bytes:
                raise UnreadableFrameError(
                    f"The packed file goes on after the {self.end} bytes its headers announce.",
                    reason="length-mismatch",
                )
            return False
        header, ended = read_header(self._read, self.end, self.limits)
        if not ended:
            return False
        if self.hdus == self.limits.hdus:
            raise UnreadableFrameError(f"The file holds more than {self.limits.hdus} HDUs.", reason="too-many-hdus")
        self.end = read_hdu(header, self.hdus, self.end, self.limits).end
        self.hdus += 1
        return True

    def _read(self, offset: int, length: int) -> bytes:
        return os.pread(self.stream.fileno(), length, offset)

"""What every file we make carries: what made it, of which inputs, with which settings."""

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.sealing import write_sealed
from pictor.imaging.fits.writing import printable
from pictor.imaging.frame import Frame, loses_digits
from pictor.imaging.inherited import repair_cards
from pictor.imaging.scratch import scratch_folder

Setting = str | int | float | bool | None
"""The value of one setting; None leaves it out."""

_OF_A_FILE = ("CHECKSUM", "DATASUM", "BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX", "EXTNAME")
_OLD_INPUTS = re.compile(r"(NINPUT|INLIST|IN\d{3}(NAM|SHA|ID|LEV|REJ))\Z")
_MOST_LISTED = 999
_CARD_ROOM = 68


class FileTakenError(ImagingError):
    """A file of that name is there and was not to be replaced."""

    def __init__(self, message: str, *, reason: str = "file-exists") -> None:
        super().__init__(message, reason=reason)


@dataclass(frozen=True, slots=True)
class Input:
    """A file something was made of.

    Parameters
    ----------
    name
        Name without folder.
    sha256
        SHA-256 of its bytes, in hexadecimal.
    """

    name: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "Input":
        """Hash a file."""
        with path.open("rb") as file:
            return cls(path.name, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a product.

    Parameters
    ----------
    stage
        Name of the command or function, such as ``coadd``.
    inputs
        Files it was made of, in the order they were used.
    settings
        What was chosen, by name.
    software
        Name and version of the program.
    notes
        Sentences for HISTORY.
    """

    stage: str
    inputs: Sequence[Input] = ()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    software: str = "pictor"
    notes: Sequence[str] = ()

    def history(self) -> list[str]:
        """Write it as lines of HISTORY."""
        chosen = ", ".join(f"{name}={value}" for name, value in self.settings.items() if value is not None)
        return [printable(line) for line in (f"{self.software} {self.stage}: {chosen}", *self.notes)]


def write_product(path: Path, frame: Frame, made: Provenance, *, overwrite: bool = False) -> None:
    """Write a frame with its error and mask planes, its provenance and checksums; whole or not at all.

    The first plane SCI is the primary image (float32, or float64 where the data are), ERR and MASK follow where they
    are known. NINPUT, IN001NAM and IN001SHA to IN999SHA name the inputs with their SHA-256 (beyond, INLIST is the
    SHA-256 of the whole list as sha256sum would print it), HISTORY says what was done. The same frame and provenance
    give the same bytes.

    Parameters
    ----------
    path
        File to write, in a folder that exists.
    frame
        Pixels, shape (ny, nx) or (planes, ny, nx), and cards.
    made
        What made them.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    FileTakenError
        If a file of that name is there and ``overwrite`` is False.
    """
    header = product_header(frame, made)
    write_whole(path, lambda part: _write(part, frame, header), overwrite=overwrite)


def write_whole(path: Path, write: Callable[[Path], None], *, overwrite: bool = False) -> None:
    """Write a file in a scratch folder and give it its place when it is whole; a fault leaves nothing.

    Parameters
    ----------
    path
        File to write, in a folder that exists.
    write
        Writes the file it is given.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    FileTakenError
        If a file of that name is there and ``overwrite`` is False.
    """
    if path.exists() and not overwrite:
        raise FileTakenError(f"{path} exists; --overwrite replaces it")
    with scratch_folder(path.parent) as folder:
        part = folder / path.name
        write(part)
        if overwrite:
            part.replace(path)
        else:
            _name_new(part, path)


def product_header(frame: Frame, made: Provenance) -> fits.Header:
    """Make the primary header of a product: cards of the frame, unit, inputs, history.

    Parameters
    ----------
    frame
        Its cards are kept, but those that are true of another file only.
    made
        What made it.
    """
    header = frame.header.copy(strip=True)
    for keyword in {key for key in header if key in _OF_A_FILE}:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    unstamp(header)
    repair_cards(header)
    header["BUNIT"] = (frame.unit, "unit of the pixels; empty for ratios")
    stamp(header, made)
    return header


def unstamp(header: fits.Header) -> None:
    """Take from a header, in place, the inputs of an older product."""
    for keyword in {key for key in header if is_input_card(key)}:
        header.remove(keyword, ignore_missing=True, remove_all=True)


def stamp(header: fits.Header, made: Provenance) -> None:
    """Write into a header what made its frame: CREATOR, NINPUT, the inputs with their SHA-256, HISTORY.

    Parameters
    ----------
    header
        It is changed.
    made
        What made the frame.
    """
    header["CREATOR"] = (made.software, f"made by {made.stage}"[:46])
    header["NINPUT"] = (len(made.inputs), "files this was made of: names, then SHA-256")
    for number, one in enumerate(made.inputs[:_MOST_LISTED], 1):
        header[f"IN{number:03d}NAM"] = card_name(one.name)
        header[f"IN{number:03d}SHA"] = one.sha256
    if len(made.inputs) > _MOST_LISTED:
        listed = "".join(f"{one.sha256}  {one.name}\n" for one in made.inputs)
        header["INLIST"] = (hashlib.sha256(listed.encode()).hexdigest(), "")
    for line in made.history():
        header.add_history(line)


def card_name(name: str) -> str:
    """Give as much of the end of a file name as one card holds, where every quote takes two places."""
    text: str = printable(name)
    while len(text) + text.count("'") > _CARD_ROOM:
        text = text[1:]
    return text


def is_input_card(keyword: str) -> bool:
    """Tell whether a card names an input of the file it stands in."""
    return _OLD_INPUTS.match(keyword) is not None


def _write(path: Path, frame: Frame, header: fits.Header) -> None:
    """Write the planes; those of one float32 frame stream without a second copy."""
    if frame.data.ndim == 2 and not loses_digits(frame.data.dtype):
        planes = [Plane("SCI", "f4", lambda rows: frame.data[rows])]
        if frame.err is not None:
            err = frame.err
            planes.append(Plane("ERR", "f4", lambda rows: err[rows]))
        if frame.mask is not None:
            mask = frame.mask
            planes.append(Plane("MASK", "u1", lambda rows: mask[rows]))
        write_planes(path, header, planes, frame.shape)
        return
    units = [fits.PrimaryHDU(_stored(frame.data), header)]
    units[0].header["EXTNAME"] = ("SCI", "name of this plane")
    if frame.err is not None:
        units.append(fits.ImageHDU(frame.err.astype(np.float32), name="ERR"))
    if frame.mask is not None:
        units.append(fits.ImageHDU(frame.mask, name="MASK"))
    write_sealed(path, *units)


def _stored(data: NDArray[np.number]) -> NDArray[np.number]:
    return data.astype(np.float64 if loses_digits(data.dtype) else np.float32, copy=False)


def _name_new(part: Path, path: Path) -> None:
    """Give a finished file its name unless somebody else took it meanwhile."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise FileTakenError(f"{path} exists; --overwrite replaces it") from None
    except OSError:
        _claim(part, path)


def _claim(part: Path, path: Path) -> None:
    """Do the same where the file system knows no second names: claim the name, then put the file there."""
    try:
        path.open("xb").close()
    except FileExistsError:
        raise FileTakenError(f"{path} exists; --overwrite replaces it") from None
    try:
        part.replace(path)
    except OSError:
        path.unlink(missing_ok=True)
        raise

"""Masters opened for reading by rows, and lights."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.masters import Master, read_master
from pictor.imaging.calibration.rows import Held, Rows, Stored, version_of
from pictor.imaging.errors import FrameMismatchError, UnreadableFrameError


@dataclass(frozen=True, slots=True)
class OpenMaster:
    """A master whose planes are read by rows; a foreign one has no error and no mask."""

    header: fits.Header
    sci: Rows
    err: Rows | None
    mask: Rows | None

    @classmethod
    def of(cls, master: Master) -> "OpenMaster":
        """Wrap a master in memory."""
        return cls(master.header, real(master.sci), real(master.err), Held(np.ascontiguousarray(master.mask)))


def real(data: NDArray[np.number]) -> Held:
    """Wrap a plane in memory as native float32."""
    return Held(np.ascontiguousarray(data, dtype=np.float32))


@contextmanager
def open_masters(paths: Mapping[str, Path]) -> Iterator[dict[str, OpenMaster]]:
    """Open masters by place; plain planes stay in their files, all others are read whole.

    Raises
    ------
    UnreadableFrameError
        If a file is no FITS image.
    FrameMismatchError
        If an image has not two axes.
    """
    with ExitStack() as stack:
        yield {place: _open(path, stack) for place, path in paths.items()}


def _open(path: Path, stack: ExitStack) -> OpenMaster:
    """Open one master."""
    try:
        version = version_of(path)
        header, first, found = _planes_of(path, version)
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise UnreadableFrameError(f"{path.name} is not a master that can be read: {error}") from error
    if first is None or first.kind is not np.float32:
        return OpenMaster.of(read_master(path, planes=("ERR", "MASK")))
    if len(first.shape) != 2:
        raise FrameMismatchError(f"{path.name} has {len(first.shape)} axes; a master has two")
    return _in_file(path, header.copy(), version, {**found, "": first}, stack)


@lru_cache(maxsize=32)
def _planes_of(path: Path, version: tuple[int, ...]) -> "tuple[fits.Header, _Place | None, Mapping[str, _Place]]":
    """Read the headers of a file once for all lights: the first, where its image lies, and where the named ones do."""
    del version
    with fits.open(path, memmap=True, lazy_load_hdus=True) as units:
        header = units[0].header
        plain = bool(units[0].shape) and units[0].is_image
        found = {unit.name: _where(unit) for unit in units if unit.is_image and unit.shape} if plain else {}
        return header, _where(units[0]) if plain else None, found


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a plane lies in its file; no kind where it has to be interpreted."""

    offset: int
    shape: tuple[int, ...]
    kind: type[np.uint8] | type[np.float32] | None


def _where(unit: fits.PrimaryHDU | fits.ImageHDU) -> _Place:
    """Find the pixels of an image that need no interpretation."""
    kinds: dict[int, type[np.uint8 | np.float32]] = {-32: np.float32, 8: np.uint8}
    header = unit.header
    scaled = not isinstance(unit, fits.PrimaryHDU | fits.ImageHDU) or any(
        header.get(key, plain) != plain for key, plain in (("BSCALE", 1), ("BZERO", 0), ("BLANK", None))
    )
    kind = None if scaled else kinds.get(int(header["BITPIX"]))
    return _Place(int(unit.fileinfo()["datLoc"]), tuple(unit.shape), kind)


def _in_file(
    path: Path, header: fits.Header, version: tuple[int, ...], found: Mapping[str, _Place], stack: ExitStack
) -> OpenMaster:
    """Leave the planes of a master where they are; a plane of another shape than the first, "", is none of them."""
    first = found[""]
    file: BinaryIO = stack.enter_context(path.open("rb"))

    def plane(place: _Place | None, kind: type[np.uint8] | type[np.float32]) -> Stored | None:
        if place is None or place.shape != first.shape or place.kind is not kind:
            return None
        return Stored(path.name, file, place.offset, (first.shape[0], first.shape[1]), kind, version=version)

    sci = plane(first, np.float32)
    err, mask = plane(found.get("ERR"), np.float32), plane(found.get("MASK"), np.uint8)
    if sci is None or ("ERR" in found and err is None) or ("MASK" in found and mask is None):
        return OpenMaster.of(read_master(path, planes=("ERR", "MASK")))
    return OpenMaster(header, sci, err, mask)


@contextmanager
def open_map(path: Path) -> Iterator[Rows]:
    """Open a bad-pixel map; its pixels are bad where they are not 0.

    Raises
    ------
    UnreadableFrameError
        If the file is no FITS image.
    """
    with ExitStack() as stack:
        try:
            version = version_of(path)
            with fits.open(path, memmap=True, lazy_load_hdus=True) as units:
                place = _where(units[0]) if units[0].shape and units[0].is_image else None
        except (OSError, TypeError, AttributeError, ValueError) as error:
            raise UnreadableFrameError(f"{path.name} is not a map that can be read: {error}") from error
        if place is not None and place.kind is np.uint8 and len(place.shape) == 2:
            file = stack.enter_context(path.open("rb"))
            yield Stored(path.name, file, place.offset, (place.shape[0], place.shape[1]), np.uint8, version=version)
        else:
            yield Held((read_master(path, planes=()).sci != 0).astype(np.uint8))

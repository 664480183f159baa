"""Write several image planes into one FITS file, row by row, with checksums and without a second copy in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.fits.cards import padded
from pictor.imaging.fits.checksum import encode, fold, sum_bytes

CHUNK_BYTES = 4 << 20
BITPIX = {"f4": -32, "u1": 8}


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane: its name, its type and how to get some of its rows, shape (rows, nx)."""

    name: str
    kind: str
    rows: Callable[[slice], NDArray[np.generic]]


def row_chunks(shape: tuple[int, int], *, item_bytes: int = 4) -> list[slice]:
    """Cut a frame into pieces of some megabytes; four rows at a time, so that pieces are whole 32-bit words."""
    height = max(4, CHUNK_BYTES // (item_bytes * shape[1]) // 4 * 4)
    return [slice(y, min(y + height, shape[0])) for y in range(0, shape[0], height)]


def write_planes(path: Path, header: fits.Header, planes: Sequence[Plane], shape: tuple[int, int]) -> None:
    """Write the first plane as primary image under ``header``, the others as extensions.

    The same planes and header give the same bytes; CHECKSUM and DATASUM are those of the file.

    Parameters
    ----------
    path
        File to write.
    header
        Cards of the primary header beyond the structural ones.
    planes
        What to write, in order.
    shape
        Shape (ny, nx) of every plane.
    """
    with path.open("wb") as stream:
        for number, plane in enumerate(planes):
            own = _structure(plane, shape, primary=number == 0)
            if number == 0:
                own.extend(header, strip=True, update=True)
            own["EXTNAME"] = (plane.name, "name of this plane")
            _write_unit(stream, own, plane, shape)


def _structure(plane: Plane, shape: tuple[int, int], *, primary: bool) -> fits.Header:
    """Make the cards every image begins with."""
    first = ("SIMPLE", True, "conforms to FITS") if primary else ("XTENSION", "IMAGE", "image extension")
    last = [("EXTEND", True, "")] if primary else [("PCOUNT", 0, ""), ("GCOUNT", 1, "")]
    axes = [("NAXIS", 2, ""), ("NAXIS1", shape[1], "columns"), ("NAXIS2", shape[0], "rows")]
    return fits.Header([first, ("BITPIX", BITPIX[plane.kind], "bits per pixel"), *axes, *last])


def _sum_words(native: NDArray[np.generic]) -> int:
    """Sum the 32-bit words the values become in the file; a native word already has the value of its swapped bytes."""
    if native.itemsize == 4:
        return fold(int(native.view(np.uint32).sum(dtype=np.uint64)))
    return sum_bytes(native.tobytes())


def _write_unit(stream: BinaryIO, header: fits.Header, plane: Plane, shape: tuple[int, int]) -> None:
    """Write header and data; the sums are known only at the end and then filled in."""
    header["CHECKSUM"] = ("0" * 16, "HDU checksum")
    header["DATASUM"] = ("0" * 10, "data unit checksum")
    start = stream.tell()
    stream.write(header.tostring().encode("ascii"))
    total, size = 0, 0
    kind = np.dtype(plane.kind)
    for rows in row_chunks(shape, item_bytes=kind.itemsize):
        native = np.ascontiguousarray(plane.rows(rows), dtype=kind)
        total = fold(total + _sum_words(native))
        size += stream.write((native.byteswap() if kind.itemsize > 1 else native).data.cast("B"))
    stream.write(bytes(padded(size) - size))
    end = stream.tell()
    header["DATASUM"] = str(total)
    header["CHECKSUM"] = encode(fold(sum_bytes(header.tostring().encode("ascii")) + total))
    stream.seek(start)
    stream.write(header.tostring().encode("ascii"))
    stream.seek(end)

"""Look at a file before any library does: no allocation, no recursion, no C code.

A file of 2,880 bytes can hang astropy and others crash cfitsio; everything that enters Pictor passes here first.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.cards import BLOCK, CARD, padded
from pictor.imaging.fits.limits import DEFAULT_LIMITS, Limits
from pictor.imaging.fits.structure import ByteReader, Hdu, HduKind, read_header
from pictor.imaging.fits.walk import SIMPLE, Walk, ended_inside

HEAD_BYTES = padded((DEFAULT_LIMITS.cards + 1) * CARD)
"""Bytes from the start of a file that always decide about its first header: 401,760."""


class Container(StrEnum):
    """How a file is packed, told by its first bytes and never by its name."""

    FITS = "fits"
    FITS_COMPRESSED = "fits-compressed"
    GZIP = "gzip"
    XISF = "xisf"
    ARCHIVE = "archive"
    UNKNOWN = "unknown"


_MAGIC = (
    (b"SIMPLE  =", Container.FITS),
    (b"\x1f\x8b", Container.GZIP),
    (b"XISF0100", Container.XISF),
    (b"PK\x03\x04", Container.ARCHIVE),
    (b"BZh", Container.ARCHIVE),
    (b"\xfd7zXZ\x00", Container.ARCHIVE),
    (b"\x1f\x9d", Container.ARCHIVE),
    (b"7z\xbc\xaf", Container.ARCHIVE),
    (b"\x28\xb5\x2f\xfd", Container.ARCHIVE),
)


@dataclass(frozen=True, slots=True)
class Prescan:
    """What a file says about itself, proved against its length.

    Parameters
    ----------
    hdus
        HDUs found, in file order.
    image
        The HDU that holds the frame; None only if the scanned bytes ended before it was reached.
    complete
        Whether the walk reached the end of the file.
    warnings
        What a person should know although the file is accepted.
    """

    container: Container
    hdus: tuple[Hdu, ...]
    image: Hdu | None
    complete: bool
    warnings: tuple[str, ...]


def sniff(head: bytes) -> Container:
    """Tell the container from the first bytes of a file; a prefix of any length is enough to try.

    Tile compression shows only when the first 64 KiB reach into the first extension.
    """
    container = next((kind for magic, kind in _MAGIC if head.startswith(magic)), Container.UNKNOWN)
    if container is Container.FITS:
        starts = range(BLOCK, min(len(head), 65_536) - CARD + 1, CARD)
        if any(head.startswith(b"ZIMAGE  =                    T", start) for start in starts):
            return Container.FITS_COMPRESSED
    return container


def prescan(head: bytes, total_size: int, *, limits: Limits = DEFAULT_LIMITS) -> Prescan:
    """Scan the first bytes of a FITS file of known length.

    Parameters
    ----------
    head
        The first bytes, at least ``min(total_size, HEAD_BYTES)`` of them.
    total_size
        Length of the whole file, in bytes.

    Returns
    -------
    Prescan
        ``complete`` is False when later HDUs lie beyond the given bytes.

    Raises
    ------
    UnreadableFrameError
        With the reason class of the first rule that is broken.
    """

    def read(offset: int, length: int) -> bytes:
        return head[offset : offset + length]

    return _scan(read, known=min(len(head), total_size), total=total_size, limits=limits)


def prescan_file(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Prescan:
    """Scan a FITS file by seeking from header to header; pixels are not read.

    Raises
    ------
    UnreadableFrameError
        With the reason class of the first rule that is broken.
    """
    total = path.stat().st_size
    with path.open("rb") as stream:

        def read(offset: int, length: int) -> bytes:
            stream.seek(offset)
            return stream.read(length)

        return _scan(read, known=total, total=total, limits=limits)


def _scan(read: ByteReader, *, known: int, total: int, limits: Limits) -> Prescan:
    walk = Walk(total, limits)
    check_start(read(0, BLOCK), total)
    complete = known == total
    while walk.offset < known:
        walk.may_go_on()
        if walk.hdus and not walk.begins(read(walk.offset, min(10, known - walk.offset))):
            walk.trail(total - walk.offset)
            complete = True
            break
        header, ended = read_header(read, walk.offset, limits)
        if not ended:
            if known < total:
                break
            raise ended_inside(header, total)
        walk.add(header)
    return _conclude(walk.hdus, walk.warnings, complete=complete)


def _conclude(hdus: list[Hdu], warnings: list[str], *, complete: bool) -> Prescan:
    image = next((hdu for hdu in hdus if hdu.kind in _IMAGES and not hdu.problem), None)
    if image is None and complete:
        raise _no_image(hdus)
    others = [hdu for hdu in hdus if hdu.kind in _IMAGES and image is not None and hdu.shape == image.shape]
    if image is not None and image.index > 0 and len(others) > 1:
        warnings.append(f"the file holds {len(others)} images of one size; only HDU {image.index} is used")
    compressed = image is not None and image.kind is HduKind.COMPRESSED
    container = Container.FITS_COMPRESSED if compressed else Container.FITS
    return Prescan(container, tuple(hdus), image, complete, tuple(dict.fromkeys(warnings)))


_IMAGES = frozenset({HduKind.IMAGE, HduKind.COMPRESSED})


def check_start(start: bytes, total: int) -> None:
    """Refuse a file whose first block is not that of plain FITS.

    Parameters
    ----------
    start
        The first block, or all there is.
    total
        Length of the file, in bytes; that of the block at least, where it is not known.

    Raises
    ------
    UnreadableFrameError
        ``empty-file``, ``not-fits``, ``packed`` or ``header-truncated``.
    """
    if total == 0:
        raise UnreadableFrameError("The file is empty.", reason="empty-file")
    container = sniff(start)
    if container is Container.UNKNOWN:
        raise UnreadableFrameError(
            "The file is not FITS: it does not start with the card SIMPLE = T.", reason="not-fits"
        )
    if container is not Container.FITS:
        raise UnreadableFrameError(f"The file is packed ({container.value}), not plain FITS.", reason="packed")
    if total < BLOCK:
        raise UnreadableFrameError(
            f"The file ends inside its first header: {total} bytes, one block has {BLOCK}.", reason="header-truncated"
        )
    if not start.startswith(SIMPLE):
        raise UnreadableFrameError("The file says of itself that it is not standard FITS.", reason="not-fits")


def _no_image(hdus: list[Hdu]) -> UnreadableFrameError:
    problem = next((hdu.problem for hdu in hdus if hdu.problem), "")
    if problem:
        return UnreadableFrameError(f"The file holds no frame: {problem}.", reason="not-an-image")
    kinds = {hdu.kind for hdu in hdus}
    if HduKind.GROUPS in kinds:
        return UnreadableFrameError("The file holds random groups, not an image.", reason="random-groups")
    if HduKind.TABLE in kinds:
        return UnreadableFrameError("The file holds tables, but no image.", reason="no-image")
    return UnreadableFrameError("The file holds a header, but no image.", reason="no-image")

"""Read the one image of a file that passed the prescan."""

import warnings as python_warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.imaging.errors import ImagingError, UnreadableFrameError
from pictor.imaging.fits.cards import Card, card_images, parse_cards
from pictor.imaging.fits.limits import DEFAULT_LIMITS, Limits
from pictor.imaging.fits.plain import APPLIED, Pixels, Scaling, read_plain
from pictor.imaging.fits.prescan import Prescan, prescan_file
from pictor.imaging.fits.structure import Hdu, HduKind
from pictor.imaging.fits.tiles import check_tiles
from pictor.imaging.types import Image

_OF_ONE_HDU = frozenset(
    {"SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "EXTEND", "PCOUNT", "GCOUNT", "TFIELDS"}
    | {"CHECKSUM", "DATASUM", "BSCALE", "BZERO", "BLANK", "EXTNAME", "COMMENT", "HISTORY", ""}
)


@dataclass(frozen=True, slots=True, eq=False)
class FrameFile:
    """One frame read from a file.

    Parameters
    ----------
    data
        Pixels with BSCALE, BZERO and BLANK applied, native byte order, shape (ny, nx) or (planes, ny, nx).
    header
        Header of the image HDU, primary cards merged where absent, without BSCALE, BZERO and BLANK.
    cards
        The same cards as plain values, order and duplicates kept, nothing removed.
    hdu, header_offset, data_offset, data_size
        Where the image lies in the file; ``data_size`` in bytes without padding.
    compressed
        Whether the image is tile-compressed (.fz).
    warnings
        What a person should know although the frame is read.
    hdus
        HDUs of the file.
    """

    data: Pixels
    header: fits.Header
    cards: tuple[Card, ...]
    hdu: int
    header_offset: int
    data_offset: int
    data_size: int
    compressed: bool
    warnings: tuple[str, ...]
    hdus: int = 1


def read_frame(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> FrameFile:
    """Read the image of a FITS file, plain or tile-compressed.

    Parameters
    ----------
    path
        A file under a name of ours; it is scanned before any library opens it.

    Raises
    ------
    UnreadableFrameError
        Whatever is wrong with the file, with its reason class.
    """
    scan = prescan_file(path, limits=limits)
    image = image_of(scan)
    cards = read_cards(path, scan)
    warnings = list(scan.warnings)
    if image.kind is HduKind.COMPRESSED:
        data = _read_compressed(path, image)
    else:
        data = read_plain(path, image, Scaling.of(cards, image.bitpix, warnings))
    return FrameFile(
        data=data, header=_library_header(path, scan), cards=cards, hdu=image.index,
        header_offset=image.header_offset, data_offset=image.data_offset, data_size=image.data_size,
        compressed=image.kind is HduKind.COMPRESSED, warnings=tuple(warnings), hdus=len(scan.hdus),
    )  # fmt: skip


def read_header(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> fits.Header:
    """Read the header `read_frame` would give, without any pixel.

    Raises
    ------
    UnreadableFrameError
        Whatever is wrong with the file, with its reason class.
    """
    return _library_header(path, prescan_file(path, limits=limits))


def read_image(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Image:
    """Read a file as one monochrome image.

    Returns
    -------
    Image
        float32, shape (ny, nx), in ADU; colour planes become their mean.

    Raises
    ------
    UnreadableFrameError
        Whatever is wrong with the file, with its reason class.
    """
    return luminance(read_frame(path, limits=limits).data)


def luminance(data: Pixels) -> Image:
    """Turn pixels into one monochrome float32 image.

    Parameters
    ----------
    data
        Shape (ny, nx) or (planes, ny, nx).

    Returns
    -------
    Image
        float32, shape (ny, nx): the pixels themselves, or the mean of the planes.
    """
    if data.ndim == 2:
        return data.astype(np.float32)
    planes: Image = data.mean(axis=0, dtype=np.float32) if data.shape[0] > 1 else data[0].astype(np.float32)
    return planes


def image_of(scan: Prescan) -> Hdu:
    """Give the HDU of the image; a scan of a whole file always has one."""
    if scan.image is None:
        raise UnreadableFrameError("The scanned part of the file holds no image.", reason="no-image")
    return scan.image


def read_cards(path: Path, scan: Prescan) -> tuple[Card, ...]:
    """Read the cards that describe the frame: those of the image HDU, then primary ones it lacks.

    Parameters
    ----------
    path
        The scanned file.
    scan
        Its prescan.
    """
    image = image_of(scan)
    _, cards = header_block(path, image)
    if image.index == 0:
        return cards
    have = {card.keyword for card in cards}
    _, primary = header_block(path, scan.hdus[0])
    return cards + tuple(card for card in primary if card.keyword not in have | _OF_ONE_HDU)


def header_block(path: Path, hdu: Hdu) -> tuple[bytes, tuple[Card, ...]]:
    """Read the header of one HDU.

    Parameters
    ----------
    path
        The scanned file.
    hdu
        From its prescan.

    Returns
    -------
    bytes
        Header with padding.
    tuple of Card
        Its cards.
    """
    with path.open("rb") as stream:
        stream.seek(hdu.header_offset)
        block = stream.read(hdu.data_offset - hdu.header_offset)
    return block, parse_cards(block)


def _library_header(path: Path, scan: Prescan) -> fits.Header:
    """Give the merged header as an astropy one, without the cards astropy cannot parse."""
    image = image_of(scan)
    header = _parse_header(header_block(path, image)[0])
    if image.index > 0:
        for card in _parse_header(header_block(path, scan.hdus[0])[0]).cards:
            if card.keyword not in header and card.keyword not in _OF_ONE_HDU:
                header.append(card, end=True)
    for keyword in APPLIED:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    return header


def _parse_header(block: bytes) -> fits.Header:
    header = fits.Header()
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        for card in fits.Header.fromstring("".join(card_images(block))).cards:
            try:
                card.verify("silentfix")
                header.append(card, end=True)
            except (ValueError, TypeError, AttributeError, KeyError, IndexError, fits.VerifyError):
                continue
    return header


def _read_compressed(path: Path, image: Hdu) -> Pixels:
    """Decompress tiles; the only place where a library parses the file itself."""
    check_tiles(path, image)
    try:
        with python_warnings.catch_warnings(), path.open("rb") as stream:
            python_warnings.simplefilter("ignore")
            with fits.open(stream, mode="readonly", memmap=False, lazy_load_hdus=True) as hdus:
                data = np.asarray(hdus[image.index].data)
    except ImagingError:
        raise
    except Exception as error:
        raise UnreadableFrameError(
            f"The compressed image cannot be unpacked ({type(error).__name__}); it is damaged.", reason="bad-tiles"
        ) from error
    if data.shape != image.shape:
        raise UnreadableFrameError(f"The unpacked image is {data.shape}, not {image.shape}.", reason="bad-tiles")
    return data.astype(data.dtype.newbyteorder("="), copy=False)

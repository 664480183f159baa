"""The processed FITS: the data unit of the raw file, byte for byte, under a new header.

Pixels are never decoded here. What follows the header is copied, or left to a copy on the side of the store: the
product is then a small head part and the rest of the raw object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from pictor.imaging.fits.cards import CARD, COMMENTARY, Card, card_images, padded, parse_card
from pictor.imaging.fits.checksum import encode, fold, sum_bytes
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.fits.writing import card_lines, header_bytes, standard_lines

PART_SIZE = 5 * 1024 * 1024
"""Smallest part of an object composed by a store, except the last: 5 MiB, as S3 demands."""

_CHUNK = 1024 * 1024
_MANDATORY = ("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT", "GCOUNT", "TFIELDS")
_SUMS = frozenset({"CHECKSUM", "DATASUM", "ZHECKSUM"})
_ZEROS = "0" * 16


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the image HDU lies in a raw file.

    Parameters
    ----------
    header_offset, data_offset
        Byte offsets of the image HDU.
    data_size
        Bytes of its data unit, without padding.
    end
        Offset after the last HDU; bytes after it belong to nothing and are not copied.
    total
        Length of the raw file.
    datasum
        DATASUM of the data unit, padding included.
    """

    header_offset: int
    data_offset: int
    data_size: int
    end: int
    total: int
    datasum: int


@dataclass(frozen=True, slots=True)
class Composition:
    """A processed file as a head part, and what of the raw file follows it.

    Parameters
    ----------
    head
        File that holds the start of the product.
    resume_offset, resume_size
        Bytes of the raw object that follow; a size of 0 says that the head is the whole product.
    size
        Length of the whole product.
    """

    head: Path
    resume_offset: int
    resume_size: int
    size: int


def processed_header(
    original: bytes, cards: Sequence[Card], *, datasum: int, solved: bool, history: Sequence[str] = ()
) -> bytes:
    """Write the new header of the image HDU.

    Parameters
    ----------
    original
        Header bytes of the image HDU in the raw file.
    cards
        Cards to set: the first card of that keyword is replaced where it stands, doubles go, new ones are appended.
    datasum
        DATASUM of the unchanged data unit.
    solved
        Whether ``cards`` hold a new world coordinate system; every older one is then removed.
    history
        Sentences for HISTORY cards.

    Returns
    -------
    bytes
        Whole blocks, CHECKSUM and DATASUM correct for this header and the unchanged data.
    """
    new = {card.keyword: card for card in cards if card.keyword not in COMMENTARY.union(_MANDATORY)}
    lines = _merged(original, dict(new), solved=solved)
    for sentence in history:
        lines += card_lines(Card("HISTORY", sentence))
    return _with_sums(lines, datasum)


def _merged(original: bytes, new: dict[str, Card], *, solved: bool) -> list[str]:
    """Walk the original cards, replacing and dropping; append what is left of the new ones."""
    first: list[str] = []
    rest: list[str] = []
    written = set(new)
    keeping = True
    for image in chain.from_iterable(map(standard_lines, card_images(original))):
        keyword = parse_card(image).keyword
        if keyword == "CONTINUE":
            rest += [image] if keeping else []
            continue
        keeping = keyword not in _SUMS | written and not (solved and is_stale(keyword))
        if keeping:
            (first if keyword in _MANDATORY else rest).append(image)
        elif keyword in new and not is_stale(keyword):
            rest += card_lines(new.pop(keyword))
    first.sort(key=lambda image: _MANDATORY.index(image[:8].rstrip()))
    while rest and not rest[-1].strip():
        rest.pop()
    return first + rest + [line for card in new.values() for line in card_lines(card)]


def _with_sums(lines: list[str], datasum: int) -> bytes:
    sums = [
        Card("CHECKSUM", _ZEROS, "HDU checksum"),
        Card("DATASUM", str(datasum), "data unit checksum"),
    ]
    lines = lines + [line for card in sums for line in card_lines(card)]
    blank = header_bytes(lines)
    total = fold(sum_bytes(blank) + datasum)
    start = (len(lines) - len(sums)) * CARD + len("CHECKSUM= '")
    return blank[:start] + encode(total).encode() + blank[start + len(_ZEROS) :]


def head_part(raw: Path, out: Path, header: bytes, geometry: Geometry, *, part_size: int = PART_SIZE) -> Composition:
    """Write the head of the product: old bytes before the header, the new header, and the first data.

    Parameters
    ----------
    raw
        The raw file, or its first ``data_offset + part_size`` bytes.
    out
        File to write.
    header
        From `processed_header`.
    part_size
        Data bytes to include, so that a store accepts the head as a part.

    Returns
    -------
    Composition
        With ``resume_size`` 0 when the frame is so small, or so badly padded, that the head is the whole product.
    """
    before = geometry.header_offset + len(header)
    start = geometry.data_offset + part_size
    whole = start >= geometry.end or geometry.end > geometry.total
    stop = min(geometry.end, geometry.total) if whole else start
    with raw.open("rb") as source, out.open("wb") as target:
        _copy(source, target, 0, geometry.header_offset)
        target.write(header)
        _copy(source, target, geometry.data_offset, stop - geometry.data_offset)
        if whole:
            target.write(bytes(padded(target.tell()) - target.tell()))
    rest = 0 if whole else geometry.end - start
    return Composition(out, stop, rest, before + padded(geometry.end - geometry.data_offset))


def write_processed(raw: Path, out: Path, header: bytes, geometry: Geometry) -> None:
    """Write the whole product in constant memory.

    Parameters
    ----------
    raw
        The complete raw file.
    out
        File to write.
    header
        From `processed_header`.
    """
    composition = head_part(raw, out, header, geometry, part_size=0)
    if composition.resume_size:
        with raw.open("rb") as source, out.open("ab") as target:
            _copy(source, target, composition.resume_offset, composition.resume_size)


def _copy(source: BinaryIO, target: BinaryIO, offset: int, size: int) -> None:
    source.seek(offset)
    while size > 0:
        data = source.read(min(size, _CHUNK))
        if not data:
            raise EOFError(f"{size} bytes are missing after offset {offset}")
        target.write(data)
        size -= len(data)

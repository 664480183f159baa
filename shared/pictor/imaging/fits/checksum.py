"""FITS checksums, streamed: DATASUM of a data unit, CHECKSUM of an HDU.

References
----------
Pence W. D. et al., 2010, A&A 524, A42 (FITS 3.0), appendix J: the 32-bit ones' complement checksum.
"""

from enum import StrEnum
from pathlib import Path

import numpy as np

from pictor.imaging.fits.cards import Card

_CHUNK = 4 * 1024 * 1024
_ALL_ONES = 0xFFFFFFFF
_PUNCTUATION = frozenset(range(0x3A, 0x41)) | frozenset(range(0x5B, 0x61))


class ChecksumState(StrEnum):
    """Whether the sums written in a header hold."""

    ABSENT = "absent"
    VALID = "valid"
    WRONG = "wrong"


def fold(total: int) -> int:
    """Reduce a sum to 32 bits by adding the carries back in."""
    while total >> 32:
        total = (total & _ALL_ONES) + (total >> 32)
    return total


def sum_bytes(data: bytes) -> int:
    """Sum bytes as big-endian 32-bit words with end-around carry; a short last word is filled with zeros."""
    words = np.frombuffer(data + bytes(-len(data) % 4), ">u4")
    return fold(int(words.sum(dtype=np.uint64)))


def datasum(path: Path, offset: int, size: int) -> int:
    """Compute the DATASUM of a data unit in constant memory.

    Parameters
    ----------
    path
        The file.
    offset, size
        Where the data unit lies, in bytes, padding included; what the file lacks counts as zeros.

    Returns
    -------
    int
        Unsigned 32-bit sum.
    """
    total = 0
    with path.open("rb") as stream:
        stream.seek(offset)
        while size > 0:
            data = stream.read(min(size, _CHUNK))
            if not data:
                break
            total = fold(total + sum_bytes(data))
            size -= len(data)
    return total


def encode(total: int) -> str:
    """Encode the complement of a sum as the 16 letters and digits of a CHECKSUM card."""
    value = ~total & _ALL_ONES
    letters = [0] * 16
    for column in range(4):
        byte = (value >> (24 - 8 * column)) & 0xFF
        quarter = [byte // 4 + 0x30] * 4
        quarter[0] += byte % 4
        while any(letter in _PUNCTUATION for letter in quarter):
            for first in (0, 2):
                if quarter[first] in _PUNCTUATION or quarter[first + 1] in _PUNCTUATION:
                    quarter[first] += 1
                    quarter[first + 1] -= 1
        for row in range(4):
            letters[4 * row + column] = quarter[row]
    text = "".join(map(chr, letters))
    return text[-1] + text[:-1]


def verify(header: bytes, cards: tuple[Card, ...], data_sum: int) -> ChecksumState:
    """Compare the sums a header carries with those of the bytes.

    Parameters
    ----------
    header
        The header with its padding.
    cards
        Its cards.
    data_sum
        DATASUM of the data unit as computed.
    """
    values = {card.keyword: str(card.value).strip() for card in reversed(cards)}
    said_data, said_hdu = values.get("DATASUM", ""), values.get("CHECKSUM", "")
    if not said_data.isdigit() and len(said_hdu) != 16:
        return ChecksumState.ABSENT
    if said_data.isdigit() and int(said_data) != data_sum:
        return ChecksumState.WRONG
    if len(said_hdu) == 16 and said_hdu != "0" * 16:
        total = fold(sum_bytes(header) + data_sum)
        return ChecksumState.VALID if total in {0, _ALL_ONES} else ChecksumState.WRONG
    return ChecksumState.VALID

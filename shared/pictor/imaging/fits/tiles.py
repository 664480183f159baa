"""Look at every compressed tile before a library unpacks it: none may claim more pixels than the header gives it.

The library unpacks gzip tiles without a bound, and the decoders of HCOMPRESS and PLIO, written in C, trust the sizes
that stand in the tile itself [1]_.

References
----------
.. [1] FITS standard 4.0, section 10, and appendices of the compression algorithms.
"""

import math
import os
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.cards import Card, parse_cards
from pictor.imaging.fits.structure import Hdu

KINDS = frozenset({"RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1", "NOCOMPRESS"})
"""Compressions of the FITS standard."""

_FORM = re.compile(r"(\d*)([LXBIJKAEDCMPQ])(.?)")
_WIDTHS = {"L": 1, "B": 1, "I": 2, "J": 4, "K": 8, "A": 1, "E": 4, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}
_WIDEST = 8
"""Bytes of the widest pixel: tiles of floats are kept as integers of another width."""

_GZIP_WINDOW = 31
_HCOMPRESS = struct.Struct(">Hii")
_HCOMPRESS_MAGIC = 0xDD99
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of variable-length arrays: where its pointers stand in a row, and how wide its elements are."""

    name: str
    offset: int
    pointer: struct.Struct
    width: int


@dataclass(frozen=True, slots=True)
class _Table:
    """The table the tiles are kept in."""

    kind: str
    rows: int
    row_bytes: int
    heap: int
    columns: tuple[_Column, ...]
    tile: tuple[int, ...]


def check_tiles(path: Path, image: Hdu) -> None:
    """Check that every tile lies in the file and unpacks to its own pixels at most.

    Parameters
    ----------
    path
        The scanned file.
    image
        Its tile-compressed image.

    Raises
    ------
    UnreadableFrameError
        ``bad-tiles``.
    """
    with path.open("rb") as stream:
        descriptor = stream.fileno()
        header = os.pread(descriptor, image.data_offset - image.header_offset, image.header_offset)
        table = _table(parse_cards(header), image)
        for row in range(table.rows):
            start = image.data_offset + row * table.row_bytes
            pointers = os.pread(descriptor, table.row_bytes, start)
            for column in table.columns:
                _check(_tile_bytes(descriptor, column, pointers, table, image), column, table, image, row)


def _table(cards: tuple[Card, ...], image: Hdu) -> _Table:
    values = {card.keyword: card.value for card in reversed(cards)}

    def whole(keyword: str, default: int) -> int:
        value = values.get(keyword, default)
        if not isinstance(value, int) or value < 0:
            raise _bad(f"card {keyword} is {str(value)[:24]!r}")
        return value

    kind = str(values.get("ZCMPTYPE", "")).strip()
    if kind not in KINDS:
        raise _bad(f"their compression {kind[:20]!r} is not one of the standard")
    row_bytes, rows = whole("NAXIS1", 0), whole("NAXIS2", 0)
    axes = tuple(reversed(image.shape))
    tile = tuple(whole(f"ZTILE{axis}", axes[0] if axis == 1 else 1) for axis in range(1, len(axes) + 1))
    needed = math.prod(-(-length // part) for length, part in zip(axes, tile, strict=True))
    if rows != needed:
        raise _bad(f"there are {rows} of them, the image needs {needed}")
    return _Table(
        kind, rows, row_bytes, whole("THEAP", rows * row_bytes), _columns(values, whole("TFIELDS", 0), row_bytes), tile
    )


def _columns(values: Mapping[str, object], count: int, row_bytes: int) -> tuple[_Column, ...]:
    found, offset = [], 0
    for number in range(1, min(count, 999) + 1):
        form = _FORM.match(str(values.get(f"TFORM{number}", "")))
        if form is None:
            raise _bad(f"column {number} has no form")
        repeat, letter = int(form[1] or 1), form[2]
        if letter in "PQ" and repeat == 1 and form[3] in _WIDTHS:
            pointer = struct.Struct(">ii" if letter == "P" else ">qq")
            name = str(values.get(f"TTYPE{number}", "")).strip().upper()
            found.append(_Column(name, offset, pointer, _WIDTHS[form[3]]))
        offset += -(-repeat // 8) if letter == "X" else min(repeat, row_bytes + 1) * _WIDTHS[letter]
    if offset > row_bytes or not found:
        raise _bad(f"their table has rows of {row_bytes} bytes and columns of {offset}")
    return tuple(found)


def _tile_bytes(descriptor: int, column: _Column, pointers: bytes, table: _Table, image: Hdu) -> bytes:
    count, offset = column.pointer.unpack_from(pointers, column.offset)
    start, size = table.heap + offset, count * column.width
    if min(count, offset) < 0 or start + size > image.data_size:
        raise _bad(f"one lies outside the file: {size} bytes at {offset}")
    return os.pread(descriptor, size, image.data_offset + start)


def _check(data: bytes, column: _Column, table: _Table, image: Hdu, row: int) -> None:
    """Check one tile; an empty one is kept in another column."""
    if not data:
        return
    pixels = _pixels(table, image, row)
    if column.name == "GZIP_COMPRESSED_DATA" or (column.name == "COMPRESSED_DATA" and table.kind.startswith("GZIP")):
        _check_gzip(data, pixels * _WIDEST)
    elif column.name == "COMPRESSED_DATA" and table.kind == "HCOMPRESS_1":
        _check_hcompress(data, pixels)
    elif column.name == "COMPRESSED_DATA" and table.kind == "PLIO_1":
        _check_plio(data)
    elif column.name == "UNCOMPRESSED_DATA" and len(data) > pixels * _WIDEST:
        raise _bad(f"one has {len(data)} bytes for {pixels} pixels")


def _pixels(table: _Table, image: Hdu, row: int) -> int:
    """Count the pixels of a tile; those at the edges are smaller."""
    pixels, rest = 1, row
    for length, part in zip(reversed(image.shape), table.tile, strict=True):
        rest, place = divmod(rest, -(-length // part))
        pixels *= min(part, length - place * part)
    return pixels


def _check_gzip(data: bytes, most: int) -> None:
    size = 0
    while data:
        engine = zlib.decompressobj(_GZIP_WINDOW)
        try:
            while data and not engine.eof:
                size += len(engine.decompress(data, _PIECE))
                data = engine.unconsumed_tail
                if size > most:
                    raise _bad(f"one unpacks to more than the {most} bytes its pixels can have")
        except zlib.error as error:
            raise _bad(f"one is damaged ({error})") from error
        if not engine.eof:
            raise _bad("one ends too early")
        data = engine.unused_data.lstrip(b"\0")


def _check_hcompress(data: bytes, pixels: int) -> None:
    if len(data) < _HCOMPRESS.size:
        raise _bad(f"one has {len(data)} bytes, too few for HCOMPRESS")
    magic, rows, columns = _HCOMPRESS.unpack_from(data)
    if magic != _HCOMPRESS_MAGIC or min(rows, columns) < 1 or rows * columns != pixels:
        raise _bad(f"one says of itself that it has {rows} x {columns} pixels; it has {pixels}")


def _check_plio(data: bytes) -> None:
    """Compare the length a line list gives itself with its bytes: in its third word, or its fourth and fifth."""
    words = [int.from_bytes(data[at : at + 2], "big", signed=True) for at in range(0, min(len(data), 10), 2)]
    if len(words) < 3:
        raise _bad(f"one has {len(data)} bytes, too few for PLIO")
    length = words[2] if words[2] > 0 else (words[4] << 15) + words[3] if len(words) == 5 else -1
    if not 0 <= length <= len(data) // 2:
        raise _bad(f"one says of itself that it has {length} words; it has {len(data) // 2}")


def _bad(what: str) -> UnreadableFrameError:
    return UnreadableFrameError(
        f"The compressed image cannot be unpacked, its tiles are wrong: {what}.", reason="bad-tiles"
    )

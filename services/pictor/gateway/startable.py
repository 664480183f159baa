"""A FITS table read with the standard library: the gateway knows no numpy."""

import math
import struct

from pictor.gateway.problems import Problem
from pictor.imaging.fits.cards import BLOCK, CARD, parse_card

FORMS = {"L": ("?", 1), "B": ("B", 1), "I": ("h", 2), "J": ("i", 4), "K": ("q", 8), "E": ("f", 4), "D": ("d", 8)}
Value = str | int | float | bool | None
Table = dict[str, int | dict[str, str | None] | dict[str, list[Value]]]


def read_table(raw: bytes) -> Table:
    """Return the first table of a FITS file: rows, units, and the values of each column; not-a-number is null."""
    header, offset = _header(raw, 0)
    while header.get("XTENSION") != "BINTABLE":
        offset += _padded(_size(header))
        if offset >= len(raw):
            raise Problem("not-found", "The star list holds no table.")
        header, offset = _header(raw, offset)
    return _columns(raw, offset, header)


def _header(raw: bytes, start: int) -> tuple[dict[str, Value], int]:
    found: dict[str, Value] = {}
    for at in range(start, len(raw), CARD):
        card = parse_card(raw[at : at + CARD].decode("ascii", "replace"))
        if card.keyword == "END":
            return found, start + _padded(at + CARD - start)
        found.setdefault(card.keyword, card.value)
    return found, len(raw)


def _size(header: dict[str, Value]) -> int:
    axes = _number(header.get("NAXIS"))
    if axes == 0:
        return 0
    pixels = math.prod(_number(header.get(f"NAXIS{axis}")) for axis in range(1, axes + 1))
    return abs(_number(header.get("BITPIX"))) // 8 * pixels


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _columns(raw: bytes, offset: int, header: dict[str, Value]) -> Table:
    count, width = _number(header.get("NAXIS2")), _number(header.get("NAXIS1"))
    names, form, units = [], ">", {}
    for number in range(1, _number(header.get("TFIELDS")) + 1):
        letter = str(header.get(f"TFORM{number}", "")).strip().lstrip("1")
        if letter not in FORMS:
            raise Problem("not-acceptable", f"Column {number} has the form {letter}; ask for the FITS table.")
        name = str(header.get(f"TTYPE{number}", f"column{number}"))
        names.append(name)
        form += FORMS[letter][0]
        unit = header.get(f"TUNIT{number}")
        units[name] = None if unit is None else str(unit)
    if struct.calcsize(form) != width or offset + count * width > len(raw):
        raise Problem("not-acceptable", "The star list is not a plain table; ask for the FITS table.")
    rows = list(struct.iter_unpack(form, raw[offset : offset + count * width]))
    values = [[_finite(value) for value in column] for column in zip(*rows, strict=True)] or [[] for _ in names]
    return {"rows": count, "units": units, "columns": dict(zip(names, values, strict=True))}


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value

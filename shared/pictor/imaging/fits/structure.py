"""Structure of one HDU, read from its cards without any library."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.cards import BLOCK, CARD, padded, parse_card
from pictor.imaging.fits.limits import Limits

ByteReader = Callable[[int, int], bytes]
"""Gives up to ``length`` bytes from ``offset``."""

BITPIX = frozenset({8, 16, 32, 64, -32, -64})
"""Pixel types of the FITS standard."""

_STRUCTURAL = re.compile(
    rb"(SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|TFIELDS|Z(IMAGE|BITPIX|NAXIS\d*|TILE\d+|CMPTYPE))\Z"
)
_SCALING = (b"BSCALE", b"BZERO")
_TEXTS = (b"XTENSION", b"ZCMPTYPE")
"""The structural cards that are strings; a quoted number elsewhere is read as a number by some programs only."""
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NON_ASCII = re.compile(rb"[\x80-\xff]")
_INTEGER = re.compile(r"[+-]?\d{1,19}\Z")
_FIRST_READ = 4 * BLOCK
_MAX_NAXIS = 3
_MAX_FOREIGN_NAXIS = 32
_MAX_PLANES = 3


class HduKind(StrEnum):
    """What one HDU holds, as far as Pictor cares."""

    IMAGE = "image"
    COMPRESSED = "compressed-image"
    EMPTY = "empty"
    TABLE = "table"
    GROUPS = "random-groups"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Hdu:
    """Where one HDU lies and what shape its image has.

    Parameters
    ----------
    index
        Position in the file, 0 is the primary HDU.
    header_offset, data_offset
        Byte offsets in the file.
    data_size
        Bytes of the data unit without padding.
    bitpix, shape
        Of the image (of the unpacked one when compressed), shape in numpy order.
    problem
        Why this HDU cannot serve as the frame's image; empty if it can, or holds no image.
    """

    index: int
    kind: HduKind
    header_offset: int
    data_offset: int
    data_size: int
    bitpix: int
    shape: tuple[int, ...]
    problem: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """Offset of the byte after the padded data unit."""
        return self.data_offset + padded(self.data_size)


def read_header(read: ByteReader, offset: int, limits: Limits) -> tuple[bytes, bool]:
    """Read the cards before END of the header at an offset.

    Parameters
    ----------
    read
        Source of bytes; may give fewer than asked for at the end of what is known.
    offset
        Where the header starts.

    Returns
    -------
    bytes
        Whole cards, END included; the data unit starts after them, at the next block.
    bool
        Whether END was found; False when the bytes ended first.

    Raises
    ------
    UnreadableFrameError
        ``too-many-cards`` when END is not among the first ``limits.cards`` cards.
    """
    most = padded((limits.cards + 1) * CARD)
    size, scanned = _FIRST_READ, 0
    while True:
        block = read(offset, min(size, most))
        for start in range(scanned, len(block) - CARD + 1, CARD):
            if block.startswith(b"END", start) and not block[start + 3 : start + CARD].strip(b" \0"):
                return block[: start + CARD], True
        if len(block) >= most:
            raise UnreadableFrameError(
                f"The header has more than the {limits.cards} cards that are read, or no card END.",
                reason="too-many-cards",
            )
        if len(block) < min(size, most):
            return block, False
        scanned, size = len(block) // CARD * CARD, size * 2


class Structure:
    """Structural cards of one header, by keyword; built once, then asked."""

    def __init__(self, header: bytes) -> None:
        self.values: dict[str, str] = {}
        self.warnings: list[str] = []
        header = header[:-CARD]
        control = _CONTROL.search(header)
        if control is not None:
            raise UnreadableFrameError(
                f"Header card {control.start() // CARD + 1} holds a control character.", reason="control-characters"
            )
        for start in range(0, len(header), CARD):
            self._take(header[start : start + CARD])
        if _NON_ASCII.search(header):
            self.warnings.append("the header holds bytes outside ASCII; they read as '?'")

    def _take(self, image: bytes) -> None:
        name = image[:8].rstrip()
        structural = _STRUCTURAL.match(name) is not None
        if image[8:10] != b"= " or not (structural or name in _SCALING):
            return
        if structural and _NON_ASCII.search(image):
            raise UnreadableFrameError(f"Card {name.decode()} holds bytes outside ASCII.", reason="control-characters")
        keyword, value = name.decode(), parse_card(image.decode("ascii", errors="replace")).value
        text = value.strip() if isinstance(value, str) else repr(value)
        if structural and name not in _TEXTS and image[10:].lstrip().startswith(b"'"):
            text = f"'{text}'"
        known = self.values.get(keyword)
        if known is not None and (structural or float_of(known) != float_of(text)):
            raise UnreadableFrameError(
                f"Card {keyword} stands twice in one header; readers disagree which one counts.",
                reason="duplicate-structural-keyword",
            )
        self.values[keyword] = text

    def integer(self, keyword: str, default: int | None = None) -> int:
        """Value of an integer card; raises ``bad-naxis`` or ``bad-bitpix`` when it is missing or none."""
        text = self.values.get(keyword)
        if text is None and default is not None:
            return default
        if text is None or not _INTEGER.match(text):
            reason = "bad-bitpix" if keyword.endswith("BITPIX") else "bad-naxis"
            found = "is missing" if text is None else f"is {text[:24]!r}, not an integer"
            raise UnreadableFrameError(f"Card {keyword} {found}.", reason=reason)
        return int(text)

    def flag(self, keyword: str) -> bool:
        """Whether a logical card is T."""
        return self.values.get(keyword) == "True"

    def axes(self, prefix: str = "", *, most: int = _MAX_NAXIS) -> tuple[int, ...]:
        """Axis lengths in FITS order (NAXIS1 first), at most so many."""
        count = self.integer(f"{prefix}NAXIS")
        if count > most and self.flag("GROUPS"):
            raise UnreadableFrameError("The file holds random groups, not an image.", reason="random-groups")
        if not 0 <= count <= most:
            raise UnreadableFrameError(
                f"{prefix}NAXIS is {count}; a frame has 2 axes, or 3 with colour.", reason="bad-naxis"
            )
        lengths = tuple(self.integer(f"{prefix}NAXIS{axis}") for axis in range(1, count + 1))
        if any(length < 0 for length in lengths):
            raise UnreadableFrameError(f"An axis has a negative length: {lengths}.", reason="bad-naxis")
        return lengths

    def bitpix(self, prefix: str = "") -> int:
        """Pixel type of the image or of the tile-compressed one."""
        value = self.integer(f"{prefix}BITPIX")
        if value not in BITPIX:
            raise UnreadableFrameError(
                f"{prefix}BITPIX is {value}; the FITS standard knows 8, 16, 32, 64, -32 and -64.", reason="bad-bitpix"
            )
        return value


def float_of(text: str) -> float | str:
    """Read a number, or give the text back."""
    try:
        return float(text)
    except ValueError:
        return text


def read_hdu(header: bytes, index: int, offset: int, limits: Limits) -> Hdu:
    """Understand one header: kind, shape and size of the data unit.

    Parameters
    ----------
    header
        Cards up to END, as `read_header` gives them.
    index, offset
        Position of the HDU in the file.

    Raises
    ------
    UnreadableFrameError
        If the structural cards are missing, doubled, of the wrong type or beyond the limits.
    """
    cards = Structure(header)
    bitpix, axes = cards.bitpix(), cards.axes(most=_MAX_NAXIS if index == 0 else _MAX_FOREIGN_NAXIS)
    kind = _kind(cards, index, axes)
    size = _data_size(cards, kind, bitpix, axes)
    if kind is HduKind.COMPRESSED:
        bitpix, axes = cards.bitpix("Z"), cards.axes("Z")
        _check_tiles(cards, axes)
    problem = ""
    if kind in {HduKind.IMAGE, HduKind.COMPRESSED}:
        problem = _image_problem(axes)
        _check_limits(axes, bitpix, limits)
    elif size > limits.data_bytes:
        raise UnreadableFrameError(f"An HDU claims {size} bytes of data.", reason="too-large")
    return Hdu(
        index=index, kind=kind, header_offset=offset, data_offset=offset + padded(len(header)), data_size=size,
        bitpix=bitpix, shape=tuple(reversed(axes)), problem=problem, warnings=tuple(cards.warnings),
    )  # fmt: skip


def _kind(cards: Structure, index: int, axes: tuple[int, ...]) -> HduKind:
    extension = cards.values.get("XTENSION", "").rstrip()
    if index == 0 or extension == "IMAGE":
        if axes and axes[0] == 0 and cards.flag("GROUPS"):
            return HduKind.GROUPS
        return HduKind.IMAGE if axes and 0 not in axes else HduKind.EMPTY
    if extension == "BINTABLE":
        return HduKind.COMPRESSED if cards.flag("ZIMAGE") else HduKind.TABLE
    return HduKind.TABLE if extension == "TABLE" else HduKind.OTHER


def _data_size(cards: Structure, kind: HduKind, bitpix: int, axes: tuple[int, ...]) -> int:
    if not axes:
        return 0
    pixels = 1
    for length in axes[1:] if kind is HduKind.GROUPS else axes:
        pixels *= length
    parameters, groups = cards.integer("PCOUNT", 0), cards.integer("GCOUNT", 1)
    if parameters < 0 or groups < 0:
        raise UnreadableFrameError(f"PCOUNT {parameters} or GCOUNT {groups} is negative.", reason="bad-naxis")
    if kind is HduKind.IMAGE and (parameters, groups) != (0, 1):
        raise UnreadableFrameError(
            f"An image has PCOUNT 0 and GCOUNT 1, not {parameters} and {groups}.", reason="bad-naxis"
        )
    return abs(bitpix) // 8 * groups * (parameters + pixels)


def _check_tiles(cards: Structure, axes: tuple[int, ...]) -> None:
    for axis, length in enumerate(axes, start=1):
        tile = cards.integer(f"ZTILE{axis}", length if axis == 1 else 1)
        if not 1 <= tile <= max(length, 1):
            raise UnreadableFrameError(
                f"A tile is {tile} pixels long on axis {axis}; the image has {length}.", reason="bad-tiles"
            )


def _check_limits(axes: tuple[int, ...], bitpix: int, limits: Limits) -> None:
    size = abs(bitpix) // 8
    for length in axes:
        size *= length
    if max(axes, default=0) > limits.axis or size > limits.data_bytes:
        shape = " x ".join(str(length) for length in axes)
        raise UnreadableFrameError(
            f"The image is {shape} pixels, {size} bytes; the limits are {limits.axis} pixels per axis and "
            f"{limits.data_bytes} bytes.",
            reason="too-large",
        )


def _image_problem(axes: tuple[int, ...]) -> str:
    longest = sorted(axes, reverse=True)
    if len(axes) > _MAX_NAXIS:
        return f"the image has {len(axes)} axes"
    if len(axes) < 2:
        return "the image has one dimension only"
    if longest[0] == 1:
        return "the image is a single pixel"
    if len(axes) == 3 and axes[2] > _MAX_PLANES:
        return f"the image is a cube of {axes[2]} planes; a frame has 1 or 3"
    return ""

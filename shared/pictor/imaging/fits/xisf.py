"""Convert monolithic XISF files to FITS.

Own code: the format is small, and no library bounds what it unpacks [1]_.

References
----------
.. [1] Pleiades Astrophoto, Extensible Image Serialization Format (XISF) Version 1.0 Specification, DRAFT 13.
"""

import base64
import binascii
import hashlib
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import lz4.block
import numpy as np
from numpy.typing import NDArray

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.cards import BLOCK, Card, parse_card
from pictor.imaging.fits.limits import DEFAULT_LIMITS, Limits
from pictor.imaging.fits.writing import card_lines, header_bytes, printable
from pictor.imaging.fits.xisf_header import XisfImage, parse_header

_MAX_HEADER = 16 * 1024 * 1024
_PREAMBLE = 16
_FORMATS = {
    "UInt8": ("u1", 8, 0),
    "UInt16": ("u2", 16, 2**15),
    "UInt32": ("u4", 32, 2**31),
    "Float32": ("f4", -32, 0),
    "Float64": ("f8", -64, 0),
}
_HASHES = {
    "sha1": "sha1", "sha256": "sha256", "sha512": "sha512", "sha3256": "sha3_256", "sha3512": "sha3_512",
}  # fmt: skip
_OURS = frozenset(
    {
        "SIMPLE",
        "BITPIX",
        "NAXIS",
        "NAXIS1",
        "NAXIS2",
        "NAXIS3",
        "EXTEND",
        "BZERO",
        "BSCALE",
        "BLANK",
        "PCOUNT",
        "GCOUNT",
    }
    | {"CHECKSUM", "DATASUM", "END", "CONTINUE", "XTENSION"}
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Shape and type of the pixels."""

    width: int
    height: int
    channels: int
    dtype: np.dtype[np.generic]
    bitpix: int
    zero: int

    @property
    def size(self) -> int:
        return self.width * self.height * self.channels * self.dtype.itemsize


def convert(path: Path, target: Path, *, limits: Limits = DEFAULT_LIMITS) -> tuple[str, ...]:
    """Write the first image of an XISF file as a plain FITS file with its FITS keywords.

    Parameters
    ----------
    path
        Monolithic XISF file.
    target
        FITS file to write.

    Returns
    -------
    tuple of str
        Warnings.

    Raises
    ------
    UnreadableFrameError
        ``xisf-header``, ``xisf-codec``, ``xisf-damaged``, ``bad-checksum``, ``too-large``.
    """
    image = _read_header(path)
    layout = _layout(image, limits)
    pixels = np.frombuffer(_block(path, image, layout), layout.dtype)
    if image.attributes.get("pixelStorage", "Planar").lower() == "normal":
        planes = pixels.reshape(layout.height, layout.width, layout.channels).transpose(2, 0, 1)
    else:
        planes = pixels.reshape(layout.channels, layout.height, layout.width)
    kept = 3 if layout.channels >= 3 else 1
    _write(target, planes[:kept], layout, _cards(image))
    if kept != layout.channels:
        return (f"{layout.channels - kept} of {layout.channels} channels were left out",)
    return ()


def _read_header(path: Path) -> XisfImage:
    with path.open("rb") as stream:
        preamble = stream.read(_PREAMBLE)
        length = int.from_bytes(preamble[8:12], "little")
        if len(preamble) < _PREAMBLE or not preamble.startswith(b"XISF0100") or length > _MAX_HEADER:
            raise UnreadableFrameError("The XISF file has no usable header.", reason="xisf-header")
        text = stream.read(length)
    if len(text) < length:
        raise UnreadableFrameError("The XISF file ends inside its header.", reason="header-truncated")
    return parse_header(text)


def _layout(image: XisfImage, limits: Limits) -> _Layout:
    form = image.attributes.get("sampleFormat", "")
    if form not in _FORMATS:
        raise UnreadableFrameError(
            f"XISF sample format {printable(form)[:20]!r} is not supported.", reason="xisf-codec"
        )
    try:
        width, height, channels = (int(part) for part in image.attributes.get("geometry", "").split(":"))
    except ValueError as error:
        raise UnreadableFrameError("The XISF image is not two-dimensional.", reason="xisf-header") from error
    code, bitpix, zero = _FORMATS[form]
    order = ">" if image.attributes.get("byteOrder", "little") == "big" else "<"
    layout = _Layout(width, height, channels, np.dtype(order + code), bitpix, zero)
    if min(width, height, channels) < 1 or max(width, height) > limits.axis or layout.size > limits.data_bytes:
        raise UnreadableFrameError(
            f"The XISF image is {width} x {height} x {channels} pixels, {layout.size} bytes; the limits are "
            f"{limits.axis} pixels per axis and {limits.data_bytes} bytes.",
            reason="too-large",
        )
    return layout


def _block(path: Path, image: XisfImage, layout: _Layout) -> bytes:
    """Fetch, verify and unpack the pixel block; never more bytes than the geometry needs."""
    stored = _stored(path, image, layout)
    _verify(stored, image.attributes.get("checksum", ""))
    codec = image.attributes.get("compression", "")
    plain = _decompress(stored, codec, image.attributes.get("subblocks", ""), layout.size) if codec else stored
    if len(plain) != layout.size:
        raise UnreadableFrameError(
            f"The XISF pixel block has {len(plain)} bytes; the geometry needs {layout.size}.", reason="xisf-damaged"
        )
    return plain


def _stored(path: Path, image: XisfImage, layout: _Layout) -> bytes:
    kind, _, rest = image.attributes.get("location", "").partition(":")
    if kind == "attachment":
        try:
            position, size = (int(part) for part in rest.split(":"))
        except ValueError as error:
            raise UnreadableFrameError("The XISF pixel block has no position.", reason="xisf-header") from error
        if position < 0 or not 0 <= size <= 2 * layout.size + BLOCK or position + size > path.stat().st_size:
            raise UnreadableFrameError("The XISF file ends inside its pixels.", reason="data-truncated")
        with path.open("rb") as stream:
            return os.pread(stream.fileno(), size, position)
    encoding = image.encoding if kind == "embedded" else rest
    text = "".join(image.text.split())
    try:
        if encoding == "base64":
            return base64.b64decode(text, validate=True)
        if encoding == "hex":
            return bytes.fromhex(text)
    except (binascii.Error, ValueError) as error:
        raise UnreadableFrameError("The XISF pixel block is not readable text.", reason="xisf-damaged") from error
    raise UnreadableFrameError("The XISF pixels are kept outside the file.", reason="xisf-codec")


def _verify(stored: bytes, checksum: str) -> None:
    if not checksum:
        return
    name, _, digest = checksum.partition(":")
    algorithm = _HASHES.get(name.lower().replace("-", "").replace("_", ""))
    if algorithm is None:
        raise UnreadableFrameError("The XISF checksum is of an unknown kind.", reason="xisf-codec")
    if hashlib.new(algorithm, stored, usedforsecurity=False).hexdigest() != digest.strip().lower():
        raise UnreadableFrameError(f"The XISF pixels do not match their {name} checksum.", reason="bad-checksum")


def _decompress(stored: bytes, compression: str, subblocks: str, size: int) -> bytes:
    codec, *numbers = compression.split(":")
    name, shuffled = codec.removesuffix("+sh"), codec.endswith("+sh")
    try:
        declared, item = int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 1
        lengths = [tuple(map(int, pair.split(","))) for pair in subblocks.split(":")] if subblocks else []
    except (ValueError, IndexError) as error:
        raise UnreadableFrameError("The XISF compression is not described.", reason="xisf-header") from error
    lengths = lengths or [(len(stored), declared)]
    if (
        declared != size
        or any(len(pair) != 2 or min(pair) < 0 for pair in lengths)
        or sum(p[1] for p in lengths) != size
    ):
        raise UnreadableFrameError(
            f"The XISF pixel block unpacks to {declared} bytes; the geometry needs {size}.", reason="xisf-damaged"
        )
    plain, position = bytearray(), 0
    for packed, unpacked in lengths:
        plain += _inflate(name, stored[position : position + packed], unpacked)
        position += packed
    return _unshuffle(bytes(plain), item) if shuffled else bytes(plain)


def _inflate(codec: str, packed: bytes, size: int) -> bytes:
    """Unpack one block to at most the declared size."""
    try:
        if codec == "zlib":
            plain = zlib.decompressobj().decompress(packed, max(size, 1))
        elif codec in {"lz4", "lz4hc"}:
            plain = lz4.block.decompress(packed, uncompressed_size=size)
        else:
            raise UnreadableFrameError(
                f"XISF compression {printable(codec)[:20]!r} is not supported; use zlib, lz4 or none.",
                reason="xisf-codec",
            )
    except (zlib.error, lz4.block.LZ4BlockError, MemoryError, OverflowError) as error:
        raise UnreadableFrameError(
            "The XISF pixels are damaged and cannot be unpacked.", reason="xisf-damaged"
        ) from error
    if len(plain) != size:
        raise UnreadableFrameError(
            f"An XISF block unpacks to {len(plain)} bytes instead of {size}.", reason="xisf-damaged"
        )
    return plain


def _unshuffle(plain: bytes, item: int) -> bytes:
    """Undo byte shuffling: first bytes of all items, then second bytes, and so on; a remainder stays last."""
    if item <= 1:
        return plain
    count = len(plain) // item
    body: NDArray[np.uint8] = np.frombuffer(plain, np.uint8, count * item)
    return body.reshape(item, count).T.tobytes() + plain[count * item :]


def _cards(image: XisfImage) -> list[Card]:
    """Give the FITS keywords the file carries, and the two facts XISF keeps elsewhere."""
    cards = []
    for name, value, comment in image.keywords:
        keyword = name.strip().upper()
        if keyword in _OURS:
            continue
        if keyword in {"COMMENT", "HISTORY"}:
            cards.append(Card(keyword, comment or value.strip("' ")))
        else:
            cards.append(Card(keyword, parse_card(f"{'X':8}= {value}").value, comment))
    known = {card.keyword for card in cards}
    kind = image.attributes.get("imageType", "")
    if kind and "IMAGETYP" not in known:
        cards.append(Card("IMAGETYP", kind, "Type of image (XISF imageType)"))
    if "ROWORDER" not in known:
        cards.append(Card("ROWORDER", "TOP-DOWN", "XISF keeps the top row first"))
    return cards + _bounds(image)


def _bounds(image: XisfImage) -> list[Card]:
    """Give the values that real-valued pixels have for black and white; only XISF states them."""
    try:
        low, high = (float(part) for part in image.attributes.get("bounds", "").split(":"))
    except ValueError:
        return []
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return []
    return [Card("XISFLOW", low, "black, of the XISF bounds"), Card("XISFHIGH", high, "white, of the XISF bounds")]


def _write(target: Path, planes: NDArray[np.generic], layout: _Layout, cards: list[Card]) -> None:
    """Write the FITS file plane by plane."""
    axes = [layout.width, layout.height] + ([len(planes)] if len(planes) > 1 else [])
    structure = [Card("SIMPLE", True), Card("BITPIX", layout.bitpix), Card("NAXIS", len(axes))]
    structure += [Card(f"NAXIS{number}", length) for number, length in enumerate(axes, start=1)]
    if layout.zero:
        structure += [Card("BZERO", layout.zero), Card("BSCALE", 1)]
    lines = [line for card in structure + cards for line in card_lines(card)]
    with target.open("wb") as stream:
        stream.write(header_bytes(lines))
        for plane in planes:
            if layout.zero:
                flipped = plane.astype(plane.dtype.newbyteorder("=")) ^ plane.dtype.type(layout.zero)
                stream.write(flipped.astype(flipped.dtype.newbyteorder(">")).tobytes())
            else:
                stream.write(plane.astype(plane.dtype.newbyteorder(">")).tobytes())
        stream.write(bytes(-stream.tell() % BLOCK))

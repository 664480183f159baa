"""Write FITS and XISF bytes by hand, legal or broken on purpose."""

import hashlib
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import lz4.block
import numpy as np
from numpy.typing import NDArray

BLOCK = 2880


def card(keyword: str, value: object = None, comment: str = "") -> bytes:
    """One 80-byte card; strings quoted, everything else right-justified."""
    if isinstance(value, bool):
        field = "T" if value else "F"
    elif isinstance(value, str):
        field = f"'{value}'"
    else:
        field = str(value)
    text = f"{keyword:8}= {field:>20}" + (f" / {comment}" if comment else "")
    return text.encode("latin-1")[:80].ljust(80)


def raw_card(text: str) -> bytes:
    return text.encode("latin-1")[:80].ljust(80)


def header(cards: Iterable[bytes], *, end: bool = True) -> bytes:
    text = b"".join(cards) + (b"END".ljust(80) if end else b"")
    return text.ljust(-(-len(text) // BLOCK) * BLOCK)


def image_cards(*axes: int, bitpix: object = 16, extra: Iterable[bytes] = ()) -> list[bytes]:
    axes = axes or (16, 12)
    structure = [card("SIMPLE", True), card("BITPIX", bitpix), card("NAXIS", len(axes))]
    return structure + [card(f"NAXIS{i}", n) for i, n in enumerate(axes, start=1)] + list(extra)


def padded(data: bytes) -> bytes:
    return data.ljust(-(-len(data) // BLOCK) * BLOCK, b"\0")


def image_file(pixels: NDArray[np.generic], *extra: bytes) -> bytes:
    """A primary image of the pixels' own type; unsigned integers through BZERO."""
    bitpix = {"u1": 8, "i2": 16, "u2": 16, "i4": 32, "u4": 32, "f4": -32, "f8": -64}[pixels.dtype.str[1:]]
    scaling: list[bytes] = []
    stored = pixels
    if pixels.dtype.str[1:] in {"u2", "u4"}:
        zero = 1 << (pixels.dtype.itemsize * 8 - 1)
        stored = (pixels.astype(np.int64) - zero).astype(f"i{pixels.dtype.itemsize}")
        scaling = [card("BSCALE", 1), card("BZERO", zero)]
    head = header(image_cards(*reversed(pixels.shape), bitpix=bitpix, extra=[*scaling, *extra]))
    return head + padded(stored.astype(stored.dtype.newbyteorder(">")).tobytes())


def table_hdu(*extra: bytes, rows: int = 2) -> bytes:
    cards = [
        raw_card("XTENSION= 'BINTABLE'"), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 4),
        card("NAXIS2", rows), card("PCOUNT", 0), card("GCOUNT", 1), card("TFIELDS", 1), card("TFORM1", "J"), *extra,
    ]  # fmt: skip
    return header(cards) + padded(bytes(4 * rows))


def empty_primary(*extra: bytes) -> bytes:
    return header([card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 0), card("EXTEND", True), *extra])


def shuffle(data: bytes, item: int) -> bytes:
    count = len(data) // item
    body = np.frombuffer(data, np.uint8, count * item).reshape(count, item).T.tobytes()
    return body + data[count * item :]


FORMATS = {"u1": "UInt8", "u2": "UInt16", "u4": "UInt32", "f4": "Float32", "f8": "Float64"}


def write_xisf(
    path: Path,
    planes: NDArray[np.generic],
    *,
    codec: str = "",
    checksum: str = "sha-256",
    keywords: Iterable[tuple[str, str, str]] = (),
    order: str = "little",
    storage: str = "Planar",
    xml: str = "",
    damage: bool = False,
    bounds: str = "",
) -> None:
    """A monolithic XISF file with one attached image, planes of shape (channels, ny, nx)."""
    channels, ny, nx = planes.shape
    arranged = planes.transpose(1, 2, 0) if storage == "Normal" else planes
    plain = arranged.astype(arranged.dtype.newbyteorder("<" if order == "little" else ">")).tobytes()
    item = planes.dtype.itemsize
    block = shuffle(plain, item) if codec.endswith("+sh") else plain
    packer = {"zlib": zlib.compress, "lz4": lambda b: lz4.block.compress(b, store_size=False)}
    packer["lz4hc"] = lambda b: lz4.block.compress(b, mode="high_compression", store_size=False)
    if codec:
        block = packer[codec.removesuffix("+sh")](block)
    sums = {"sha-1": "sha1", "sha-256": "sha256", "sha-512": "sha512", "sha3-256": "sha3_256"}
    attributes = {
        "geometry": f"{nx}:{ny}:{channels}",
        "sampleFormat": FORMATS[planes.dtype.str[1:]],
        "colorSpace": "RGB" if channels >= 3 else "Gray",
        "location": "attachment:4096:" + str(len(block)),
        "pixelStorage": storage,
        "byteOrder": order,
    }
    if bounds:
        attributes["bounds"] = bounds
    if codec:
        attributes["compression"] = f"{codec}:{len(plain)}" + (f":{item}" if codec.endswith("+sh") else "")
    if checksum:
        attributes["checksum"] = f"{checksum}:{hashlib.new(sums[checksum], block).hexdigest()}"
    words = "".join(
        f"<FITSKeyword name={quoteattr(n)} value={quoteattr(v)} comment={quoteattr(c)}/>" for n, v, c in keywords
    )
    body = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    text = xml or (
        '<?xml version="1.0" encoding="UTF-8"?><xisf version="1.0" xmlns="http://www.pixinsight.com/xisf">'
        f"<Image {body}>{words}</Image></xisf>"
    )
    if damage:
        block = block[:20] + bytes([block[20] ^ 0x55]) + block[21:]
    encoded = text.encode()
    head = b"XISF0100" + struct.pack("<II", len(encoded), 0) + encoded
    path.write_bytes(head.ljust(4096, b"\0") + block)

"""Pictures in files of 8 or 16 bits, with what made them inside."""

import struct
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from pictor.imaging.errors import ImagingError
from pictor.imaging.products import Provenance, write_whole

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""Shape (ny, nx, channels): grey, RGB or RGBA."""

DEEP = frozenset({".png", ".tif", ".tiff"})
SHALLOW = frozenset({".jpg", ".jpeg", ".webp"})
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}
_JPEG_QUALITY = 92
_STRIP_ROWS, _TRIAL_ROWS, _THREADS = 64, 4, 2
_FILTERS = (0, 1)
# Level 1 takes a sixth of the time of level 6 and files a tenth larger.
_LEVEL, _ZLIB_HEADER, _ADLER = 1, b"\x78\x01", 65521


def write_picture(path: Path, pixels: Pixels, made: Provenance, *, overwrite: bool = False) -> None:
    """Write a picture as its name says: PNG or TIFF of 8 or 16 bits, JPEG or WebP of 8.

    The file holds an XMP packet with the software, the names of the inputs without folders, their SHA-256 and the
    settings; a PNG holds them as text too. Same pixels and provenance, same bytes.

    Parameters
    ----------
    path
        Its ending decides the format.
    pixels
        Shape (ny, nx, 1), (ny, nx, 3) or (ny, nx, 4), first row at the top; uint8 or uint16.
    made
        What made the picture.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    ImagingError
        If the format cannot hold the pixels.
    FileTakenError
        If the file is there and must not be replaced.
    """
    ending = path.suffix.lower()
    if ending not in DEEP | SHALLOW:
        raise ImagingError(
            f"no picture is written as {path.name}: end the name with .png, .jpg, .tif or .webp", reason="format"
        )
    if ending in SHALLOW and (pixels.dtype != np.uint8 or (ending != ".webp" and pixels.shape[2] == 4)):
        raise ImagingError(f"{ending} holds 8 bits and no transparency: write .png or .tif", reason="format")
    if ending == ".png":
        write_whole(path, lambda part: _write_png(part, pixels, made), overwrite=overwrite)
    elif ending in DEEP:
        write_whole(path, lambda part: _write_tiff(part, pixels, made), overwrite=overwrite)
    else:
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        kind, more = _lossy(ending)
        write_whole(path, lambda part: image.save(part, kind, xmp=xmp_of(made), **more), overwrite=overwrite)


def _lossy(ending: str) -> tuple[str, dict[str, Any]]:
    if ending == ".webp":
        return "WEBP", {"quality": _JPEG_QUALITY, "method": 4}
    return "JPEG", {"quality": _JPEG_QUALITY, "subsampling": 0, "optimize": True}


def texts_of(made: Provenance) -> Mapping[str, str]:
    """Give what made a picture as keyword and text, as PNG holds them."""
    inputs = "; ".join(f"{one.name} sha256:{one.sha256}" for one in made.inputs)
    texts = {"Software": f"{made.software} {made.stage}", "Source": inputs, "Comment": "; ".join(made.history())}
    return {name: text for name, text in texts.items() if text}


def xmp_of(made: Provenance) -> bytes:
    """Give what made a picture as an XMP packet.

    Parameters
    ----------
    made
        What made it.

    Returns
    -------
    bytes
        UTF-8 XML: xmp:CreatorTool, dc:description, and dc:source, one item per input.
    """
    items = "".join(f"<rdf:li>{escape(one.name)} sha256:{one.sha256}</rdf:li>" for one in made.inputs)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<xmp:CreatorTool>{escape(made.software)} {escape(made.stage)}</xmp:CreatorTool>"
        f'<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{escape("; ".join(made.history()))}</rdf:li></rdf:Alt>'
        f"</dc:description><dc:source><rdf:Bag>{items}</rdf:Bag></dc:source>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def png_info(made: Provenance) -> PngImagePlugin.PngInfo:
    """Give what made a picture as the texts Pillow writes into a PNG."""
    info = PngImagePlugin.PngInfo()
    for name, text in texts_of(made).items():
        info.add_itxt(name, text)
    info.add_itxt("XML:com.adobe.xmp", xmp_of(made).decode())
    return info


def _write_png(path: Path, pixels: Pixels, made: Provenance) -> None:
    """Write a PNG, its strips coded on two threads; Pillow knows no colours of 16 bits."""
    ny, nx, channels = pixels.shape
    bits = 8 * pixels.itemsize
    parts = [pixels[first : first + _STRIP_ROWS] for first in range(0, ny, _STRIP_ROWS)]
    check, last = 1, len(parts) - 1
    with path.open("wb") as file, ThreadPoolExecutor(_THREADS) as pool:
        file.write(b"\x89PNG\r\n\x1a\n")
        _chunk(file, b"IHDR", struct.pack(">IIBBBBB", nx, ny, bits, _COLOUR_TYPES[channels], 0, 0, 0))
        _chunk(file, b"sRGB", b"\0")
        for name, text in [*texts_of(made).items(), ("XML:com.adobe.xmp", xmp_of(made).decode())]:
            _chunk(file, b"iTXt", name.encode("latin-1") + b"\0\0\0\0\0" + text.encode())
        coded = pool.map(lambda number: _coded(parts[number], end=number == last), range(len(parts)))
        for number, (content, own, length) in enumerate(coded):
            check = _joined(check, own, length)
            tail = check.to_bytes(4, "big") if number == last else b""
            _chunk(file, b"IDAT", (_ZLIB_HEADER if number == 0 else b"") + content + tail)
        _chunk(file, b"IEND", b"")


def _coded(rows: Pixels, *, end: bool) -> tuple[bytes, int, int]:
    """Filter and deflate rows so that they can follow others; also their Adler-32 sum, and the bytes it is of.

    Noise is coded best as it is, smooth pictures by the differences to the pixel on the left: a few rows decide.
    """
    big = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder(">"))
    lines, step = big.reshape(rows.shape[0], -1).view(np.uint8), rows.shape[2] * rows.itemsize
    trial = lines[:: max(1, len(lines) // _TRIAL_ROWS)]
    sizes = [len(zlib.compress(_filtered(trial, step, kind).data, _LEVEL)) for kind in _FILTERS]
    plain = _filtered(lines, step, _FILTERS[int(np.argmin(sizes))])
    coder = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    content = coder.compress(plain.data) + coder.flush(zlib.Z_FINISH if end else zlib.Z_FULL_FLUSH)
    return content, zlib.adler32(plain.data), plain.nbytes


def _joined(first: int, second: int, length: int) -> int:
    """Give the Adler-32 sum of bytes with the first sum, followed by ``length`` bytes with the second."""
    low = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % _ADLER
    high = ((first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)) % _ADLER
    return high << 16 | low


def _filtered(lines: NDArray[np.uint8], step: int, kind: int) -> NDArray[np.uint8]:
    """Filter rows of bytes: 0 leaves them, 1 takes the difference to the pixel on the left."""
    out = np.full((lines.shape[0], lines.shape[1] + 1), kind, dtype=np.uint8)
    out[:, 1:] = lines
    if kind:
        out[:, step + 1 :] -= lines[:, :-step]
    return out


def _chunk(file: Any, kind: bytes, content: bytes) -> None:  # noqa: ANN401 - a binary file
    file.write(struct.pack(">I", len(content)) + kind + content)
    file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))


def _write_tiff(path: Path, pixels: Pixels, made: Provenance) -> None:
    """Write a TIFF of one strip per 64 rows, deflated after horizontal differencing; Pillow knows no 16-bit colour."""
    ny, nx, channels = pixels.shape
    with ThreadPoolExecutor(_THREADS) as pool:
        strips = list(pool.map(_deflated, (pixels[first : first + _STRIP_ROWS] for first in range(0, ny, _STRIP_ROWS))))
    description = "; ".join(made.history()).encode("ascii", "replace") + b"\0"
    software = f"{made.software} {made.stage}".encode("ascii", "replace") + b"\0"
    offsets = 8 + np.concatenate([[0], np.cumsum([len(strip) for strip in strips])])
    entries: list[tuple[int, int, bytes]] = [
        (256, 4, struct.pack("<I", nx)), (257, 4, struct.pack("<I", ny)),
        (258, 3, struct.pack(f"<{channels}H", *[8 * pixels.itemsize] * channels)), (259, 3, struct.pack("<H", 8)),
        (262, 3, struct.pack("<H", 1 if channels == 1 else 2)), (270, 2, description),
        (273, 4, offsets[:-1].astype("<u4").tobytes()), (277, 3, struct.pack("<H", channels)),
        (278, 4, struct.pack("<I", _STRIP_ROWS)),
        (279, 4, np.array([len(strip) for strip in strips], dtype="<u4").tobytes()),
        (284, 3, struct.pack("<H", 1)), (305, 2, software), (317, 3, struct.pack("<H", 2)),
        *([(338, 3, struct.pack("<H", 2))] if channels == 4 else []), (700, 1, xmp_of(made)),
    ]  # fmt: skip
    with path.open("wb") as file:
        directory = int(offsets[-1] + offsets[-1] % 2)
        file.write(struct.pack("<2sHI", b"II", 42, directory))
        for strip in strips:
            file.write(strip)
        file.write(b"\0" * (directory - int(offsets[-1])))
        file.write(_directory(entries, directory))


def _deflated(rows: Pixels) -> bytes:
    """Difference each channel along the row in whole samples, as TIFF's predictor 2 does."""
    little = np.array(rows, dtype=rows.dtype.newbyteorder("<"), order="C")
    little[:, 1:] = rows[:, 1:] - rows[:, :-1]
    return zlib.compress(little.data, _LEVEL)


def _directory(entries: list[tuple[int, int, bytes]], at: int) -> bytes:
    sizes = {1: 1, 2: 1, 3: 2, 4: 4}
    table, tail = struct.pack("<H", len(entries)), b""
    start = at + 2 + 12 * len(entries) + 4
    for tag, kind, content in entries:
        count = len(content) // sizes[kind]
        if len(content) <= 4:
            table += struct.pack("<HHI", tag, kind, count) + content.ljust(4, b"\0")
        else:
            table += struct.pack("<HHII", tag, kind, count, start + len(tail))
            tail += content + b"\0" * (len(content) % 2)
    return table + b"\0\0\0\0" + tail

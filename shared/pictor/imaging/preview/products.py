"""The small pictures: preview, thumbnail, corner inspector."""

import math
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from pictor.imaging.preview.kernels import Pixels8, Spans, average_areas
from pictor.imaging.preview.scene import Scene
from pictor.imaging.preview.tiles import as_image

PREVIEW_EDGE = 2048
"""Longest side of the preview, in pixels; smaller frames keep their size."""

THUMBNAIL_EDGE = 256
"""Longest side of the thumbnail, in pixels."""

CORNER_EDGE = 256
"""Edge of one of the nine crops, in pixels at 1:1; 1/3 of the frame if that is less."""

GAP = 4
"""Pixels between the crops."""

STRIP = 64
"""Rows of the preview made at a time."""

THUMBNAIL_QUALITY = 80
"""WebP quality: about 6 kB."""


def shrink(scene: Scene, edge: int = PREVIEW_EDGE) -> Image.Image:
    """Show a scene with at most ``edge`` pixels a side, each the mean of its area; in strips, by two threads."""
    scale = max(max(scene.width, scene.height) / edge, 1.0)
    if scale == 1.0:
        return as_image(scene.piece(slice(None)))
    height, width = max(1, round(scene.height / scale)), max(1, round(scene.width / scale))
    out = np.empty((height, width, len(scene.tables)), dtype=np.uint8)
    columns = Spans.of(scale, range(width), scene.width)

    def fill(first: int) -> None:
        part = out[first : first + STRIP]
        top = int(first * scale)
        strip = scene.piece(slice(top, math.ceil((first + len(part)) * scale)))
        rows = Spans.of(scale, range(first, first + len(part)), len(strip), top)
        average_areas(strip, rows, columns, scale, part)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, range(0, height, STRIP)))
    return as_image(out)


def fit(image: Image.Image, edge: int) -> Image.Image:
    """Shrink a picture so that its longest side is ``edge``; a smaller one stays as it is."""
    longest = max(image.size)
    if longest <= edge:
        return image
    size = (max(1, round(image.width * edge / longest)), max(1, round(image.height * edge / longest)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def write_png(image: Image.Image, path: Path) -> None:
    """Write a picture as PNG, unfiltered and Huffman-coded only, without any metadata.

    Stretched sky is noise: filters and string matching make such a file larger and take most of the time (measured on
    a 2048 px preview: 20 ms and 1.7 MB, against 25 ms and 2.6 MB at zlib level 1, 46 ms and 1.8 MB at level 2). Two
    threads code half of the lines each: without string matching nothing is lost where they meet.
    """
    pixels = np.asarray(image).reshape(image.height, -1)
    lines = np.zeros((image.height, pixels.shape[1] + 1), dtype=np.uint8)
    lines[:, 1:] = pixels
    colour_type = 2 if image.mode == "RGB" else 0
    with path.open("wb") as stream:
        stream.write(b"\x89PNG\r\n\x1a\n")
        _write_chunk(stream, b"IHDR", struct.pack(">IIBBBBB", image.width, image.height, 8, colour_type, 0, 0, 0))
        _write_chunk(stream, b"IDAT", _packed(lines))
        _write_chunk(stream, b"IEND", b"")


def _packed(lines: Pixels8) -> bytes:
    """Code lines as one zlib stream: its header, two runs of blocks, and the checksum of all."""
    half = len(lines) // 2
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(_coded, (lines[:half], lines[half:]), (zlib.Z_SYNC_FLUSH, zlib.Z_FINISH))
        return b"".join([b"\x78\x01", *runs, struct.pack(">I", zlib.adler32(lines.data))])


def _coded(lines: Pixels8, end: int) -> bytes:
    coder = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_HUFFMAN_ONLY)
    return coder.compress(lines.data) + coder.flush(end)


def _write_chunk(stream: BinaryIO, kind: bytes, content: bytes) -> None:
    stream.write(struct.pack(">I", len(content)) + kind + content)
    stream.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))


def write_thumbnail(image: Image.Image, path: Path) -> Image.Image:
    """Write the WebP thumbnail of a picture and give it back."""
    thumbnail = fit(image, THUMBNAIL_EDGE)
    thumbnail.save(path, "WEBP", quality=THUMBNAIL_QUALITY, method=2)
    return thumbnail


def corners(scene: Scene) -> Image.Image:
    """Put nine crops at 1:1 side by side: corners, edges and centre, as they lie in the frame."""
    height = max(1, min(CORNER_EDGE, scene.height // 3))
    width = max(1, min(CORNER_EDGE, scene.width // 3))
    tops = (0, (scene.height - height) // 2, scene.height - height)
    lefts = (0, (scene.width - width) // 2, scene.width - width)
    mode = "RGB" if len(scene.tables) == 3 else "L"
    mosaic = Image.new(mode, (3 * width + 2 * GAP, 3 * height + 2 * GAP))
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            crop = as_image(scene.piece(slice(top, top + height), slice(left, left + width)))
            mosaic.paste(crop, (column * (width + GAP), row * (height + GAP)))
    return mosaic

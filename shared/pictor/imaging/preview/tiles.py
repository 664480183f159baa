"""The full-resolution picture as one archive of tiles, of which any can be read by its byte range.

The archive is an SZI file: a zip whose entries are stored, not compressed, holding a Deep Zoom Image. Viewers that know
SZI open it as it is; a server needs only the index to serve one tile as one ranged read.
"""

import json
import os
import struct
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path

import numpy as np
from PIL import Image

from pictor.imaging.preview.kernels import Pixels8
from pictor.imaging.preview.scene import Scene

TILE = 512
"""Edge of a tile in pixels: about 40 kB as JPEG, one request per visible quarter megapixel."""

QUALITY = 85
"""JPEG quality: errors stay near one grey value where the frame is noise."""

NAME = "tiles"
AT_ONCE, AHEAD = 5, 4
"""Tiles that a thread makes and codes before it is asked again, and times that it is asked before they are written."""

_LOCAL_HEADER = struct.Struct("<26xHH")
_WRITTEN = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class TileIndex:
    """Where each tile lies in its archive.

    Parameters
    ----------
    width, height
        Size of the full picture in pixels.
    tile_size
        Edge of a tile; tiles do not overlap, the last of a row or column are smaller.
    levels
        Number of zoom levels; level ``levels - 1`` is full resolution, each lower one half as large, down to 1 pixel.
    tiles
        ``{"z/x_y": (offset, length)}`` in bytes.
    """

    width: int
    height: int
    tile_size: int
    levels: int
    tiles: dict[str, tuple[int, int]]

    def to_json(self) -> str:
        """Compact JSON of the index."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return json.dumps(fields | {"overlap": 0, "media_type": "image/jpeg"}, separators=(",", ":"))


def tile_index(path: Path) -> TileIndex:
    """Read from an archive where its tiles lie.

    Parameters
    ----------
    path
        An SZI archive with JPEG tiles and no overlap, as ``write_tiles`` makes it.

    Raises
    ------
    ValueError
        If the file holds no Deep Zoom Image or its entries are compressed.
    """
    tiles: dict[str, tuple[int, int]] = {}
    with zipfile.ZipFile(path) as archive, path.open("rb") as stream:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{entry.filename} in {path.name} is compressed: tiles must be stored")
            if entry.filename.endswith(".jpg"):
                stream.seek(entry.header_offset)
                name_length, extra_length = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
                start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
                tiles["/".join(entry.filename.removesuffix(".jpg").split("/")[-2:])] = (start, entry.file_size)
        described = [name for name in archive.namelist() if name.endswith(".json")]
        if not described:
            raise ValueError(f"{path.name} holds no description of its tiles")
        size = json.loads(archive.read(described[0]))
    return TileIndex(size["width"], size["height"], size["tile_size"], size["levels"], tiles)


def write_tiles(scene: Scene, path: Path, *, quality: int = QUALITY) -> Image.Image:
    """Write the tile archive of a scene, a row of tiles at a time: the full picture is never in memory.

    Parameters
    ----------
    scene
        What to show.
    path
        Archive to make.
    quality
        JPEG quality.

    Returns
    -------
    PIL.Image.Image
        The picture at half resolution, from which smaller products are made.
    """
    levels = (max(scene.width, scene.height) - 1).bit_length() + 1
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=path.parent, buffering=0)) for _ in range(2)]
        archive = stack.enter_context(zipfile.ZipFile(path, "w", zipfile.ZIP_STORED))
        writer = _Writer(archive, quality, stack.enter_context(ThreadPoolExecutor(len(files))), files)
        writer.describe(scene.width, scene.height, levels)
        half = level = writer.add_level(levels - 1, (scene.height, scene.width, len(scene.tables)), scene.piece)
        for number in range(levels - 2, -1, -1):
            shown = partial(_piece, level)
            level = writer.add_level(number, (level.shape[0], level.shape[1], level.shape[2]), shown)
    return as_image(half)


def _piece(level: Pixels8, rows: slice, columns: slice) -> Pixels8:
    """Copy a rectangle of a picture."""
    return np.ascontiguousarray(level[rows, columns])


def as_image(pixels: Pixels8) -> Image.Image:
    """Wrap grey values, shape (ny, nx, 1) or (ny, nx, 3), as a Pillow image."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


@dataclass(frozen=True, slots=True)
class _Writer:
    """An archive being written; each thread codes into a file, for only then Pillow lets the other one run."""

    archive: zipfile.ZipFile
    quality: int
    pool: ThreadPoolExecutor
    files: list[FileIO]

    def describe(self, width: int, height: int, levels: int) -> None:
        """Write the Deep Zoom description, and ours."""
        self._store(
            f"{NAME}/{NAME}.dzi",
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpg" Overlap="0" '
            f'TileSize="{TILE}"><Size Width="{width}" Height="{height}"/></Image>\n'.encode(),
        )
        size = {"width": width, "height": height, "tile_size": TILE, "levels": levels}
        self._store(f"{NAME}/size.json", json.dumps(size).encode())

    def add_level(self, number: int, shape: tuple[int, int, int], piece: Callable[[slice, slice], Pixels8]) -> Pixels8:
        """Write the tiles of a level, two threads some of a row at a time; return the picture at half its size."""
        height, width, channels = shape
        half = np.empty(((height + 1) // 2, (width + 1) // 2, channels), np.uint8)

        def code(start: tuple[int, int]) -> list[bytes]:
            top, left = start
            shown = as_image(piece(slice(top, top + TILE), slice(left, left + AT_ONCE * TILE)))
            smaller = np.asarray(shown.reduce(2)).reshape(-1, (shown.width + 1) // 2, channels)
            half[top // 2 : top // 2 + smaller.shape[0], left // 2 : left // 2 + smaller.shape[1]] = smaller
            return self._coded(shown)

        starts = [(top, left) for top in range(0, height, TILE) for left in range(0, width, AT_ONCE * TILE)]
        coming = deque(self.pool.submit(code, start) for start in starts[:AHEAD])
        for further, (top, left) in enumerate(starts, AHEAD):
            coded = coming.popleft().result()
            coming.extend(self.pool.submit(code, start) for start in starts[further : further + 1])
            for column, tile in enumerate(coded, left // TILE):
                self._store(f"{NAME}/{NAME}_files/{number}/{column}_{top // TILE}.jpg", tile)
        return half

    def _coded(self, strip: Image.Image) -> list[bytes]:
        """Code the tiles of a strip."""
        file, coded = self.files.pop(), []
        try:
            for left in range(0, strip.width, TILE):
                file.seek(0)
                tile = strip.crop((left, 0, min(left + TILE, strip.width), strip.height))
                tile.save(file, "JPEG", quality=self.quality)
                coded.append(os.pread(file.fileno(), file.tell(), 0))
        finally:
            self.files.append(file)
        return coded

    def _store(self, name: str, content: bytes) -> None:
        self.archive.writestr(zipfile.ZipInfo(name, _WRITTEN), content)

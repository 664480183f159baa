"""The full-resolution picture as one archive of tiles, of which any can be read by its byte range.

The archive is an SZI file: a zip whose entries are stored, not compressed, holding a Deep Zoom Image. Viewers that know
SZI open it as it is; a server needs only the index to serve one tile as one ranged read.
"""

import io
import json
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pictor.imaging.preview.kernels import Pixels8
from pictor.imaging.preview.scene import Scene

TILE = 512
"""Edge of a tile in pixels: about 40 kB as JPEG, one request per visible quarter megapixel."""

QUALITY = 85
"""JPEG quality: errors stay near one grey value where the frame is noise."""

NAME = "tiles"
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
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive, ThreadPoolExecutor(2) as pool:
        writer = _Writer(archive, quality, pool)
        writer.describe(scene.width, scene.height, levels)
        half = _write_full_level(scene, writer, levels - 1)
        level = half
        for number in range(levels - 2, -1, -1):
            for top in range(0, level.height, TILE):
                writer.add_row(number, top // TILE, level.crop((0, top, level.width, min(top + TILE, level.height))))
            level = level.reduce(2)
    return half


def as_image(pixels: Pixels8) -> Image.Image:
    """Wrap grey values, shape (ny, nx, 1) or (ny, nx, 3), as a Pillow image."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _write_full_level(scene: Scene, writer: "_Writer", number: int) -> Image.Image:
    """Write the tiles of the full resolution and give the picture at half of it."""
    half: Image.Image | None = None
    for top in range(0, scene.height, TILE):
        strip = as_image(scene.piece(slice(top, top + TILE)))
        writer.add_row(number, top // TILE, strip)
        if half is None:
            half = Image.new(strip.mode, ((scene.width + 1) // 2, (scene.height + 1) // 2))
        half.paste(strip.reduce(2), (0, top // 2))
    return half or Image.new("L", (1, 1))


@dataclass(frozen=True, slots=True)
class _Writer:
    archive: zipfile.ZipFile
    quality: int
    pool: ThreadPoolExecutor

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

    def add_row(self, level: int, row: int, strip: Image.Image) -> None:
        """Write one row of tiles; two threads code them."""
        boxes = [(left, 0, min(left + TILE, strip.width), strip.height) for left in range(0, strip.width, TILE)]
        for column, coded in enumerate(self.pool.map(lambda box: self._coded(strip.crop(box)), boxes)):
            self._store(f"{NAME}/{NAME}_files/{level}/{column}_{row}.jpg", coded)

    def _coded(self, tile: Image.Image) -> bytes:
        encoded = io.BytesIO()
        tile.save(encoded, "JPEG", quality=self.quality)
        return encoded.getvalue()

    def _store(self, name: str, content: bytes) -> None:
        self.archive.writestr(zipfile.ZipInfo(name, _WRITTEN), content)

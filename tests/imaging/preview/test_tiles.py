"""The tile archive."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.preview.scene import Scene
from pictor.imaging.preview.tiles import TileIndex, tile_index, write_tiles


def read_tile(path: Path, index: TileIndex, key: str) -> Image.Image:
    """Read one tile by its byte range alone."""
    offset, length = index.tiles[key]
    with path.open("rb") as stream:
        stream.seek(offset)
        return Image.open(io.BytesIO(stream.read(length)))


def assemble(path: Path, index: TileIndex, level: int) -> NDArray[np.uint8]:
    """Put the tiles of one level together."""
    rows = []
    for y in range(sum(1 for key in index.tiles if key.startswith(f"{level}/0_"))):
        columns = sum(1 for key in index.tiles if key.startswith(f"{level}/") and key.endswith(f"_{y}"))
        rows.append(np.concatenate([np.asarray(read_tile(path, index, f"{level}/{x}_{y}")) for x in range(columns)], 1))
    return np.concatenate(rows)


@pytest.mark.parametrize("bayer", [None, "RGGB"])
@pytest.mark.parametrize("row_order", ["TOP-DOWN", "BOTTOM-UP"])
def test_tiles_put_together_are_the_full_stretched_frame(
    rng: np.random.Generator, scratch: Path, bayer: str | None, row_order: str
) -> None:
    y, x = np.mgrid[:1301, :1111]
    frame = (1500 + 400 * np.sin(x / 40) * np.cos(y / 60) + rng.normal(0, 20, x.shape)).astype(np.uint16)
    scene = Scene.of(frame, bayer=bayer, row_order=row_order)
    write_tiles(scene, scratch / "t.szi")
    index = tile_index(scratch / "t.szi")
    whole = assemble(scratch / "t.szi", index, index.levels - 1)
    truth = scene.piece(slice(None)).squeeze()
    error = np.abs(whole.astype(int) - truth)
    print(f"JPEG error: mean {error.mean():.2f}, 99.9 % {np.percentile(error, 99.9):.0f} of 255")
    assert whole.shape == truth.shape
    assert error.mean() < 2
    assert np.abs(whole.mean(axis=(0, 1)) - truth.mean(axis=(0, 1))).max() < 0.5


def test_every_level_is_half_of_the_one_above_down_to_one_pixel(sky: NDArray[np.uint16], scratch: Path) -> None:
    write_tiles(Scene.of(sky), scratch / "t.szi")
    index = tile_index(scratch / "t.szi")
    height, width = sky.shape
    for level in range(index.levels - 1, -1, -1):
        assert assemble(scratch / "t.szi", index, level).shape == (height, width)
        height, width = -(-height // 2), -(-width // 2)
    assert (index.width, index.height, index.tile_size) == (900, 600, 512)


def test_the_archive_is_a_deep_zoom_image_in_a_zip_of_stored_entries(sky: NDArray[np.uint16], scratch: Path) -> None:
    write_tiles(Scene.of(sky), scratch / "t.szi")
    with zipfile.ZipFile(scratch / "t.szi") as archive:
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert b'Width="900" Height="600"' in archive.read("tiles/tiles.dzi")
        assert archive.read("tiles/tiles_files/10/1_1.jpg")[:3] == b"\xff\xd8\xff"


def test_the_same_frame_gives_the_same_bytes(sky: NDArray[np.uint16], scratch: Path) -> None:
    write_tiles(Scene.of(sky), scratch / "a.szi")
    write_tiles(Scene.of(sky), scratch / "b.szi")
    assert (scratch / "a.szi").read_bytes() == (scratch / "b.szi").read_bytes()


def test_the_index_as_json_names_offset_and_length_of_each_tile(sky: NDArray[np.uint16], scratch: Path) -> None:
    write_tiles(Scene.of(sky), scratch / "t.szi")
    index = tile_index(scratch / "t.szi")
    written = json.loads(index.to_json())
    assert written["tiles"]["10/1_1"] == list(index.tiles["10/1_1"])
    assert (written["width"], written["height"], written["levels"], written["overlap"]) == (900, 600, 11, 0)


def test_a_zip_with_compressed_entries_is_not_indexed(scratch: Path) -> None:
    with zipfile.ZipFile(scratch / "t.szi", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiles/tiles_files/0/0_0.jpg", b"x" * 100)
    with pytest.raises(ValueError, match="must be stored"):
        tile_index(scratch / "t.szi")

"""All pictures of a frame."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.preview.rendering import render
from pictor.imaging.preview.scene import Scene


def test_the_pictures_have_the_promised_types_and_sizes(rng: np.random.Generator, scratch: Path) -> None:
    made = render(rng.normal(900, 30, (2200, 3300)).astype(np.uint16), scratch=scratch)
    assert (made.preview.width, made.preview.height) == (2048, 1365)
    assert (made.thumbnail.width, made.thumbnail.height) == (256, 171)
    assert (made.corners.width, made.corners.height) == (776, 776)
    for picture, kind in ((made.preview, "PNG"), (made.thumbnail, "WEBP"), (made.corners, "PNG")):
        with Image.open(picture.path) as opened:
            assert opened.format == kind
            assert opened.mode in {"L", "RGB"}
            assert opened.size == (picture.width, picture.height)
    assert made.tile_index.stat().st_size > 0


def test_the_preview_of_a_large_frame_made_by_halves_is_in_register(scratch: Path) -> None:
    frame = np.full((4200, 4300), 1000, np.uint16) + (np.arange(4300) % 7).astype(np.uint16)
    frame[2100:2200, 3000:3100] = 30000
    made = render(frame, scratch=scratch)
    shown = np.asarray(Image.open(made.preview.path))
    y, x = np.nonzero(shown > 200)
    scale = 2048 / 4300
    assert shown.shape == (2000, 2048)
    assert y.mean() == pytest.approx(2149.5 * scale, abs=1.5)
    assert x.mean() == pytest.approx(3049.5 * scale, abs=1.5)


def test_the_corner_inspector_shows_the_frame_pixel_by_pixel(sky: NDArray[np.uint16], scratch: Path) -> None:
    made = render(sky, scratch=scratch)
    mosaic = np.asarray(Image.open(made.corners.path))
    truth = Scene.of(sky).piece(slice(None))[:, :, 0]
    assert np.array_equal(mosaic[:200, :256], truth[:200, :256])
    assert np.array_equal(mosaic[204:404, 260:516], truth[200:400, 322:578])
    assert np.array_equal(mosaic[-200:, -256:], truth[-200:, -256:])


def test_a_preview_of_a_small_frame_is_the_frame(sky: NDArray[np.uint16], scratch: Path) -> None:
    made = render(sky, scratch=scratch)
    assert np.array_equal(np.asarray(Image.open(made.preview.path)), Scene.of(sky).piece(slice(None))[:, :, 0])


def test_no_picture_carries_metadata(sky: NDArray[np.uint16], scratch: Path) -> None:
    made = render(sky, scratch=scratch)
    for picture in (made.preview, made.thumbnail, made.corners):
        content = picture.path.read_bytes()
        assert not any(mark in content for mark in (b"eXIf", b"EXIF", b"tEXt", b"iTXt", b"XMP ", b"tIME"))


@pytest.mark.parametrize("bayer", [None, "RGGB"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2048), (2048, 1), (2, 2), (3, 3), (16, 16), (1, 5000), (513, 511)])
def test_tiny_and_narrow_frames_render(
    rng: np.random.Generator, scratch: Path, shape: tuple[int, int], bayer: str | None
) -> None:
    made = render(rng.normal(500, 20, shape).astype(np.uint16), bayer=bayer, scratch=scratch)
    with Image.open(made.preview.path) as opened:
        assert max(opened.size) == min(max(shape), 2048)
    assert f"{made.index.levels - 1}/0_0" in made.index.tiles


def test_what_was_done_is_reported(sky: NDArray[np.uint16], scratch: Path) -> None:
    made = render(sky, bayer=" rggb ", bayer_offset=(1, 0), row_order="BOTTOM-UP", stretch="asinh", scratch=scratch)
    assert (made.debayered, made.row_order, made.stretch) == ("RGGB", "BOTTOM-UP", "asinh")
    assert len(made.channels) == 3


@pytest.mark.real
def test_every_readable_real_frame_renders(real_data: Path, scratch: Path) -> None:
    rendered = 0
    for path in sorted(real_data.rglob("*.fit*")):
        try:
            frame = read_frame(path)
        except UnreadableFrameError:
            continue
        header = frame.header
        order = header.get("ROWORDER", "TOP-DOWN")
        made = render(frame.data, bayer=header.get("BAYERPAT"), row_order=order, scratch=scratch)
        with Image.open(made.preview.path) as opened:
            grey = np.asarray(opened)
        rendered += 1
        if made.channels[0].sigma > 3 and frame.data.dtype == np.uint16 and frame.data.ndim == 2:
            assert 0.15 < np.median(grey) / 255 < 0.35, path.name
    print(f"{rendered} real frames rendered")
    assert rendered > 60

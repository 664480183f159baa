"""Colour and orientation."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from pictor.imaging.errors import ImagingError
from pictor.imaging.preview.bayer import red_parity
from pictor.imaging.preview.scene import Scene

PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
CHANNELS = {"R": 0, "G": 1, "B": 2}


def colour_scene(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float64]:
    """Grey noisy sky with a red patch top left, a green one top right and a blue one bottom left: (ny, nx, 3)."""
    scene = rng.normal(1000, 20, (height, width, 3))
    scene[10:30, 10:30, 0] += 3000
    scene[10:30, -30:-10, 1] += 3000
    scene[-30:-10, 10:30, 2] += 3000
    return scene


def mosaic(scene: NDArray[np.float64], pattern: str, offset: tuple[int, int]) -> NDArray[np.uint16]:
    """Take one colour per pixel of an upright scene, as a camera with this pattern and offset would."""
    raw = np.empty(scene.shape[:2])
    for y, x in itertools.product(range(2), range(2)):
        letter = pattern[2 * ((y + offset[1]) % 2) + (x + offset[0]) % 2]
        raw[y::2, x::2] = scene[y::2, x::2, CHANNELS[letter]]
    return raw.astype(np.uint16)


@pytest.mark.parametrize("size", [(120, 140), (121, 141)])
@pytest.mark.parametrize("row_order", ["TOP-DOWN", "BOTTOM-UP"])
@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_colours_and_places_are_right_for_every_pattern_offset_and_row_order(
    rng: np.random.Generator, pattern: str, offset: tuple[int, int], row_order: str, size: tuple[int, int]
) -> None:
    raw = mosaic(colour_scene(rng, *size), pattern, offset)
    stored = raw if row_order == "TOP-DOWN" else raw[::-1]
    scene = Scene.of(stored, bayer=pattern, bayer_offset=offset, row_order=row_order)
    shown = scene.piece(slice(None)).astype(float)
    patches = [shown[12:28, 12:28], shown[12:28, -28:-12], shown[-28:-12, 12:28]]
    for channel, patch in enumerate(patches):
        means = patch.mean(axis=(0, 1))
        others = [means[other] for other in range(3) if other != channel]
        assert means[channel] > max(others) + 60
    sky = shown[50:70, 50:70].mean(axis=(0, 1))
    assert np.ptp(sky) < 12


def test_a_wrong_pattern_gives_wrong_colours(rng: np.random.Generator) -> None:
    scene = Scene.of(mosaic(colour_scene(rng, 120, 140), "RGGB", (0, 0)), bayer="BGGR")
    red_patch = scene.piece(slice(12, 28), slice(12, 28)).mean(axis=(0, 1))
    assert red_patch[2] > red_patch[0] + 60


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_smooth_colour_scene_is_interpolated_without_error(pattern: str) -> None:
    y, x = np.mgrid[:64, :80]
    smooth = np.stack([1000 + 8.0 * x, 3000 - 4.0 * y, 500 + 6.0 * (x + y)], axis=-1)
    scene = Scene.of(mosaic(smooth, pattern, (0, 0)), bayer=pattern, stretch="linear")
    shown = scene.piece(slice(1, -1), slice(1, -1))
    truth = np.stack([scene.tables[c][smooth[1:-1, 1:-1, c].astype(int)] for c in range(3)], axis=-1)
    assert np.abs(shown.astype(int) - truth).max() <= 2


def test_pieces_of_a_mosaic_join_without_seams(rng: np.random.Generator) -> None:
    raw = mosaic(colour_scene(rng, 121, 141), "GRBG", (0, 0))
    scene = Scene.of(raw, bayer="GRBG", row_order="BOTTOM-UP")
    whole = scene.piece(slice(None))
    for top, left in itertools.product((0, 37, 64), (0, 51, 88)):
        assert np.array_equal(
            scene.piece(slice(top, top + 40), slice(left, left + 50)), whole[top : top + 40, left : left + 50]
        )


@pytest.mark.parametrize("pattern", [None, "", "INVALID", "NONE", "CMYG", "LRGB", "COLOR"])
def test_an_unknown_pattern_is_shown_in_grey(pattern: str | None, sky: NDArray[np.uint16]) -> None:
    assert red_parity(pattern) is None
    assert Scene.of(sky, bayer=pattern).piece(slice(None)).shape == (600, 900, 1)


def test_the_first_row_of_a_top_down_file_is_the_top_and_of_a_bottom_up_file_the_bottom(
    sky: NDArray[np.uint16],
) -> None:
    sky[:20] = 60000
    assert Scene.of(sky, row_order="TOP-DOWN").piece(slice(0, 20)).min() > 200
    assert Scene.of(sky, row_order="bottom-up ").piece(slice(-20, None)).min() > 200
    assert np.median(Scene.of(sky, row_order="BOTTOM-UP").piece(slice(0, 20))) < 100


def test_three_planes_are_red_green_and_blue(rng: np.random.Generator) -> None:
    cube = colour_scene(rng, 120, 140).astype(np.float32).transpose(2, 0, 1)
    shown = Scene.of(cube, bayer="RGGB").piece(slice(None))
    assert shown.shape == (120, 140, 3)
    assert shown[20, 20].argmax() == 0
    assert shown[20, -20].argmax() == 1
    assert shown[-20, 20].argmax() == 2


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((1, 30, 40), 1),
        ((1, 1, 30, 40), 1),
        ((2, 30, 40), 1),
        ((4, 30, 40), 1),
        ((1, 3, 30, 40), 3),
        ((2, 3, 30, 40), 3),
    ],
)
def test_axes_of_length_one_are_dropped(rng: np.random.Generator, shape: tuple[int, ...], channels: int) -> None:
    assert Scene.of(rng.normal(100, 5, shape).astype(np.float32)).piece(slice(None)).shape == (30, 40, channels)


@pytest.mark.parametrize("shape", [(5,), (0, 5), (5, 0), (3, 0, 5)])
def test_an_array_that_is_no_image_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImagingError, match="no picture") as caught:
        Scene.of(np.zeros(shape, np.uint16))
    assert caught.value.reason == "not-an-image"

"""Which pixels not to trust."""

import numpy as np
import pytest

from pictor.imaging.calibration.badindark import bad_pixel_map
from pictor.imaging.calibration.badpixels import find_bad_lines, find_bad_pixels, read_bad_pixel_list
from pictor.imaging.combine.impulses import find_impulses
from pictor.imaging.errors import FrameMismatchError, ImagingError


@pytest.fixture
def dark(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(500, 2.0, (600, 800)).astype(np.float32)


def test_pixels_beyond_four_robust_sigma_are_bad(dark: np.ndarray) -> None:
    dark[10, 10], dark[11, 11], dark[12, 12] = 510, 490, np.nan
    dark[13, 13] = 506
    found = find_bad_pixels(dark)
    assert found[[10, 11, 12], [10, 11, 12]].all()
    assert not found[13, 13]
    print(f"{int(found.sum()) - 3} of {dark.size} good pixels flagged")
    assert found.sum() - 3 < 2e-4 * dark.size


def test_a_quantised_quiet_dark_is_not_all_bad() -> None:
    values = np.full((100, 100), 500.0, np.float32)
    values[::7, ::5] = 501
    values[3, 3] = 520
    found = find_bad_pixels(values)
    assert found[3, 3]
    assert found.sum() < 100


def test_bad_columns_and_rows_are_found_and_good_ones_are_not(dark: np.ndarray) -> None:
    dark[:, 300] += 1.0
    dark[:, 301] += 1.0
    dark[77] -= 2.0
    columns, rows = find_bad_lines(dark, axis=0), find_bad_lines(dark, axis=1)
    print(f"columns {columns.tolist()}, rows {rows.tolist()} of a dark with noise 2 ADU, offsets 1 and -2 ADU")
    assert columns.tolist() == [300, 301]
    assert rows.tolist() == [77]


def test_a_slow_gradient_is_no_bad_column(dark: np.ndarray) -> None:
    dark += np.linspace(0, 400, 800, dtype=np.float32)
    assert find_bad_lines(dark, axis=0).size == 0


def test_a_list_counts_from_one_and_includes_its_ends() -> None:
    text = "bad_columns: [1]\nbad_rows:\nbad_rectangles: [[2, 3, 4, 5]]\n"
    found = read_bad_pixel_list(text, (6, 8))
    wanted = np.zeros((6, 8), np.uint8)
    wanted[:, 0], wanted[1:3, 3:5] = 1, 1
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "text", ["bad_columns: [9]", "bad_rows: [0]", "bad_rectangles: [[3, 2, 1, 1]]", "bad_columns: x", "- 1", "a: ]"]
)
def test_a_wrong_list_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ImagingError, match="bad-pixel list"):
        read_bad_pixel_list(text, (6, 8))


def test_the_map_holds_pixels_lines_and_the_list_once(dark: np.ndarray) -> None:
    dark[:, 300] += 3.0
    listed = np.zeros(dark.shape, np.uint8)
    listed[:, 300], listed[5, 5] = 1, 1
    found = bad_pixel_map(dark, listed=listed)
    assert found.dtype == np.uint8
    assert set(np.unique(found)) == {0, 1}
    assert found[:, 300].all()
    assert found[5, 5] == 1


def test_darks_and_lists_of_another_shape_are_refused(dark: np.ndarray) -> None:
    for look in (find_bad_pixels, bad_pixel_map):
        with pytest.raises(FrameMismatchError, match="two axes"):
            look(np.zeros((3, 20, 20), np.float32))
    with pytest.raises(FrameMismatchError, match="two axes"):
        find_bad_lines(np.zeros(20, np.float32), axis=0)
    with pytest.raises(FrameMismatchError, match=r"list has shape \(3, 3\)"):
        bad_pixel_map(dark, listed=np.ones((3, 3), np.uint8))


def test_a_dark_is_not_changed_and_its_map_is_the_same_again(dark: np.ndarray) -> None:
    dark[:, 300] += 3.0
    dark[7, 7] = np.nan
    before = dark.copy()
    np.testing.assert_array_equal(bad_pixel_map(dark), bad_pixel_map(dark))
    assert find_bad_lines(dark, axis=0).tolist() == [300]
    np.testing.assert_array_equal(dark, before)


def test_unsigned_darks_do_not_wrap(rng: np.random.Generator) -> None:
    dark = np.rint(rng.normal(30, 4, (200, 300))).clip(0).astype(np.uint16)
    dark[5, 5], dark[6, 6] = 0, 65_535
    np.testing.assert_array_equal(bad_pixel_map(dark), bad_pixel_map(dark.astype(np.float32)))
    assert bad_pixel_map(dark)[[5, 6], [5, 6]].all()


@pytest.mark.parametrize("step", [1, 2])
def test_impulses_in_a_flat_are_found_and_dust_is_not(step: int, rng: np.random.Generator) -> None:
    y, x = np.mgrid[0:300, 0:400]
    flat = rng.normal(1, 0.005, (300, 400)).astype(np.float32)
    flat *= 1 - 0.15 * np.exp(-((x - 200) ** 2 + (y - 150) ** 2) / (2 * 12**2))
    if step == 2:
        flat[::2, ::2] *= 1.3
    flat[50, 60], flat[81, 90], flat[0, 0] = 1.7, 0.6, 1.8
    found = find_impulses(flat.astype(np.float32), step=step)
    assert found[[50, 81, 0], [60, 90, 0]].all()
    assert found.sum() == 3


def test_the_glow_of_an_amplifier_marks_neither_pixels_nor_columns(rng: np.random.Generator) -> None:
    y, x = np.mgrid[0:480, 0:640]
    dark = rng.normal(500, 3, (480, 640)) + 100 * np.exp(-np.hypot(x - 680, y - 520) / 120)
    dark[100:110, 30] += 60
    dark[200:, 400] += 4
    found = bad_pixel_map(dark.astype(np.float32)) != 0
    assert found[100:110, 30].all()
    assert found[210:, 400].all()
    assert not found[:160, 400].all()
    found[100:110, 30] = found[:, 400] = False
    print(f"{int(found.sum())} of {found.size} good pixels of a glowing sensor called bad")
    assert found.sum() < 1e-4 * found.size


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_dark_without_noise_but_its_rounding_has_no_bad_lines(rng: np.random.Generator, frames: int) -> None:
    slope = np.linspace(0, 3, 640)
    dark = np.rint(rng.normal(500 + slope, 0.3, (frames, 480, 640))).mean(axis=0).astype(np.float32)
    found = bad_pixel_map(dark)
    print(f"{frames} frames: {int(found.sum())} of {found.size} pixels")
    assert found.mean() < 3e-4

"""Bad columns and rows, in darks and in lights with stars and a sky."""

from typing import Any

import numpy as np
import pytest
from astropy.nddata import CCDData

from pictor.imaging.calibration.badlines import find_lines, mark_lines
from pictor.imaging.calibration.badpixels import find_bad_lines
from pictor.imaging.errors import FrameMismatchError
from tests.support.sky import Recipe, render

OFFSETS = np.array([6.0, -6.0, 9.0, -12.0, 40.0, -200.0])
"""Of bad lines, in standard deviations of the median of a good line."""

SHAPE = (640, 800)


def light(seed: int) -> tuple[np.ndarray, dict[tuple[int, int], float]]:
    """Make a calibrated light with stars and a steep sky gradient; return it and its bad lines by axis and place."""
    recipe = Recipe(shape=SHAPE, fwhm=3.5, profile="moffat", stars=400, gradient=300.0, seed=seed)
    sky = render(recipe)
    image = sky.image.astype(np.float32) - np.float32(100.5)
    rng = np.random.default_rng([seed, 5])
    truth = {}
    for axis, (lines, length) in enumerate([(image.T, SHAPE[0]), (image, SHAPE[1])]):
        places = rng.choice(np.arange(10, len(lines) - 10, 8), OFFSETS.size, replace=False)
        lines[places] += (OFFSETS * 1.2533 * sky.sky_sigma / np.sqrt(length)).astype(np.float32)[:, None]
        truth |= {(axis, int(place)): float(offset) for place, offset in zip(places, OFFSETS, strict=True)}
    return image, truth


def places(image: Any, **how: Any) -> set[tuple[int, int]]:
    found = find_lines(image, **how)
    return {(0, column) for column in found.columns} | {(1, row) for row in found.rows}


def test_bad_lines_of_lights_with_stars_and_a_gradient_are_found_and_good_ones_are_not() -> None:
    weak, clear, false, good = [], [], 0, 0
    for seed in range(8):
        image, truth = light(seed)
        found = places(image)
        weak += [place in found for place, offset in truth.items() if abs(offset) < 9]
        clear += [place in found for place, offset in truth.items() if abs(offset) >= 9]
        false, good = false + len(found - set(truth)), good + sum(SHAPE) - len(truth)
    print(f"lines off by 9 sigma and more: {sum(clear)} of {len(clear)} found; by 6 sigma: {sum(weak)} of {len(weak)}")
    print(f"{false} of {good} good lines called bad")
    assert all(clear)
    assert sum(weak) > len(weak) / 2
    assert false <= 1


def test_whole_adu_are_as_good_as_real_numbers(rng: np.random.Generator) -> None:
    bias = rng.normal(500, 1.2, SHAPE)
    bias[:, 300] += 0.5
    bias[77] -= 0.5
    whole = np.rint(bias).astype(np.uint16)
    assert places(whole) == places(bias) == {(0, 300), (1, 77)}


def test_a_frame_of_little_noise_is_not_full_of_bad_lines(rng: np.random.Generator) -> None:
    quiet = np.full(SHAPE, 100, np.uint16)
    assert places(quiet) == set()
    quiet += rng.random(SHAPE) < 0.05
    assert places(quiet) == set()
    quiet[:, 500] = 130
    assert places(quiet) == {(0, 500)}


def test_neighbouring_bad_columns_do_not_hide_each_other(rng: np.random.Generator) -> None:
    dark = rng.normal(500, 2, SHAPE)
    dark[:, 200:203] += 3
    dark[:, 400] -= 30
    dark[:, 402] += 30
    assert places(dark) == {(0, 200), (0, 201), (0, 202), (0, 400), (0, 402)}


def test_colours_are_compared_with_their_own(rng: np.random.Generator) -> None:
    raw = rng.normal(1000, 10, SHAPE) * np.tile([[0.5, 1.0], [1.0, 0.33]], (SHAPE[0] // 2, SHAPE[1] // 2))
    raw[:, 301] += 8
    raw[42] += 8
    assert places(raw, bayer=True) == {(0, 301), (1, 42)}


def test_masked_pixels_and_missing_numbers_do_not_count(rng: np.random.Generator) -> None:
    frame = rng.normal(100, 3, SHAPE)
    frame[:, 50] += 5
    frame[:, 500] += 5
    frame[rng.random(SHAPE) < 0.05] = np.nan
    frame[:, 700] = np.nan
    mask = np.zeros(SHAPE, bool)
    mask[:, 500] = True
    assert places(CCDData(frame, unit="electron", mask=mask)) == {(0, 50)}
    assert places(np.full(SHAPE, np.nan)) == set()


def test_the_lines_of_darks_are_found_beside_missing_numbers(rng: np.random.Generator) -> None:
    dark = rng.normal(500, 2, SHAPE).astype(np.float32)
    dark[:, 300] += 3
    dark[5, 302] = dark[9, 300] = np.nan
    assert find_bad_lines(dark, axis=0).tolist() == [300]
    assert find_bad_lines(np.full((40, 40), np.nan, np.float32), axis=1).size == 0


def test_the_part_of_a_line_that_leaves_its_neighbours_is_marked(rng: np.random.Generator) -> None:
    dark = rng.normal(500, 2, SHAPE)
    dark[200:, 300] += 6
    dark[50, 100:700] -= 4
    lines = find_lines(dark)
    assert (lines.columns, lines.rows) == ((300,), (50,))
    marked = mark_lines(dark, lines)
    rows, columns = np.flatnonzero(marked[60:, 300]) + 60, np.flatnonzero(marked[50])
    print(f"bad rows 200 to 639, marked {rows[0]} to {rows[-1]}; bad columns 100 to 699, marked {columns[[0, -1]]}")
    assert abs(int(rows[0]) - 200) <= 32
    assert rows[-1] == SHAPE[0] - 1
    assert abs(int(columns[0]) - 100) <= 32
    assert abs(int(columns[-1]) - 699) <= 32


def test_nothing_given_is_changed_and_the_result_is_the_same_again() -> None:
    image, _ = light(3)
    before = image.copy()
    assert find_lines(image) == find_lines(image)
    np.testing.assert_array_equal(image, before)


def test_what_has_no_lines_to_compare_is_told() -> None:
    assert places(np.zeros((11, 11))) == set()
    with pytest.raises(FrameMismatchError, match="two axes"):
        find_lines(np.zeros((3, 40, 40)))
    with pytest.raises(ValueError, match="odd"):
        find_lines(np.zeros((40, 40)), window=10)

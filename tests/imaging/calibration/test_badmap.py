"""Maps of bad pixels against the truth of simulated cameras."""

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData

from pictor.imaging.calibration.badindark import bad_pixel_map, find_bad_in_dark
from pictor.imaging.calibration.badlist import parse_bad_pixels
from pictor.imaging.calibration.badmap import AUTOMATIC, LISTED, find_bad_in_flat, map_bad_pixels
from pictor.imaging.calibration.badpixels import find_bad_pixels, read_bad_pixel_list
from pictor.imaging.combine.frames import combine_frames
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.simulator.calibration import render_dark
from pictor.imaging.simulator.camera import Camera, detector

SHAPE = (480, 640)

CAMERAS = {
    "cool CMOS": (Camera(nx=640, ny=480, seed=3), 60.0),
    "warm sensor": (Camera(nx=640, ny=480, seed=4, dark_current=0.15, hot_fraction=5e-3), 120.0),
    "noisy CCD": (Camera(nx=640, ny=480, seed=5, egain=1.6, read_noise=9.0, dark_spread=0.2), 300.0),
}
"""Camera and exposure of its darks; every hot pixel gathers 0.5 electrons per second and more."""


@pytest.fixture(scope="module", params=CAMERAS)
def camera(request: pytest.FixtureRequest) -> tuple[str, Frame, np.ndarray]:
    """A master of ten darks, and which pixels are hot or on the bad column."""
    camera, exposure = CAMERAS[request.param]
    darks = [render_dark(camera, exposure_s=exposure, temperature_c=-10.0, seed=seed) for seed in range(10)]
    return request.param, combine_frames(darks).frame, detector(camera).hot


def test_recall_and_false_rate_of_simulated_darks(camera: tuple[str, Frame, np.ndarray]) -> None:
    name, dark, truth = camera
    found = find_bad_in_dark(dark)
    recall = float(found[truth].mean())
    false = float(found[~truth].mean())
    print(f"{name}: {100 * recall:.2f} % of {int(truth.sum())} bad pixels found, {100 * false:.4f} % of good ones")
    assert recall >= 0.99
    assert false <= 1e-4


def test_glow_of_the_amplifier_is_not_bad(rng: np.random.Generator) -> None:
    y, x = np.mgrid[0:480, 0:640]
    dark = rng.normal(500, 3, SHAPE) + 100 * np.exp(-np.hypot(x - 680, y - 520) / 120)
    dark[100, 100] += 40
    found = find_bad_in_dark(dark)
    assert found[100, 100]
    plain = find_bad_pixels(dark).sum()
    print(f"{int(found.sum()) - 1} of {found.size} good pixels called bad; about one median {plain}")
    assert found.sum() - 1 < 1e-4 * found.size


def test_a_higher_threshold_finds_less(camera: tuple[str, Frame, np.ndarray]) -> None:
    _, dark, truth = camera
    four, six = find_bad_in_dark(dark), find_bad_in_dark(dark, sigma=6.0)
    assert (six & ~truth).sum() <= (four & ~truth).sum()
    assert (four | ~six).all()


def test_a_dark_in_adu_per_second_or_in_whole_steps_is_looked_at_in_its_own_scale(rng: np.random.Generator) -> None:
    whole = np.rint(rng.normal(500, 0.4, SHAPE))
    whole[7, 9] = 520
    for dark in (whole.astype(np.uint16), whole / 30_000):
        found = find_bad_in_dark(dark)
        assert found[7, 9]
        assert found.sum() < 30


def flat_of(rng: np.random.Generator, *, bayer: bool) -> tuple[np.ndarray, np.ndarray]:
    """Make a vignetted flat with dust, dead, dim and stuck pixels; return it and the truth."""
    y, x = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
    flat = 20_000 * (1 - 0.3 * (x**2 + y**2)) * rng.normal(1, 0.01, SHAPE)
    flat *= 1 - 0.2 * np.exp(-((x - 0.2) ** 2 + y**2) / 0.002)
    if bayer:
        flat *= np.tile([[0.5, 1.0], [1.0, 0.33]], (SHAPE[0] // 2, SHAPE[1] // 2))
    bad = rng.random(SHAPE) < 1e-3
    bad[200:203, 300:303] = True
    flat[bad] *= rng.choice([0.0, 0.3, 0.6, 1.8], int(bad.sum()))
    flat[200:203, 300:303] = 0
    flat[:, 500] *= 0.7
    bad[:, 500] = True
    return np.clip(flat, 0, 65535).astype(np.float32), bad


@pytest.mark.parametrize("pattern", ["mono", "bayer"])
def test_recall_and_false_rate_of_simulated_flats(rng: np.random.Generator, pattern: str) -> None:
    flat, truth = flat_of(rng, bayer=pattern == "bayer")
    found = find_bad_in_flat(flat, bayer=pattern == "bayer")
    recall, false = float(found[truth].mean()), float(found[~truth].mean())
    print(f"{pattern}: {100 * recall:.2f} % of {int(truth.sum())} bad pixels found, {100 * false:.4f} % of good ones")
    assert recall >= 0.99
    assert false <= 1e-4


def test_found_and_listed_pixels_have_both_bits_and_count_once(rng: np.random.Generator) -> None:
    dark = rng.normal(500, 2, SHAPE)
    dark[10, 20] = dark[30, 40] = 900
    listed = read_bad_pixel_list("bad_rectangles: [[11, 12, 21, 21]]", SHAPE)
    found = map_bad_pixels([dark, dark], flats=[np.full(SHAPE, 1.0)], listed=listed)
    assert found.bits.dtype == np.uint8
    assert found.bits[10, 20] == AUTOMATIC | LISTED
    assert (found.bits[30, 40], found.bits[11, 20], found.bits[0, 0]) == (AUTOMATIC, LISTED, 0)
    assert found.listed == 2
    assert found.bad == found.automatic + found.listed - 1
    assert found.bad == np.count_nonzero(found.bits)


def test_any_dark_and_any_flat_may_show_a_pixel(rng: np.random.Generator) -> None:
    darks = [rng.normal(500, 2, SHAPE) for _ in (1, 2)]
    flat = rng.normal(1, 0.005, SHAPE)
    darks[0][1, 1], darks[1][2, 2], flat[3, 3] = 600, 600, 0.1
    bits = map_bad_pixels(darks, flats=[flat]).bits
    assert (bits[[1, 2, 3], [1, 2, 3]] == AUTOMATIC).all()


TEMPLATES = [
    "bad_columns: [3]\nbad_rows: [2]\nbad_rectangles: [[4, 5, 6, 7]]\n",
    "bad_columns:\n  - 3\nbad_rows:\n  - 2\nbad_rectangles:\n  - [4, 5, 6, 7]\n",
    "---\n# T20\nbad_columns: # one\n - 3\nbad_rows: [2,]\nbad_rectangles:\n  -\n    - 4\n    - 5\n    - 6\n    - 7\n",
    "columns: [[3, 3]]\nrows: [2]\nrectangles: [[4, 5, 6, 7]]\npixels:\nbinning: 1\n",
]


@pytest.mark.parametrize("text", TEMPLATES)
def test_lists_of_the_older_tools_and_ours_are_read(text: str) -> None:
    found = read_bad_pixel_list(text, (8, 9))
    wanted = np.zeros((8, 9), np.uint8)
    wanted[:, 2], wanted[1], wanted[3:5, 5:7] = 1, 1, 1
    np.testing.assert_array_equal(found, wanted)
    assert parse_bad_pixels(text).says_binning == ("binning" in text.split("\n")[-2])


@pytest.mark.parametrize(
    "text",
    [
        "", "bad_columns:\n", "bad_columns:\nbad_rows:\nbad_rectangles:\n", "bad_rows: []\nbad_columns: null\n",
        "# x\n", "bad_columns: {}\nbad_rows: {}\n",
    ],
)  # fmt: skip
def test_empty_sections_list_nothing(text: str) -> None:
    assert not read_bad_pixel_list(text, (8, 9)).any()


def test_masked_pixels_and_missing_numbers_are_bad(rng: np.random.Generator) -> None:
    dark = rng.normal(500, 2, SHAPE)
    dark[4, 4] = np.nan
    mask = np.zeros(SHAPE, bool)
    mask[5, 5] = True
    found = find_bad_in_dark(CCDData(dark, unit="adu", mask=mask))
    assert found[4, 4]
    assert found[5, 5]
    assert found.mean() < 3e-4
    assert find_bad_in_dark(np.full((20, 20), np.nan)).all()
    flat = rng.normal(1, 0.005, SHAPE)
    flat[6, 6] = np.inf
    flat[8] = np.nan
    found = find_bad_in_flat(flat)
    assert found[6, 6]
    assert found[8].all()
    assert found.mean() < 1.5 / SHAPE[0]


def test_the_unit_does_not_matter_and_integers_do_not_wrap(rng: np.random.Generator) -> None:
    dark = np.rint(rng.normal(60, 8, SHAPE)).clip(0).astype(np.uint16)
    dark[9, 9] = 0
    dark[9, 11] = 65_535
    found = find_bad_in_dark(dark)
    assert found[9, 9]
    assert found[9, 11]
    np.testing.assert_array_equal(found, find_bad_in_dark(dark.astype(np.float64)))
    np.testing.assert_array_equal(found, find_bad_in_dark(dark * u.electron))
    assert find_bad_pixels(dark)[9, [9, 11]].all()


def test_nothing_given_is_changed_and_the_result_is_the_same_again(rng: np.random.Generator) -> None:
    dark, flat = rng.normal(500, 2, SHAPE).astype(np.float32), rng.normal(1, 0.01, SHAPE).astype(np.float32)
    listed = np.zeros(SHAPE, np.uint8)
    listed[5] = 1
    before = dark.copy(), flat.copy(), listed.copy()
    one, two = (map_bad_pixels([dark], flats=[flat], listed=listed).bits for _ in (1, 2))
    np.testing.assert_array_equal(one, two)
    bad_pixel_map(dark, listed=listed)
    for given, kept in zip((dark, flat, listed), before, strict=True):
        np.testing.assert_array_equal(given, kept)


def fails(error: type[Exception], why: str, *given: Any, **how: Any) -> None:
    with pytest.raises(error, match=why):
        map_bad_pixels(*given, **how)


def test_what_does_not_belong_together_is_refused() -> None:
    dark = np.ones((20, 20))
    fails(ImagingError, "needs a dark, a flat or a list")
    fails(FrameMismatchError, r"\(9, 9\), the first \(20, 20\)", [dark], flats=[np.ones((9, 9))])
    fails(FrameMismatchError, r"\(9, 9\), the first \(20, 20\)", [dark], listed=np.ones((9, 9), np.uint8))
    fails(FrameMismatchError, "two axes", [np.ones((3, 20, 20))])
    fails(ImagingError, "holds no light", flats=[np.zeros((20, 20))])


def test_a_dark_of_one_value_has_no_bad_pixels_but_those_that_differ() -> None:
    dark = np.full((40, 50), 0.3, np.float32)
    assert not find_bad_in_dark(dark).any()
    dark[20, 30] = 0.4
    found = find_bad_in_dark(dark)
    assert found[20, 30]
    assert not np.delete(np.delete(found, 20, axis=0), 30, axis=1).any()

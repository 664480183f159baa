"""Frames that do not show what the others show: named with numbers; noise and honest wandering are not."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.calibration.agreement import Agreement, Look
from pictor.imaging.calibration.unlike import drift, mark_unsteady, stacks, unlike, unsteady_lines
from pictor.imaging.combine.combining import combine
from pictor.imaging.combine.noise import NoiseModel

SIDE, NOISE = 160, 4.0


def looked_at(cube: np.ndarray, folder: Path) -> Agreement:
    paths = []
    for i, frame in enumerate(cube):
        paths.append(folder / f"{i:02d}.fits")
        fits.PrimaryHDU(np.rint(frame).astype(np.uint16)).writeto(paths[-1])
    noise = NoiseModel(NOISE**2 + 1 / 12)
    look = Look((cube.shape[1], cube.shape[2]), np.ones(len(cube)), noise)
    combine(paths, noise=noise, watch=look)
    return look.found


def honest(rng: np.random.Generator, count: int = 10) -> np.ndarray:
    pattern = rng.normal(500, 20, (SIDE, SIDE))
    return pattern + rng.normal(0, NOISE, (count, SIDE, SIDE))


@pytest.mark.parametrize("count", [2, 3, 10])
def test_honest_frames_agree(count: int, rng: np.random.Generator, tmp_path: Path) -> None:
    found = looked_at(honest(rng, count), tmp_path)
    assert unlike(found, flat=False) == {}
    assert stacks(found) == {}
    assert found.noise == pytest.approx(np.ones(count), rel=0.02)
    assert not found.unstable.any()


def test_a_block_half_a_noise_too_high_is_found_with_its_place(rng: np.random.Generator, tmp_path: Path) -> None:
    cube = honest(rng)
    cube[3, 64:96, 96:128] += 3.0
    ((place, told),) = unlike(looked_at(cube, tmp_path), flat=False).items()
    assert place == 3
    assert "up to 0.8 of the noise of a pixel, 4.0 % of them by too much, most at column 97, row 65" in told


def test_a_step_below_half_a_noise_is_no_harm(rng: np.random.Generator, tmp_path: Path) -> None:
    cube = honest(rng)
    cube[3, 64:96, 96:128] += 1.0
    assert unlike(looked_at(cube, tmp_path), flat=False) == {}


def test_a_level_alone_is_no_structure(rng: np.random.Generator, tmp_path: Path) -> None:
    cube = honest(rng)
    cube[3] += 3.0
    assert unlike(looked_at(cube, tmp_path), flat=False) == {}


def test_hits_are_no_structure(rng: np.random.Generator, tmp_path: Path) -> None:
    cube = honest(rng)
    for frame in cube:
        frame[rng.integers(0, SIDE, 50), rng.integers(0, SIDE, 50)] = 50_000
    found = looked_at(cube, tmp_path)
    assert unlike(found, flat=False) == {}
    assert found.unstable.mean() < 1e-4


@pytest.mark.parametrize("exposures", [2, 10])
def test_a_mean_of_exposures_is_a_stack(exposures: int, rng: np.random.Generator, tmp_path: Path) -> None:
    cube = honest(rng)
    cube[5] = cube[5] + (cube[5] - cube.mean(axis=0)) * (1 / np.sqrt(exposures) - 1)
    assert list(stacks(looked_at(cube, tmp_path))) == [5]


def test_a_pixel_with_two_values_is_bad_and_one_with_a_hit_is_not(rng: np.random.Generator, tmp_path: Path) -> None:
    cube = honest(rng)
    cube[:4, 20, 30] += 200
    cube[7, 50, 60] += 40_000
    found = looked_at(cube, tmp_path)
    assert list(zip(*np.nonzero(found.unstable), strict=True)) == [(20, 30)]


def test_of_three_samples_two_that_agree_and_one_far_below_make_a_bad_pixel(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    cube = honest(rng, 3)
    cube[:2, 20, 30], cube[0, 40, 50] = 50_000, 50_000
    assert list(zip(*np.nonzero(looked_at(cube, tmp_path).unstable), strict=True)) == [(20, 30)]


def test_a_column_that_began_to_glow_is_bad(rng: np.random.Generator, tmp_path: Path) -> None:
    cube = honest(rng)
    cube[5:, :, 70] += 6.0
    found = looked_at(cube, tmp_path)
    rows, columns = unsteady_lines(found, flat=False)
    assert (list(rows), list(columns)) == ([], [70])
    mask = np.full(cube.shape[1:], 4, np.uint8)
    mark_unsteady(found, mask, flat=False)
    assert (mask[:, 70] == 5).all()
    assert (mask[:, 69] == 4).all()
    assert unlike(found, flat=False) == {}


def test_what_grows_during_the_night_shows_between_its_halves(rng: np.random.Generator, tmp_path: Path) -> None:
    cube = honest(rng)
    (tmp_path / "steady").mkdir()
    steady = drift(looked_at(cube, tmp_path / "steady"), flat=False)
    glow = np.zeros((SIDE, SIDE))
    glow[:40, :40] = 0.4
    grown = drift(looked_at(cube + np.arange(10)[:, None, None] * glow, tmp_path), flat=False)
    assert steady is not None
    assert grown is not None
    print(f"steady {steady.largest:.2f}, grown {grown.largest:.2f}")
    assert steady.largest < 0.5
    assert grown.largest > 1


def test_frames_smaller_than_a_block_are_not_compared(tmp_path: Path) -> None:
    found = looked_at(np.full((4, 16, 16), 500.0), tmp_path)
    assert unlike(found, flat=False) == {}
    assert drift(found, flat=False) is None

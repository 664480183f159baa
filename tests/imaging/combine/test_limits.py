"""Combining at its limits: fewest and most frames, narrowest and widest threshold, one pass and twenty."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.combine.combining import Combined, combine
from pictor.imaging.combine.method import MAX_FRAMES
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.errors import ImagingError

SIDE, LEVEL, NOISE = 64, 500.0, 4.0
MODEL = NoiseModel(NOISE**2 + 1 / 12)


def frames(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.rint(rng.normal(LEVEL, NOISE, (count, SIDE, SIDE))).astype(np.uint16)


def written(cube: np.ndarray, folder: Path) -> list[Path]:
    paths = [folder / f"{i:03d}.fits" for i in range(len(cube))]
    for path, frame in zip(paths, cube, strict=True):
        fits.PrimaryHDU(frame).writeto(path)
    return paths


def clipped(cube: np.ndarray, folder: Path, **said: float) -> Combined:
    return combine(written(cube, folder), noise=MODEL, **said)  # type: ignore[arg-type]


def test_of_three_samples_one_hit_is_rejected_and_of_two_hits_the_lower_is_kept(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    cube = frames(rng, 3)
    cube[0, 5, 5], cube[:2, 9, 9] = 50_000, 50_000
    cube[:2, 20, 20] = 50_000, 20_000
    found = clipped(cube, tmp_path)
    assert found.sci[5, 5] == pytest.approx(cube[1:, 5, 5].mean())
    assert (found.nused[9, 9], found.sci[9, 9]) == (2, 50_000.0)  # the majority; the stack marks such pixels bad
    assert found.nused[20, 20] >= 1


@pytest.mark.parametrize("sigma", [1.0, 10.0])
@pytest.mark.parametrize("iterations", [1, 20])
def test_every_threshold_and_number_of_passes_leaves_samples_and_an_unbiased_mean(
    sigma: float, iterations: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    cube = frames(rng, 10)
    cube[3, 7, 7] = 50_000
    found = clipped(cube, tmp_path, sigma=sigma, iterations=iterations)
    bias, spread = float(found.sci.mean() - LEVEL), float(found.sci.std()) * np.sqrt(10) / NOISE
    lost = found.statistics.rejected_share
    told = f"bias {bias:+.4f} ADU, noise {spread:.3f} of ideal, lost {100 * lost:.1f} %"
    print(f"sigma {sigma:g}, {iterations} passes: {told}")
    assert found.nused.min() >= 1
    assert abs(bias) < 4 * NOISE * spread / np.sqrt(10) / SIDE
    assert abs(found.sci[7, 7] - LEVEL) < 5 * NOISE
    assert lost < (0.5 if sigma == 1.0 else 1e-4)


def test_a_pass_more_than_needed_changes_nothing(rng: np.random.Generator, tmp_path: Path) -> None:
    paths = written(frames(rng, 12), tmp_path)
    five, twenty = (combine(paths, noise=MODEL, iterations=n).sci for n in (12, 20))
    assert np.array_equal(five, twenty)


def test_as_many_frames_as_a_count_of_one_byte_holds_can_be_combined_and_no_more(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    paths = written(frames(rng, MAX_FRAMES + 1)[:, :16, :16], tmp_path)
    found = combine(paths[:MAX_FRAMES], noise=MODEL)
    assert found.nused.max() == MAX_FRAMES == 255
    with pytest.raises(ImagingError, match="256 frames are more than 255"):
        combine(paths, noise=MODEL)


@pytest.mark.parametrize("scatter", [0.0, 0.1])
def test_the_order_of_frames_does_not_change_the_pixels(
    scatter: float, rng: np.random.Generator, tmp_path: Path
) -> None:
    cube = frames(rng, 9)
    cube[2, 30:34] = 60_000
    paths, scale = written(cube, tmp_path), 1 + rng.uniform(-scatter, scatter, 9)
    order = rng.permutation(9)
    one = combine(paths, noise=MODEL, scale=scale)
    two = combine([paths[i] for i in order], noise=MODEL, scale=scale[order])
    again = combine(paths, noise=MODEL, scale=scale)
    assert np.array_equal(one.sci, again.sci)
    assert np.array_equal(one.nused, two.nused)
    assert float(np.abs(one.sci - two.sci).max()) <= (1e-4 if scatter else 0.0)

"""Combining frames pixel by pixel."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.combine.combining import combine, median_penalty
from pictor.imaging.combine.method import Method
from pictor.imaging.combine.noise import NoiseModel
from pictor.imaging.errors import FrameMismatchError, ImagingError
from tests.imaging.combine.reference import sigma_clip

Writer = Callable[..., list[Path]]


def counts(
    rng: np.random.Generator, shape: tuple[int, ...], *, level: float = 500.0, noise: float = 5.0
) -> NDArray[np.uint16]:
    return np.clip(np.rint(rng.normal(level, noise, shape)), 0, 65535).astype(np.uint16)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 13, 20, 50])
@pytest.mark.parametrize("noise_adu", [0.6, 5.0])
def test_every_pixel_equals_the_plain_definition(
    n: int, noise_adu: float, rng: np.random.Generator, write: Writer
) -> None:
    cube = counts(rng, (n, 61, 131), noise=noise_adu)
    hits = rng.random(cube.shape) < 0.01
    cube[hits] = rng.integers(0, 65536, hits.sum())
    noise = NoiseModel(noise_adu**2 + 1 / 12, slope=0.7, pedestal=490.0)
    found = combine(write(cube), noise=noise)
    wanted, used = sigma_clip(cube, noise)
    worst = np.abs(found.sci - wanted).max()
    print(f"N = {n}, noise {noise_adu} ADU: largest difference {worst:.5f} ADU, rejected {found.statistics.rejected}")
    np.testing.assert_array_equal(found.nused, used)
    assert worst < 0.01
    assert found.statistics.rejected == n * used.size - used.sum()
    assert sum(found.statistics.rejected_by_frame) == found.statistics.rejected


@pytest.mark.parametrize("method", [Method.MEAN, Method.MEDIAN])
@pytest.mark.parametrize("n", [1, 4, 7])
def test_mean_and_median_are_those_of_numpy(n: int, method: Method, rng: np.random.Generator, write: Writer) -> None:
    cube = rng.integers(0, 65536, (n, 33, 70)).astype(np.uint16)
    found = combine(write(cube), method=method)
    wanted = cube.mean(axis=0) if method is Method.MEAN else np.median(cube, axis=0)
    np.testing.assert_allclose(found.sci, wanted, atol=0.004)
    assert (found.nused == n).all()


@pytest.mark.parametrize("n", [3, 5, 8, 10, 11])
def test_frames_with_one_cosmic_ray_each_come_out_clean(n: int, rng: np.random.Generator, write: Writer) -> None:
    cube = counts(rng, (n, 200, 200))
    clean = cube.mean(axis=0)
    hits = rng.permutation(cube[0].size)[: n * 40].reshape(n, 40)
    for frame, where in zip(cube, hits, strict=True):
        frame.ravel()[where] = 50_000
    found = combine(write(cube), noise=NoiseModel.from_detector(read_noise_e=5.0, egain=1.0, pedestal=500.0))
    worst = np.abs(found.sci - clean).max()
    print(f"N = {n}: {n * 40} hits of 50,000 ADU, largest value off by {worst:.2f} ADU")
    assert found.sci.max() < 500 + 6 * 5
    assert (found.nused.ravel()[hits.ravel()] < n).all()


def test_frames_of_another_shape_are_refused(rng: np.random.Generator, write: Writer) -> None:
    one, two = write(counts(rng, (1, 20, 30))), write(counts(rng, (1, 20, 31)), prefix="g")
    with pytest.raises(FrameMismatchError, match="31 x 20 pixels"):
        combine(one + two)


def test_no_frames_are_refused() -> None:
    with pytest.raises(ImagingError, match="no frames"):
        combine([])


def test_two_frames_say_that_nothing_can_be_rejected(rng: np.random.Generator, write: Writer) -> None:
    found = combine(write(counts(rng, (2, 20, 30))))
    assert not found.statistics.can_reject
    assert "too few to reject" in found.statistics.note


def test_inputs_stay_untouched(rng: np.random.Generator, write: Writer) -> None:
    paths = write(counts(rng, (5, 40, 40)))
    before = [path.read_bytes() for path in paths]
    combine(paths)
    assert [path.read_bytes() for path in paths] == before
    assert fits.getdata(paths[0]).shape == (40, 40)


@pytest.mark.parametrize("n", range(1, 12))
def test_the_error_of_a_median_of_few_is_what_medians_scatter_by(n: int, rng: np.random.Generator) -> None:
    samples = rng.normal(0.0, 1.0, (n, 400_000))
    seen = float(np.median(samples, axis=0).std())
    told = math.sqrt(float(median_penalty(np.array([n], np.float32))[0]) / n)
    print(f"median of {n}: told {told:.4f}, seen {seen:.4f}")
    assert abs(told / seen - 1) < 0.016

"""What clipping takes and what it leaves, against what others do."""

from collections.abc import Callable
from pathlib import Path

import ccdproc
import numpy as np
import pytest
from astropy.nddata import CCDData
from numpy.typing import NDArray

from pictor.imaging.combine.combining import combine
from pictor.imaging.combine.method import Method
from pictor.imaging.combine.noise import NoiseModel

Writer = Callable[..., list[Path]]


def quantised(
    rng: np.random.Generator, n: int, noise: float, side: int = 400
) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Frames of one noise about levels that lie between whole ADU; and these levels."""
    truth = rng.uniform(500, 510, (side, side))
    return np.rint(rng.normal(truth, noise, (n, side, side))).astype(np.uint16), truth


@pytest.mark.parametrize("n", [5, 6, 8, 10, 20])
def test_fewer_than_0_6_percent_of_good_samples_are_rejected(n: int, rng: np.random.Generator, write: Writer) -> None:
    cube, _ = quantised(rng, n, 5.0)
    known = combine(write(cube), noise=NoiseModel.from_detector(read_noise_e=5.0, egain=1.0, pedestal=600.0))
    measured = combine(write(cube, prefix="m"))
    shares = known.statistics.rejected_share, measured.statistics.rejected_share
    print(f"N = {n}: good samples rejected {100 * shares[0]:.3f} % (model), {100 * shares[1]:.3f} % (measured noise)")
    assert max(shares) < 0.006


@pytest.mark.parametrize("noise_adu", [0.4, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("n", [5, 10, 20])
def test_quantised_low_noise_data_keep_their_mean(
    noise_adu: float, n: int, rng: np.random.Generator, write: Writer
) -> None:
    cube, truth = quantised(rng, n, noise_adu)
    found = combine(write(cube), noise=NoiseModel.from_detector(read_noise_e=noise_adu, egain=1.0, pedestal=600.0))
    bias = float((found.sci - truth).mean())
    ideal = np.sqrt((noise_adu**2 + 1 / 12) / n)
    ratio = float((found.sci - truth).std() / ideal)
    print(f"noise {noise_adu} ADU, N = {n}: bias {bias:+.4f} ADU, noise {ratio:.3f} of ideal")
    assert abs(bias) < 0.02
    assert ratio < 1.10


def test_ccdproc_leaves_every_hit_that_we_reject(rng: np.random.Generator, write: Writer) -> None:
    n, side = 10, 100
    cube = np.rint(rng.normal(500, 5, (n, side, side))).astype(np.uint16)
    hits = rng.permutation(side * side)[: n * 50].reshape(n, 50)
    for frame, where in zip(cube, hits, strict=True):
        frame.ravel()[where] = 50_000
    theirs = ccdproc.combine(
        [CCDData(frame.astype(float), unit="adu") for frame in cube], method="average", sigma_clip=True
    )
    ours = combine(write(cube))
    left = [int((values > 530).sum()) for values in (np.asarray(theirs.data), ours.sci)]
    print(f"ten frames, {hits.size} hits of 50,000 ADU: left by ccdproc's default {left[0]}, by ours {left[1]}")
    assert left == [hits.size, 0]


def test_the_error_plane_is_the_scatter_of_the_result(rng: np.random.Generator, write: Writer) -> None:
    truth = rng.uniform(500, 20_000, (300, 300))
    electrons = rng.poisson((truth - 500) * 1.5, (8, 300, 300)) + rng.normal(0, 6.0, (8, 300, 300))
    cube = np.rint(electrons / 1.5 + 500).astype(np.uint16)
    noise = NoiseModel.from_detector(read_noise_e=6.0, egain=1.5, pedestal=500.0)
    for method in (Method.MEAN, Method.MEDIAN, Method.SIGMA_CLIP):
        found = combine(write(cube, prefix=method), noise=noise, method=method)
        pulls = float(((found.sci - truth) / found.err).std())
        print(f"{method}: scatter over error {pulls:.3f}")
        assert 0.95 < pulls < 1.06


def test_frames_with_few_electrons_keep_their_mean_better_than_the_median(
    rng: np.random.Generator, write: Writer
) -> None:
    electrons = rng.poisson(2.0, (10, 300, 300)) + rng.normal(0, 1.5, (10, 300, 300))
    cube = np.rint(electrons / 0.25 + 500).astype(np.uint16)
    noise = NoiseModel.from_detector(read_noise_e=1.5, egain=0.25, pedestal=500.0)
    off = {
        method: float(combine(write(cube, prefix=method), noise=noise, method=method).sci.mean() - 508.0) / 8.0
        for method in (Method.SIGMA_CLIP, Method.MEDIAN)
    }
    mean, median = off[Method.SIGMA_CLIP], off[Method.MEDIAN]
    print(f"2 e- of dark current: clipped mean {100 * mean:+.2f} %, median {100 * median:+.2f} %")
    assert abs(mean) < 0.015
    assert abs(mean) < abs(median)

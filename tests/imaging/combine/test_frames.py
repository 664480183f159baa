"""Frames in memory combined into one, against the definition written down in numpy."""

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData, StdDevUncertainty
from ccdproc import Combiner

from pictor.imaging.combine.frames import FrameStack, combine_frames
from pictor.imaging.combine.method import Method, Scaling
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, HIT, NO_DATA, SATURATED, Frame

SHAPE = (70, 90)


def clipped(cube: np.ndarray, errs: np.ndarray, *, sigma: float = 3.0, iterations: int = 5) -> np.ndarray:
    """Say which samples (n, ny, nx) are left, by the definition."""
    values = cube.copy()
    for _ in range(iterations):
        centre = np.nanmedian(values, axis=0)
        width = np.maximum(1.4826 * np.nanmedian(np.abs(values - centre), axis=0), errs)
        bad = np.abs(values - centre) > sigma * width
        if not bad.any():
            break
        values[bad] = np.nan
    return np.isfinite(values)


@pytest.fixture
def cube(rng: np.random.Generator) -> np.ndarray:
    """Eight frames with hits, a warm frame and missing samples."""
    values = rng.normal(1000, 10, (8, *SHAPE))
    values[rng.random(values.shape) < 0.01] += 5000
    values[rng.random(values.shape) < 0.01] = np.nan
    return values.astype(np.float32)


@pytest.mark.filterwarnings("ignore:.*slice:RuntimeWarning")
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8])
@pytest.mark.parametrize("method", list(Method))
def test_every_pixel_is_what_the_definition_says(cube: np.ndarray, method: Method, count: int) -> None:
    values = cube[:count].astype(np.float64)
    errs = np.broadcast_to(np.linspace(8, 14, count)[:, None, None], values.shape)
    found = combine_frames([Frame(v, e) for v, e in zip(cube[:count], errs, strict=True)], method=method)
    left = clipped(values, errs) if method is Method.SIGMA_CLIP else np.isfinite(values)
    kept = np.where(left, values, np.nan)
    used = left.sum(axis=0)
    some = used > 0
    wanted = np.nanmedian(kept, axis=0) if method is Method.MEDIAN else np.nanmean(kept, axis=0)
    np.testing.assert_array_equal(found.nused, used)
    np.testing.assert_allclose(found.frame.data[some], wanted[some], rtol=1e-6)
    variance = np.where(left, errs**2, 0).sum(axis=0)
    if method is not Method.MEDIAN:
        np.testing.assert_allclose(found.frame.err[some], np.sqrt(variance[some]) / used[some], rtol=1e-5)
    assert (found.frame.mask[~some] == NO_DATA).all()
    assert (found.frame.data[~some] == 0).all()
    if method is Method.SIGMA_CLIP:
        np.testing.assert_array_equal(found.rejected, (np.isfinite(values) & ~left).sum(axis=(1, 2)))


@pytest.mark.parametrize("method", [Method.MEAN, Method.SIGMA_CLIP])
def test_weights_are_those_of_the_samples_that_are_left(cube: np.ndarray, method: Method) -> None:
    weights = [1.0, 4.0, 0.5, 2.0, 1.0, 1.0, 3.0, 0.1]
    errs = np.full(cube.shape, 10.0)
    found = combine_frames([Frame(v, e) for v, e in zip(cube, errs, strict=True)], method=method, weights=weights)
    values = cube.astype(np.float64)
    left = clipped(values, errs) if method is Method.SIGMA_CLIP else np.isfinite(values)
    w = np.where(left, np.array(weights)[:, None, None], 0)
    wanted = np.where(left, values, 0)
    np.testing.assert_allclose(found.frame.data, (w * wanted).sum(axis=0) / w.sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.frame.err, np.sqrt((w**2 * 100).sum(axis=0)) / w.sum(axis=0), rtol=1e-5)


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("errors", ["measured", "given"])
def test_the_error_is_the_scatter_of_the_result(rng: np.random.Generator, method: Method, errors: str) -> None:
    known = errors == "given"
    sigma = np.linspace(5, 9, 9) if known else np.full(9, 7.0)
    cube = rng.normal(300, sigma[:, None, None], (9, 200, 200)).astype(np.float32)
    errs = [np.full((200, 200), s, np.float32) if known else None for s in sigma]
    found = combine_frames([Frame(v, e) for v, e in zip(cube, errs, strict=True)], method=method)
    pull = ((found.frame.data - 300) / found.frame.err).std()
    print(f"{method}, errors {errors}: pulls scatter by {pull:.3f}")
    assert pull == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("method", ["median", "sigma_clip"])
@pytest.mark.parametrize("noise", [0.3, 0.7, 3.0])
def test_frames_of_few_bits_kept_in_sixteen_are_combined_as_those_of_few_bits(
    method: str, noise: float, rng: np.random.Generator
) -> None:
    bits = np.rint(rng.normal(100, noise, (6, 80, 80)) + rng.uniform(0, 1, (80, 80))).astype(np.uint16)
    bits[rng.random(bits.shape) < 1e-3] += 900
    few, kept = (combine_frames(list(frames), method=method).frame for frames in (bits, 16 * bits))
    np.testing.assert_allclose(kept.data, 16 * few.data, rtol=1e-6)
    np.testing.assert_allclose(kept.err, 16 * few.err, rtol=1e-5)


def test_noise_falls_with_the_root_of_the_number(rng: np.random.Generator) -> None:
    cube = rng.normal(100, 10, (16, 150, 150)).astype(np.float32)
    scatter = {n: float(combine_frames(list(cube[:n])).frame.data.std()) for n in (1, 4, 16)}
    print(scatter)
    assert scatter[4] == pytest.approx(scatter[1] / 2, rel=0.03)
    assert scatter[16] == pytest.approx(scatter[1] / 4, rel=0.03)


def test_one_hit_is_rejected_from_three_frames_on(rng: np.random.Generator) -> None:
    cube = rng.normal(500, 5, (3, *SHAPE))
    cube[1, 30, 40] = 50_000
    found = combine_frames(list(cube))
    assert abs(found.frame.data[30, 40] - 500) < 15
    assert found.nused[30, 40] == 2
    assert found.rejected[1] >= 1


@pytest.mark.parametrize("scale", [Scaling.MEAN, Scaling.MEDIAN])
def test_frames_of_different_levels_are_brought_to_one(rng: np.random.Generator, scale: Scaling) -> None:
    levels = [800.0, 1000.0, 1200.0]
    cube = np.array([rng.normal(level, 5, SHAPE) for level in levels])
    cube[0, 5, 5] = 60_000
    found = combine_frames(list(cube), scale=scale)
    centre = {Scaling.MEAN: np.mean, Scaling.MEDIAN: np.median}[scale](cube, axis=(1, 2))
    np.testing.assert_allclose(found.factors, centre.mean() / centre, rtol=1e-9)
    assert found.nused[5, 5] == 2
    assert found.frame.data.mean() == pytest.approx(1000, abs=5)


def test_a_frame_without_light_cannot_be_scaled() -> None:
    with pytest.raises(ImagingError, match="frame 2 has a mean of 0"):
        combine_frames([np.ones(SHAPE), np.zeros(SHAPE)], scale=Scaling.MEAN)


def test_masked_samples_do_not_count_and_shared_bits_stay() -> None:
    masks = np.zeros((3, *SHAPE), np.uint8)
    masks[0, 1, 1] = HIT
    masks[:, 2, 2] = BAD
    masks[:, 3, 3] = SATURATED
    masks[1, 4, 4] = SATURATED
    data = [np.full(SHAPE, value, np.float32) for value in (90.0, 10.0, 20.0)]
    found = combine_frames([Frame(d, None, m) for d, m in zip(data, masks, strict=True)], method=Method.MEAN)
    assert (found.frame.data[1, 1], found.nused[1, 1]) == (15.0, 2)
    assert found.frame.mask is not None
    assert found.frame.mask[2, 2] == BAD | NO_DATA
    assert found.frame.mask[3, 3] == SATURATED
    assert found.frame.mask[4, 4] == found.frame.mask[1, 1] == 0
    assert found.frame.data[4, 4] == 40.0


def test_it_agrees_with_the_combiner_of_ccdproc(cube: np.ndarray) -> None:
    given = [CCDData(plane, unit="adu", mask=~np.isfinite(plane)) for plane in cube]
    peer = Combiner(given)
    np.testing.assert_allclose(combine_frames(given, method=Method.MEDIAN).frame.data, peer.median_combine(), rtol=1e-6)
    np.testing.assert_allclose(combine_frames(given, method=Method.MEAN).frame.data, peer.average_combine(), rtol=1e-6)


def test_ccddata_comes_in_with_its_errors_and_goes_out_again() -> None:
    given = [
        CCDData(np.full(SHAPE, v), unit="electron", uncertainty=StdDevUncertainty(np.full(SHAPE, 3.0)), meta={"A": 1})
        for v in (1.0, 2.0, 3.0, 4.0)
    ]
    out = combine_frames(given, method=Method.MEAN).frame.to_ccddata()
    assert out.unit == u.electron
    assert out.data[0, 0] == 2.5
    assert out.uncertainty.array[0, 0] == pytest.approx(1.5)
    assert out.header["A"] == 1
    assert out.header["NCOMBINE"] == 4


def test_unsigned_integers_do_not_wrap_and_wide_values_keep_their_digits() -> None:
    full = [np.full(SHAPE, 65_535, np.uint16), np.full(SHAPE, 65_533, np.uint16)]
    assert combine_frames(full, method=Method.MEAN).frame.data[0, 0] == 65_534
    wide = [np.full(SHAPE, 2**31 + k, np.int64) for k in (0, 2)]
    found = combine_frames(wide, method=Method.MEAN).frame.data
    assert found.dtype == np.float64
    assert found[0, 0] == 2**31 + 1


def test_colour_planes_are_combined_plane_by_plane() -> None:
    cube = [np.stack([np.full(SHAPE, v), np.full(SHAPE, 2 * v), np.full(SHAPE, 3 * v)]) for v in (1.0, 2.0, 3.0)]
    found = combine_frames(cube, method=Method.MEAN)
    assert found.frame.data.shape == (3, *SHAPE)
    assert found.frame.data[:, 0, 0].tolist() == [2.0, 4.0, 6.0]


def test_the_frames_given_are_not_changed_and_the_result_is_the_same_again(cube: np.ndarray) -> None:
    before = cube.copy()
    masks = [np.full(SHAPE, 0, np.uint8) for _ in cube]
    masks[0][:5] = HIT
    given = [Frame(v, np.full(SHAPE, 9.0), m) for v, m in zip(cube, masks, strict=True)]
    one, two = combine_frames(given, scale=Scaling.MEDIAN), combine_frames(given, scale=Scaling.MEDIAN)
    np.testing.assert_array_equal(cube, before)
    assert (masks[0][:5] == HIT).all()
    np.testing.assert_array_equal(one.frame.data, two.frame.data)
    np.testing.assert_array_equal(one.frame.err, two.frame.err)


def refused(given: list[Any], **how: Any) -> FrameStack:
    return combine_frames(given, **how)


def test_what_does_not_belong_together_is_refused() -> None:
    flat = np.ones(SHAPE)
    with pytest.raises(FrameMismatchError, match=r"frame 2 has shape \(3, 4\)"):
        refused([flat, np.ones((3, 4))])
    with pytest.raises(FrameMismatchError, match="frame 2 is in electron, the first in adu"):
        refused([flat, flat * u.electron])
    with pytest.raises(ImagingError, match="no frames"):
        refused([])
    with pytest.raises(ImagingError, match="256 frames are more than 255"):
        refused([np.ones((2, 2))] * 256)
    with pytest.raises(ValueError, match="2 weights above 0"):
        refused([flat, flat], weights=[1.0, 0.0], method=Method.MEAN)
    with pytest.raises(ValueError, match="median knows no weights"):
        refused([flat, flat], weights=[1.0, 2.0], method=Method.MEDIAN)
    with pytest.raises(ValueError, match="at least 1"):
        refused([flat, flat], sigma=0.5)

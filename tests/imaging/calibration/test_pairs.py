"""Read noise, gain and dark current within two percent of the truth, whatever lies on the pixels."""

from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData

from pictor.imaging.calibration.measuring import dark_current, read_noise_adu
from pictor.imaging.calibration.pairs import (
    difference_histogram,
    measure_dark_current,
    measure_gain,
    measure_read_noise,
)
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import Frame
from tests.imaging.calibration.camera import Camera, make_camera

CAMERAS = [(0.25, 1.6), (0.7, 2.8), (1.0, 0.7), (1.5, 6.0), (5.0, 4.0), (2.3, 15.0)]
"""Conversion gain in electrons per ADU and read noise in electrons: CMOS and CCD."""


@pytest.fixture
def camera(rng: np.random.Generator) -> Camera:
    return make_camera(rng)


def spoiled(rng: np.random.Generator, frame: np.ndarray, hot: np.ndarray) -> np.ndarray:
    """Put the same hot pixels and other cosmic-ray hits on a frame."""
    values = frame.astype(np.float64)
    values[hot] += rng.normal(3000, 300, int(hot.sum()))
    hits = rng.random(frame.shape) < 1e-3
    values[hits] += rng.exponential(800, int(hits.sum()))
    return np.clip(np.rint(values), 0, 65535).astype(np.uint16)


@pytest.mark.parametrize(("egain", "noise_e"), CAMERAS)
def test_read_noise_is_within_two_percent_under_hot_pixels_and_hits(
    egain: float, noise_e: float, rng: np.random.Generator
) -> None:
    camera = make_camera(rng, egain=egain, read_noise_e=noise_e, side=512)
    hot = rng.random((512, 512)) < 2e-3
    pair = [spoiled(rng, camera.expose(0.0), hot) for _ in (1, 2)]
    found = measure_read_noise(*pair, egain=egain)
    assert found.electrons is not None
    print(f"read noise {found.electrons:.4f} e-, truth {noise_e} e- ({100 * (found.electrons / noise_e - 1):+.2f} %)")
    assert found.electrons == pytest.approx(noise_e, rel=0.02)
    assert found.adu == pytest.approx(noise_e / egain, rel=0.02)
    assert found.left_out >= hot.sum()
    assert found.pixels + found.left_out == 512 * 512


@pytest.mark.parametrize("step", [4, 16])
def test_a_camera_of_few_bits_kept_in_sixteen_has_its_own_noise_and_gain(step: int, rng: np.random.Generator) -> None:
    noise, egain = 0.6 * step, 0.3
    bias = rng.normal(500, noise, (2, 300, 300)) + rng.normal(0, step, (300, 300))
    lit = rng.poisson(3000 * egain, (2, 300, 300)) / egain + rng.normal(500, noise, (2, 300, 300))
    kept = [(np.rint(pair / step) * step).astype(np.uint16) for pair in (bias, lit)]
    found = measure_read_noise(*kept[0]).adu, read_noise_adu(*kept[0])
    told = measure_gain(*kept[1], dark=500, read_noise_adu=noise).egain
    print(
        f"steps of {step}: read noise {found[0]:.3f} and {found[1]:.3f}, truth {noise}; gain {told:.4f}, truth {egain}"
    )
    assert found == pytest.approx((noise, noise), rel=0.02)
    assert told == pytest.approx(egain, rel=0.02)


def test_continuous_values_are_not_rounded(rng: np.random.Generator) -> None:
    pair = rng.normal(500, 0.9, (2, 300, 300)).astype(np.float32)
    plain = measure_read_noise(*pair, mask_outliers=False).adu
    assert plain == pytest.approx(float((pair[0] - pair[1]).std(dtype=np.float64)) / np.sqrt(2), rel=1e-6)


def test_leaving_outliers_out_does_not_make_the_noise_smaller(rng: np.random.Generator) -> None:
    ratios = []
    for _ in range(12):
        pair = rng.normal(500, 5, (2, 300, 300))
        one, two = measure_read_noise(*pair), measure_read_noise(*pair, mask_outliers=False)
        ratios.append(one.adu / two.adu)
    print(f"masked over plain: {np.mean(ratios):.4f} +- {np.std(ratios):.4f}")
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.001)


def test_without_masking_every_pixel_counts(rng: np.random.Generator) -> None:
    pair = np.rint(rng.normal(500, 5, (2, 200, 200)))
    pair[0, 10, 10] += 30_000
    found = measure_read_noise(*pair, mask_outliers=False)
    wanted = np.sqrt((pair[0] - pair[1]).var() / 2 - 1 / 12)
    assert found.adu == pytest.approx(wanted, rel=1e-9)
    assert found.left_out == 0
    assert measure_read_noise(*pair).adu == pytest.approx(5.0, rel=0.02)


@pytest.mark.parametrize(("egain", "noise_e"), CAMERAS)
def test_the_gain_is_within_two_percent_under_hot_pixels_and_hits(
    egain: float, noise_e: float, rng: np.random.Generator
) -> None:
    camera = make_camera(rng, egain=egain, read_noise_e=noise_e, side=512)
    hot = rng.random((512, 512)) < 1e-3
    bias = [spoiled(rng, camera.expose(0.0), hot) for _ in (1, 2)]
    flats = [spoiled(rng, camera.expose(2.0, level * egain), hot) for level in (30_000, 26_000)]
    noise = measure_read_noise(*bias).adu
    found = measure_gain(*flats, dark=camera.bias + camera.dark_rate * 2.0 / egain, read_noise_adu=noise)
    print(f"gain {found.egain:.4f} e-/ADU, truth {egain} ({100 * (found.egain / egain - 1):+.2f} %)")
    assert found.egain == pytest.approx(egain, rel=0.02)
    assert found.signal[0] / found.signal[1] == pytest.approx(30 / 26, rel=0.01)


def test_colours_of_a_bayer_pattern_do_not_mix(rng: np.random.Generator) -> None:
    camera = make_camera(rng, egain=1.2, side=512, bayer=True)
    flats = [camera.expose(2.0, 30_000.0) for _ in (1, 2)]
    found = measure_gain(*flats, dark=500.0, read_noise_adu=5.0, bayer=True)
    print(f"gain under a Bayer pattern {found.egain:.4f}, truth 1.2")
    assert found.egain == pytest.approx(1.2, rel=0.02)


def test_dark_current_is_within_two_percent_with_one_percent_of_hot_pixels(rng: np.random.Generator) -> None:
    camera = make_camera(rng)
    rate = np.where(rng.random(camera.dark_rate.shape) < 0.01, 30.0, camera.dark_rate)
    hot = Camera(rng, camera.bias, rate, camera.response, camera.egain, camera.read_noise_e)
    dark = np.mean([hot.expose(600.0) for _ in range(8)], axis=0)
    bias = np.mean([hot.expose(0.0) for _ in range(8)], axis=0)
    found = measure_dark_current(dark, bias=bias, egain=1.5, exposure_s=600.0)
    print(f"dark current {found:.5f} e-/s, truth 0.1")
    assert found == pytest.approx(0.1, rel=0.02)
    assert measure_dark_current(dark, bias=500.0, egain=1.5, exposure_s=600.0) == pytest.approx(0.1, rel=0.02)


def test_the_histogram_counts_every_difference_once() -> None:
    one = np.array([[5, 6, 7], [5, 5, 65535]], np.uint16)
    two = np.array([[5, 7, 5], [5, 6, 0]], np.uint16)
    values, counts = difference_histogram(one, two)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {-1: 2, 0: 2, 2: 1, 65535: 1}


def test_masked_pixels_and_missing_numbers_do_not_count(rng: np.random.Generator) -> None:
    pair = rng.normal(500, 4, (2, 200, 200)).astype(np.float32)
    pair[0, :40] = np.nan
    pair[1, 40:80] += 400
    mask = np.zeros((200, 200), bool)
    mask[40:80] = True
    found = measure_read_noise(pair[0], CCDData(pair[1], unit="adu", mask=mask))
    assert found.adu == pytest.approx(4.0, rel=0.02)
    assert found.left_out >= 80 * 200
    level = rng.normal(1000, 5, (200, 200))
    flats = [rng.poisson(20_000, (200, 200)) + level for _ in (1, 2)]
    flats[0][:50, ::3] = np.nan
    flats[1][100:] = np.nan
    assert measure_gain(*flats, dark=1000.0, read_noise_adu=5.0).egain == pytest.approx(1.0, rel=0.03)


def test_ccddata_and_quantities_are_taken_in_adu_only(rng: np.random.Generator) -> None:
    pair = rng.normal(500, 4, (2, 100, 100))
    plain = measure_read_noise(*pair)
    assert measure_read_noise(*(CCDData(one, unit="adu") for one in pair)) == plain
    assert measure_read_noise(*(Frame(one) for one in pair)) == plain
    with pytest.raises(FrameMismatchError, match="must be in ADU"):
        measure_read_noise(*(one * u.electron for one in pair))
    with pytest.raises(FrameMismatchError, match="must be in ADU"):
        measure_dark_current(pair[0] * u.electron / u.s, bias=0.0, egain=1.0, exposure_s=1.0)


def test_unsigned_integers_do_not_wrap_and_nothing_given_is_changed(rng: np.random.Generator) -> None:
    pair = np.rint(rng.normal(20, 6, (2, 200, 200))).clip(0).astype(np.uint16)
    before = pair.copy()
    one, two = measure_read_noise(*pair), measure_read_noise(*pair.astype(np.float64))
    assert one == two == measure_read_noise(*pair)
    assert difference_histogram(*pair)[0].min() < 0
    np.testing.assert_array_equal(pair, before)


def fails(given: Any, why: str) -> None:
    with pytest.raises(ImagingError, match=why):
        measure_read_noise(*given)


def test_pairs_that_tell_nothing_are_refused(rng: np.random.Generator) -> None:
    bias = rng.normal(500, 4, (60, 60))
    fails((bias, bias), "identical")
    fails((bias, bias[:30]), r"differ: \(60, 60\), \(30, 60\)")
    fails((np.full((60, 60), np.nan), bias), "0 pixels")
    fails((np.ones((3, 60, 60)), np.ones((3, 60, 60))), "two axes")
    flat = rng.poisson(20_000, (60, 60)).astype(np.float64)
    with pytest.raises(ImagingError, match="identical"):
        measure_gain(flat, flat, dark=0.0, read_noise_adu=4.0)
    with pytest.raises(ImagingError, match=r"flat 2 has .* saturated"):
        measure_gain(flat, np.minimum(flat, 20_100), dark=0.0, read_noise_adu=4.0)
    with pytest.raises(FrameMismatchError, match=r"the dark has shape \(3, 3\)"):
        measure_gain(flat, flat, dark=np.zeros((3, 3)), read_noise_adu=4.0)
    with pytest.raises(ImagingError, match="too dark"):
        measure_gain(flat, flat + bias, dark=19_950.0, read_noise_adu=4.0)
    with pytest.raises(ImagingError, match="0 s"):
        measure_dark_current(bias, bias=0.0, egain=1.0, exposure_s=0.0)
    with pytest.raises(ImagingError, match="no pixel"):
        measure_dark_current(np.full((9, 9), np.nan), bias=0.0, egain=1.0, exposure_s=9.0)
    assert dark_current(np.full((9, 9), np.nan), bias_level=0, egain=1, exposure_s=9).electrons_per_s is None

"""What frames tell about the detector."""

from pathlib import Path

import numpy as np
import pytest

from pictor.imaging.calibration.measuring import conversion_gain, dark_current, read_noise, read_noise_adu
from pictor.imaging.errors import FrameMismatchError, ImagingError
from tests.imaging.calibration.camera import make_camera


@pytest.mark.parametrize(("egain", "noise_e"), [(1.5, 6.0), (0.25, 1.6), (1.0, 0.7), (5.0, 4.0)])
def test_read_noise_is_found_within_two_percent(egain: float, noise_e: float, rng: np.random.Generator) -> None:
    camera = make_camera(rng, egain=egain, read_noise_e=noise_e)
    found = read_noise(camera.expose(0.0), camera.expose(0.0), egain=egain)
    print(f"read noise {found:.4f} e-, truth {noise_e} e- (gain {egain} e-/ADU)")
    assert found == pytest.approx(noise_e, rel=0.02)


def test_fixed_pattern_and_hits_do_not_count_as_read_noise(rng: np.random.Generator) -> None:
    pattern = rng.uniform(0, 100, size=(512, 512))
    bias1, bias2 = np.rint(pattern + rng.normal(1000.0, 4.0, size=(2, 512, 512)))
    bias1[rng.random(bias1.shape) < 0.001] += 5000
    assert read_noise(bias1, bias2, egain=1.0) == pytest.approx(4.0, rel=0.02)


@pytest.mark.parametrize("egain", [0.25, 1.5, 5.0])
def test_the_gain_is_found_within_two_percent_under_vignetting(egain: float, rng: np.random.Generator) -> None:
    camera = make_camera(rng, egain=egain, side=512)
    level_e = 30_000 * egain
    flats = camera.expose(2.0, level_e), camera.expose(2.0, 0.8 * level_e)
    dark = camera.bias + camera.dark_rate * 2.0 / egain
    found = conversion_gain(*flats, dark=dark, read_noise=camera.read_noise_e / egain)
    print(f"gain {found:.4f} e-/ADU, truth {egain}")
    assert found == pytest.approx(egain, rel=0.02)


def test_blocks_that_moved_between_the_flats_do_not_count(rng: np.random.Generator) -> None:
    camera = make_camera(rng, egain=1.5)
    one, two = camera.expose(2.0, 45_000.0), camera.expose(2.0, 45_000.0)
    two[::2, 64:160] += 1500
    found = conversion_gain(one, two, dark=camera.bias, read_noise=4.0)
    print(f"gain {found:.4f} e-/ADU with 36 of 144 blocks spoilt, truth 1.5")
    assert found == pytest.approx(1.5, rel=0.02)


def test_a_dark_flat_tells_no_gain(rng: np.random.Generator) -> None:
    camera = make_camera(rng)
    with pytest.raises(ImagingError, match="too dark"):
        conversion_gain(camera.expose(1.0, 20.0), camera.expose(1.0, 20.0), dark=500.0, read_noise=4.0)


def test_dark_current_and_hot_pixels_are_counted(rng: np.random.Generator) -> None:
    camera = make_camera(rng)
    dark = np.mean([camera.expose(300.0) for _ in range(8)], axis=0)
    found = dark_current(dark, bias_level=500.0, egain=1.5, exposure_s=300.0)
    hot = int((camera.dark_rate > 5).sum())
    print(f"dark current {found.electrons_per_s:.4f} e-/s (truth 0.1), hot pixels {found.hot_pixels} (made {hot})")
    assert found.electrons_per_s == pytest.approx(0.1, rel=0.03)
    assert hot <= found.hot_pixels <= hot + 0.001 * dark.size
    assert dark_current(dark, bias_level=None, egain=1.5, exposure_s=300.0).electrons_per_s is None


def test_a_pair_must_have_one_shape() -> None:
    with pytest.raises(FrameMismatchError):
        read_noise_adu(np.zeros((4, 4)), np.zeros((4, 5)))


def test_identical_frames_have_no_read_noise(tmp_path: Path, rng: np.random.Generator) -> None:
    bias = rng.normal(1000, 5, (50, 50))
    assert read_noise_adu(bias, bias) == 0.0


def test_missing_numbers_do_not_count_and_nothing_given_is_changed(rng: np.random.Generator) -> None:
    camera = make_camera(rng)
    pair = [camera.expose(0.0).astype(np.float64) for _ in (1, 2)]
    flats = [camera.expose(2.0, 40_000.0).astype(np.float64) for _ in (1, 2)]
    for frame in (pair[0], flats[1]):
        frame[:60] = np.nan
        frame[rng.random(frame.shape) < 0.1] = np.nan
    before = [frame.copy() for frame in (*pair, *flats)]
    assert read_noise_adu(*pair) == pytest.approx(4.0, rel=0.02)
    assert conversion_gain(*flats, dark=500.0, read_noise=4.0) == pytest.approx(1.5, rel=0.03)
    for frame, kept in zip((*pair, *flats), before, strict=True):
        np.testing.assert_array_equal(frame, kept)


def test_unsigned_pairs_do_not_wrap_and_give_the_same_again(rng: np.random.Generator) -> None:
    camera = make_camera(rng)
    pair, flats = [camera.expose(0.0) for _ in (1, 2)], [camera.expose(2.0, 40_000.0) for _ in (1, 2)]
    assert read_noise_adu(*pair) == read_noise_adu(*(frame.astype(np.float64) for frame in pair))
    one, two = (conversion_gain(*flats, dark=600.0, read_noise=4.0) for _ in (1, 2))
    assert one == two == conversion_gain(*(frame.astype(np.float64) for frame in flats), dark=600.0, read_noise=4.0)

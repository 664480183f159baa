import numpy as np
import pytest

from pictor.imaging.simulator.calibration import render_bias, render_dark, render_flat
from pictor.imaging.simulator.camera import Camera, detector, read_out
from pictor.imaging.simulator.events import add_cosmic_rays, clouds
from pictor.imaging.simulator.optics import Rig, illumination

CAMERA = Camera(nx=1164, ny=880, pixel_um=7.6)


def pair_variance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.var(first.astype(np.float64) - second)) / 2


@pytest.mark.parametrize("level_e", [3.0, 25.0, 40.0, 500.0, 20_000.0])
def test_photon_transfer_gives_gain_and_read_noise_within_two_percent(level_e: float) -> None:
    light = np.full(CAMERA.shape, level_e, dtype=np.float32)
    clean = ~detector(CAMERA).hot
    first, second = (read_out(CAMERA, light, exposure_s=0.0, temperature_c=-10.0, seed=seed)[clean] for seed in (1, 2))
    bias1, bias2 = (render_bias(CAMERA, temperature_c=-10.0, seed=seed)[clean] for seed in (3, 4))
    rounding = 1 / 12
    read_noise_e = np.sqrt(pair_variance(bias1, bias2) - rounding) * CAMERA.egain
    signal = (first.mean() + second.mean() - bias1.mean() - bias2.mean()) / 2
    egain = signal / (pair_variance(first, second) - pair_variance(bias1, bias2))
    print(f"{level_e:7.0f} e-: egain {egain:.4f} (true {CAMERA.egain}), read noise {read_noise_e:.3f} e-")
    assert read_noise_e == pytest.approx(CAMERA.read_noise, rel=0.02)
    assert egain == pytest.approx(CAMERA.egain, rel=0.02)


@pytest.mark.parametrize("mean", [0.2, 2.0, 12.0, 31.0])
def test_few_electrons_follow_the_poisson_distribution(mean: float) -> None:
    silent = Camera(nx=600, ny=500, egain=1.0, pedestal=100.0, read_noise=0.0, dark_current=0.0, hot_fraction=0, prnu=0)
    light = np.full(silent.shape, mean, dtype=np.float32)
    raw = read_out(silent, light, exposure_s=0.0, temperature_c=0.0, seed=5).astype(np.float64)
    counts = raw - np.rint(detector(silent).bias)
    good = detector(silent).sensitivity > 0.9
    assert counts[good].mean() == pytest.approx(mean, abs=5 * np.sqrt(mean / counts.size) + 0.02)
    assert counts[good].var() == pytest.approx(mean, rel=0.03)


def test_dark_current_doubles_every_six_degrees() -> None:
    levels = []
    for seed, temperature_c in ((1, 2.0), (2, 8.0)):
        raw = render_dark(CAMERA, exposure_s=600.0, temperature_c=temperature_c, seed=seed)
        levels.append(np.median((raw - detector(CAMERA).bias)[~detector(CAMERA).hot]))
    print(f"dark level {levels[0]:.1f} and {levels[1]:.1f} ADU: ratio {levels[1] / levels[0]:.3f}")
    assert levels[1] / levels[0] == pytest.approx(2.0, rel=0.02)


def test_more_pixels_are_hot_when_warm_and_after_long_exposures() -> None:
    counts = [
        np.count_nonzero(render_dark(CAMERA, exposure_s=exposure, temperature_c=temperature, seed=3) > 700)
        for exposure, temperature in ((2.0, -10.0), (60.0, -10.0), (60.0, 5.0))
    ]
    assert counts[0] < counts[1] < counts[2]


def test_the_bias_keeps_its_columns_from_frame_to_frame() -> None:
    first, second = (render_bias(CAMERA, temperature_c=-10.0, seed=seed).mean(axis=0) for seed in (1, 2))
    assert np.corrcoef(first, second)[0, 1] > 0.95


def test_a_full_pixel_reads_the_saturation_value() -> None:
    light = np.full(CAMERA.shape, 1e6, dtype=np.float32)
    raw = read_out(CAMERA, light, exposure_s=1.0, temperature_c=-10.0, seed=1)
    assert raw.min() == raw.max() == CAMERA.saturation_adu == 65535


def test_same_seed_same_pixels_and_another_seed_others() -> None:
    first, same, other = (render_bias(CAMERA, temperature_c=-10.0, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_flats_show_vignetting_and_dust_that_moves_with_the_filter() -> None:
    rig = Rig(camera=CAMERA)
    flats = {
        name: render_flat(rig, name, exposure_s=2.0, temperature_c=-10.0, seed=1) - detector(CAMERA).bias
        for name in ("L", "R")
    }
    ratio = flats["L"] / flats["R"] * (np.median(flats["R"]) / np.median(flats["L"]))
    expected = illumination(rig, "L") / illumination(rig, "R")
    assert expected.min() < 0.97
    assert expected.max() > 1.03
    good = detector(CAMERA).sensitivity > 0.9
    assert np.std((ratio / expected)[good]) < 0.02
    assert flats["L"][:40, :40].mean() < 0.93 * flats["L"][400:440, 560:600].mean()


def test_cosmic_rays_are_where_they_are_said_to_be() -> None:
    image = np.zeros(CAMERA.shape, dtype=np.float32)
    hit = add_cosmic_rays(image, 600.0, seed=2)
    assert len(hit) > 10
    assert np.array_equal(np.argwhere(image > 0), hit)


def test_clouds_let_the_stated_share_pass_and_are_patchy() -> None:
    passes = clouds((440, 582), 0.3, 0.4, seed=3)
    assert np.median(passes) == pytest.approx(0.3, rel=0.02)
    assert passes.std() > 0.05
    assert passes.max() <= 1.0

"""From individual frames to a calibrated light, against known truth."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration.building import Built, Recipe, build
from pictor.imaging.calibration.calibrating import apply_masters, calibrate
from pictor.imaging.calibration.detector import detector_facts
from pictor.imaging.calibration.masters import Kind, Master
from pictor.imaging.errors import FrameMismatchError, ImagingError
from tests.imaging.calibration.camera import Camera, make_camera

SKY_E, EXPOSURE_S = 400.0, 60.0


def master(built: Built, **cards: object) -> Master:
    combined = built.combined
    return Master(combined.sci, built.err, combined.mask, combined.nused, fits.Header(cards))


def recipe(kind: Kind, camera: Camera) -> Recipe:
    return Recipe(kind, egain=camera.egain, read_noise_e=camera.read_noise_e, bias_level=500.0, saturation=65535)


def masters(camera: Camera, folder: Path, *, flats: int = 15, level_e: float = 45_000.0) -> tuple[Master, Master]:
    """A dark of the light's exposure and a flat with its own flat-dark."""
    darks = camera.write(folder, "dark", [camera.expose(EXPOSURE_S) for _ in range(12)])
    shorts = camera.write(folder, "short", [camera.expose(2.0) for _ in range(12)])
    lit = [camera.expose(2.0, level_e * f) for f in camera.rng.uniform(0.8, 1.2, flats)]
    dark = build(darks, recipe(Kind.DARK, camera))
    short = build(shorts, recipe(Kind.FLAT_DARK, camera))
    flat = build(
        camera.write(folder, "flat", lit), recipe(Kind.FLAT, camera), dark=short.combined.sci, dark_err=short.err
    )
    return master(dark, DARKBIAS=True, BIASLVL=500.0), master(flat)


def truth_of(camera: Camera, scene: NDArray[np.float64] | float = SKY_E) -> NDArray[np.float64]:
    """What a perfect detector of the flat's mean response would show, in ADU."""
    quarter = camera.response.shape[0] // 4
    centre = camera.response[quarter:-quarter, quarter:-quarter].mean()
    return np.broadcast_to(np.asarray(scene) * centre / camera.egain, camera.response.shape)


def test_the_noise_of_a_calibrated_light_closes(rng: np.random.Generator, tmp_path: Path) -> None:
    camera = make_camera(rng)
    dark, flat = masters(camera, tmp_path)
    pulls, offsets = [], []
    for _ in range(6):
        done = calibrate(
            camera.expose(EXPOSURE_S, SKY_E), egain=camera.egain, read_noise_e=camera.read_noise_e, dark=dark, flat=flat
        )
        residual = done.sci - truth_of(camera)
        pulls.append((residual / done.err)[done.mask == 0])
        offsets.append(float(np.median(residual[done.mask == 0])) * camera.egain)
    std, median = float(np.concatenate(pulls).std()), float(np.mean(offsets))
    print(f"pulls std {std:.4f}, median residual {median:+.3f} e-")
    assert 0.97 < std < 1.03
    assert abs(median) < 0.3


def test_the_master_flat_is_flat_to_0_3_percent(rng: np.random.Generator, tmp_path: Path) -> None:
    camera = make_camera(rng)
    _, flat = masters(camera, tmp_path)
    ratio = flat.sci / camera.response
    ratio /= np.median(ratio)
    blocks = ratio.reshape(6, 64, 6, 64).mean(axis=(1, 3))
    worst = float(np.abs(blocks - 1).max())
    print(f"largest error of 64 x 64 blocks of the flat {100 * worst:.3f} %")
    assert worst < 0.003


def test_a_bayer_flat_keeps_the_colours_apart(rng: np.random.Generator, tmp_path: Path) -> None:
    camera = make_camera(rng, bayer=True)
    short = camera.write(tmp_path, "short", [camera.expose(2.0) for _ in range(5)])
    below = build(short, recipe(Kind.FLAT_DARK, camera)).combined.sci
    lit = camera.write(tmp_path, "flat", [camera.expose(2.0, 45_000.0) for _ in range(10)])
    order = Recipe(Kind.FLAT, egain=1.5, read_noise_e=6.0, bayer=True)
    built = build(lit, order, dark=below)
    made = built.combined.sci
    gain = detector_facts(lit, built, order, dark=below).egain
    print(f"gain from a Bayer flat {gain:.4f} e-/ADU, truth 1.5")
    assert gain == pytest.approx(1.5, rel=0.02)
    for y in (0, 1):
        for x in (0, 1):
            ratio = made[y::2, x::2] / camera.response[y::2, x::2]
            blocks = (ratio / np.median(ratio)).reshape(6, 32, 6, 32).mean(axis=(1, 3))
            assert abs(float(made[y::2, x::2][48:144, 48:144].mean()) - 1) < 0.002
            assert float(np.abs(blocks - 1).max()) < 0.003


def test_bad_pixels_are_repaired_from_their_own_colour(rng: np.random.Generator) -> None:
    colours = np.tile([[100.0, 200.0], [200.0, 400.0]], (20, 20))
    light = rng.normal(colours, 1.0)
    bad = np.zeros(light.shape, np.uint8)
    bad[11, 11], bad[20, :] = 1, 1
    light[bad != 0] = 60_000
    done = calibrate(light, egain=1.0, read_noise_e=1.0, bad_pixels=bad, bayer=True)
    worst = float(np.abs(done.sci - colours)[bad != 0].max())
    print(f"largest error of {done.repaired} repaired pixels {worst:.2f} ADU (noise 1 ADU)")
    assert (done.repaired, done.left) == (int(bad.sum()), 0)
    assert worst < 3.0
    assert (done.mask[bad != 0] == 1).all()
    assert np.isfinite(done.err).all()


def test_a_pixel_without_good_neighbours_is_left_and_counted() -> None:
    bad = np.ones((16, 16), np.uint8)
    done = calibrate(np.full((16, 16), 9.0), egain=1.0, read_noise_e=1.0, bad_pixels=bad)
    assert (done.repaired, done.left) == (0, 256)


def plain(value: float, shape: tuple[int, int] = (32, 32), **cards: object) -> Master:
    return Master(
        np.full(shape, value, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.uint8),
        np.ones(shape, np.uint8), fits.Header(cards),
    )  # fmt: skip


def test_unsigned_lights_do_not_wrap_and_stay_untouched() -> None:
    light = np.full((32, 32), 490, np.uint16)
    done = calibrate(light, egain=1.0, read_noise_e=1.0, dark=plain(500, DARKBIAS=True))
    assert (done.sci == -10).all()
    assert (light == 490).all()
    assert (apply_masters(light, plain(500).sci) == -10).all()


def test_a_scaled_dark_needs_a_bias_and_scales_only_the_dark_current() -> None:
    light, bias, dark = np.full((32, 32), 700.0), plain(500), plain(600, DARKBIAS=True)
    with pytest.raises(ImagingError, match="master bias is needed") as caught:
        calibrate(light, egain=1.0, read_noise_e=1.0, dark=dark, dark_scale=2.0)
    assert caught.value.reason == "no-matching-bias"
    done = calibrate(light, egain=1.0, read_noise_e=1.0, bias=bias, dark=dark, dark_scale=2.0)
    assert done.sci == pytest.approx(0.0)
    without = calibrate(light, egain=1.0, read_noise_e=1.0, bias=bias, dark=plain(100, DARKBIAS=False), dark_scale=2.0)
    assert without.sci == pytest.approx(0.0)


def test_the_bias_is_never_subtracted_twice() -> None:
    light = np.full((32, 32), 700.0)
    done = calibrate(light, egain=1.0, read_noise_e=1.0, bias=plain(500), dark=plain(600, DARKBIAS=True))
    assert done.sci == pytest.approx(100.0)


def test_a_dark_that_contradicts_its_header_is_refused() -> None:
    with pytest.raises(ImagingError, match="says DARKBIAS = F"):
        calibrate(
            np.full((32, 32), 700.0), egain=1.0, read_noise_e=1.0, bias=plain(500), dark=plain(510, DARKBIAS=False)
        )


def test_masters_of_another_shape_are_refused() -> None:
    with pytest.raises(FrameMismatchError, match=r"\(32, 32\).*\(16, 16\)"):
        calibrate(np.zeros((32, 32)), egain=1.0, read_noise_e=1.0, dark=plain(0, (16, 16)))
    with pytest.raises(FrameMismatchError):
        apply_masters(np.zeros((32, 32)), plain(0, (16, 16)).sci)


def test_masks_of_light_and_masters_are_carried() -> None:
    dark, flat = plain(500, DARKBIAS=True), plain(1.0)
    dark.mask[1, 1], flat.mask[2, 2] = 1, 4
    light = np.full((32, 32), 600.0)
    light[3, 3] = 65535
    light[4, 4] = np.nan
    done = calibrate(light, egain=1.0, read_noise_e=1.0, dark=dark, flat=flat, saturation=65535)
    assert [int(done.mask[i, i]) for i in range(6)] == [0, 1, 4, 2, 16, 0]
    assert done.calstat == "BDF"


def test_the_quick_form_equals_the_full_one(rng: np.random.Generator) -> None:
    light = rng.integers(400, 5000, (64, 64)).astype(np.uint16)
    dark, flat = plain(500, (64, 64), DARKBIAS=True), plain(1.0, (64, 64))
    flat.sci[:] = rng.uniform(0.5, 1.5, (64, 64))
    flat.sci[0, 0] = 0.05
    full = calibrate(light, egain=1.0, read_noise_e=1.0, dark=dark, flat=flat)
    np.testing.assert_allclose(apply_masters(light, dark.sci, flat.sci), full.sci, rtol=1e-6)
    np.testing.assert_allclose(apply_masters(light.astype(float), dark.sci, flat.sci), full.sci, rtol=1e-6)

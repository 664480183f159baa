"""Lights calibrated in memory, against truth and against ccdproc."""

import ccdproc
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty

from pictor.imaging.calibration.calibrating import calibrate
from pictor.imaging.calibration.frames import calibrate_frame
from pictor.imaging.calibration.masters import Master
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, HIT, NO_DATA, SATURATED, Frame
from tests.imaging.calibration.camera import Camera, make_camera

SHAPE = (64, 80)
SKY_E, EXPOSURE_S = 600.0, 60.0


def mean_of(camera: Camera, count: int, exposure_s: float, light_e: float = 0.0) -> Frame:
    """A master as anybody makes one: the mean of exposures, with the error of that mean."""
    stack = np.stack([camera.expose(exposure_s, light_e) for _ in range(count)]).astype(np.float64)
    return Frame(stack.mean(axis=0), stack.std(axis=0, ddof=1) / np.sqrt(count))


def test_the_noise_of_a_light_calibrated_in_memory_closes(rng: np.random.Generator) -> None:
    camera = make_camera(rng, side=256)
    dark = mean_of(camera, 20, EXPOSURE_S)
    dark = Frame(dark.data, dark.err, header=fits.Header({"CALSTAT": "M", "BIASLVL": 500.0}))
    flat, short = mean_of(camera, 20, 2.0, 40_000.0), mean_of(camera, 20, 2.0)
    level = float(np.median(flat.data - short.data))
    relative = Frame((flat.data - short.data) / level, np.hypot(flat.err, short.err) / level, unit="")
    truth = SKY_E / camera.egain * float(np.median(camera.response))
    pulls = []
    for _ in range(4):
        light = Frame(camera.expose(EXPOSURE_S, SKY_E), header=fits.Header({"EGAIN": 1.5, "GAIN": 100}))
        done = calibrate_frame(light, dark=dark, flat=relative, read_noise_e=camera.read_noise_e)
        cool = (camera.dark_rate < 1.0) & (done.mask == 0)
        pulls.append(((done.data - truth) / done.err)[cool])
    std = float(np.concatenate(pulls).std())
    print(f"pulls of lights calibrated in memory: std {std:.4f}")
    assert 0.97 < std < 1.03


@pytest.mark.parametrize(("step", "unit"), [(16, 1.0), (4, 1.0), (1, 1 / 65535), (16, 1 / 65535)])
def test_the_noise_closes_for_few_bits_and_for_values_brought_to_one(
    step: int, unit: float, rng: np.random.Generator
) -> None:
    truth, egain, noise_e, bias = 60.0, 5.0, 0.6 * step * 5.0, 512.0
    electrons = rng.poisson(truth * egain, (300, 300)) + rng.normal(0, noise_e, (300, 300))
    light = np.rint((electrons / egain + bias) / step) * step
    light[0, 0] = np.nan if unit == 1.0 else 65535.0
    below = np.full((300, 300), bias * unit, np.float32)
    done = calibrate_frame((light * unit).astype(np.float32), bias=below, egain=egain, read_noise_e=noise_e)
    assert done.err is not None
    scatter = float(np.std(done.data.ravel()[1:], dtype=np.float64))
    told = float(np.sqrt(np.mean(np.square(done.err.ravel()[1:], dtype=np.float64))))
    print(f"steps of {step}, ADU of {unit:.3g}: scatter {scatter / told:.3f} of the error")
    assert scatter == pytest.approx(told, rel=0.02)
    assert float(np.mean(done.data.ravel()[1:])) == pytest.approx(truth * unit, rel=0.01)


@pytest.mark.parametrize(("place", "bit"), [("bias", 16), ("dark", 16), ("flat", 4)])
def test_pixels_of_masters_that_are_no_numbers_are_marked_and_change_no_other(place: str, bit: int) -> None:
    light = np.full((64, 64), 1200, np.uint16)
    masters = {"bias": 500.0, "dark": 700.0, "flat": 20_000.0}
    planes = {name: Frame(np.full((64, 64), level, np.float32)) for name, level in masters.items()}
    planes["dark"].header["DARKBIAS"] = True
    whole = calibrate_frame(light, egain=1.5, read_noise_e=3.0, **planes)
    planes[place].data[0, 0] = np.nan
    holed = calibrate_frame(light, egain=1.5, read_noise_e=3.0, **planes)
    assert whole.mask is not None
    assert holed.mask is not None
    assert holed.mask[0, 0] == (0 if place == "bias" else bit)
    for one, other in ((holed.data, whole.data), (holed.err, whole.err), (holed.mask, whole.mask)):
        np.testing.assert_array_equal(np.ravel(one)[1:], np.ravel(other)[1:])


@pytest.mark.parametrize("level", [0.0, -3.0])
def test_a_flat_without_light_divides_nothing(level: float) -> None:
    with pytest.raises(ImagingError, match="holds no light"):
        calibrate_frame(np.full((8, 8), 700, np.uint16), flat=np.full((8, 8), level), egain=1.0, read_noise_e=3.0)


@pytest.mark.parametrize("held", [True, False])
def test_pixels_and_errors_are_those_of_ccdproc(rng: np.random.Generator, *, held: bool) -> None:
    bias = CCDData(rng.normal(500, 1, SHAPE), unit="adu", uncertainty=StdDevUncertainty(np.full(SHAPE, 0.3)))
    current = CCDData(rng.normal(20, 1, SHAPE), unit="adu", uncertainty=StdDevUncertainty(np.full(SHAPE, 0.4)))
    flat = CCDData(rng.uniform(0.8, 1.2, SHAPE), unit="adu", uncertainty=StdDevUncertainty(np.full(SHAPE, 0.002)))
    light = CCDData(rng.integers(600, 5000, SHAPE).astype(float), unit="adu")
    light = ccdproc.create_deviation(light, gain=1.5 * u.electron / u.adu, readnoise=6 * u.electron)
    light.uncertainty.array = light.uncertainty.array.copy()
    dark = bias.add(current) if held else current
    dark.header = {"CALSTAT": "M" if held else "BM"}
    theirs = light if held else ccdproc.subtract_bias(light, bias)
    theirs = ccdproc.subtract_dark(
        theirs, dark, dark_exposure=60 * u.s, data_exposure=60 * u.s, scale=False
    )  # fmt: skip
    theirs = ccdproc.flat_correct(theirs, flat, norm_value=1.0)
    ours = calibrate_frame(light, bias=bias, dark=dark, flat=flat, egain=1.5)
    off = np.abs(ours.data - theirs.data) / np.abs(light.data)
    print(f"largest difference from ccdproc {off.max():.1e} of the light, of errors "
          f"{np.abs(ours.err / theirs.uncertainty.array - 1).max():.1e}")  # fmt: skip
    assert off.max() < 3e-7
    np.testing.assert_allclose(ours.err, theirs.uncertainty.array, rtol=1e-5)
    assert (ours.header["CALSTAT"], ours.unit) == ("BDF", "adu")


def test_a_frame_is_calibrated_as_an_array_is(rng: np.random.Generator) -> None:
    light = rng.integers(500, 5000, SHAPE).astype(np.uint16)
    planes = [np.full(SHAPE, v, np.float32) for v in (500.0, 0.5)]
    flat = rng.uniform(0.8, 1.2, SHAPE).astype(np.float32)
    bad = np.zeros(SHAPE, np.uint8)
    bad[5, 5] = 1
    none = np.zeros(SHAPE, np.uint8)
    masters = [Master(planes[0], planes[1], none, none, fits.Header({"DARKBIAS": True})),
               Master(flat, planes[1] * 0.01, none, none, fits.Header())]  # fmt: skip
    told = {"egain": 1.5, "read_noise_e": 6.0, "bias_level": 490.0, "saturation": 4900.0, "bayer": True}
    arrays = calibrate(light, dark=masters[0], flat=masters[1], bad_pixels=bad, **told)
    dark = Frame(planes[0], planes[1], none, fits.Header({"DARKBIAS": True}))
    done = calibrate_frame(
        light, dark=dark, flat=Frame(flat, planes[1] * 0.01, none, unit=""), bad_pixels=bad != 0, **told
    )
    np.testing.assert_array_equal(done.data, arrays.sci)
    np.testing.assert_array_equal(done.err, arrays.err)
    np.testing.assert_array_equal(done.mask, arrays.mask)
    assert (done.header["BPIXNFIX"], done.header["DARKCORR"], done.header["FLATCORR"]) == (1, True, True)


def test_electrons_are_calibrated_with_electrons_only() -> None:
    light = CCDData(np.full(SHAPE, 700.0), unit="electron")
    with pytest.raises(ImagingError, match="the light is in electron, the master bias in adu") as caught:
        calibrate_frame(light, bias=np.full(SHAPE, 500.0))
    assert caught.value.reason == "unit-mismatch"
    done = calibrate_frame(light, bias=CCDData(np.full(SHAPE, 500.0), unit="electron"), read_noise_e=5.0)
    assert (done.unit, done.data[0, 0], done.header["CALEGAIN"], done.header["BUNIT"]) == (
        "electron",
        200.0,
        1.0,
        "electron",
    )
    assert done.err[0, 0] == pytest.approx(np.sqrt(200 + 25 + 1 / 12))


@pytest.mark.parametrize(("calstat", "dark_level", "wanted"), [("M", 600.0, 100.0), ("BM", 100.0, 100.0)])
def test_calstat_tells_whether_a_dark_holds_its_bias(calstat: str, dark_level: float, wanted: float) -> None:
    dark = Frame(np.full(SHAPE, dark_level), header=fits.Header({"CALSTAT": calstat}))
    done = calibrate_frame(np.full(SHAPE, 700.0), bias=np.full(SHAPE, 500.0), dark=dark)
    assert (done.data == wanted).all()


@pytest.mark.parametrize(("calstat", "dark_level"), [("M", 100.0), ("BM", 600.0)])
def test_a_dark_whose_values_contradict_its_calstat_is_refused(calstat: str, dark_level: float) -> None:
    dark = Frame(np.full(SHAPE, dark_level), header=fits.Header({"CALSTAT": calstat}))
    with pytest.raises(ImagingError, match=f"says CALSTAT = '{calstat}', but its level is {dark_level:.1f} ADU"):
        calibrate_frame(np.full(SHAPE, 700.0), bias=np.full(SHAPE, 500.0), dark=dark)


def test_a_light_that_came_calibrated_is_refused() -> None:
    light = Frame(np.full(SHAPE, 700.0), header=fits.Header({"CALSTAT": "BD"}))
    with pytest.raises(ImagingError, match="came calibrated already"):
        calibrate_frame(light, bias=np.full(SHAPE, 500.0))


def test_the_gain_setting_is_never_the_gain() -> None:
    light = Frame(np.full(SHAPE, 700.0), header=fits.Header({"GAIN": 100}))
    done = calibrate_frame(light, bias=np.full(SHAPE, 500.0))
    assert (done.header["CALEGAIN"], done.header["CALGAINA"]) == (1.0, True)


def test_mask_and_holes_of_a_light_are_carried_and_its_bad_pixels_repaired() -> None:
    pixels, mask = np.full(SHAPE, 700.0), np.zeros(SHAPE, np.uint8)
    pixels[1, 1], pixels[2, 2], pixels[3, 3] = 9e4, 9e4, np.nan
    mask[1, 1], mask[2, 2], mask[4, 4], mask[5, 5] = BAD, HIT, SATURATED, NO_DATA
    before = pixels.copy()
    done = calibrate_frame(Frame(pixels, mask=mask), bias=np.full(SHAPE, 500.0))
    assert [int(done.mask[i, i]) for i in range(6)] == [0, BAD, HIT, NO_DATA, SATURATED, NO_DATA]
    assert done.data[1, 1] == done.data[2, 2] == 200
    assert np.isnan(done.data[3, 3])
    np.testing.assert_array_equal(pixels, before)


def test_unsigned_lights_do_not_wrap_and_shapes_must_fit() -> None:
    assert (calibrate_frame(np.full(SHAPE, 490, np.uint16), bias=np.full(SHAPE, 500, np.uint16)).data == -10).all()
    with pytest.raises(FrameMismatchError, match=r"\(64, 80\).*\(3, 3\)"):
        calibrate_frame(np.ones(SHAPE), bias=np.ones((3, 3)))
    with pytest.raises(FrameMismatchError, match="two axes"):
        calibrate_frame(np.ones((3, *SHAPE)), bias=np.ones(SHAPE))


def test_a_dark_of_another_exposure_is_scaled_with_a_bias_only() -> None:
    dark = Frame(np.full(SHAPE, 600.0), header=fits.Header({"CALSTAT": "M"}))
    with pytest.raises(ImagingError, match="a master bias is needed"):
        calibrate_frame(np.full(SHAPE, 700.0), dark=dark, dark_scale=2.0)
    done = calibrate_frame(np.full(SHAPE, 700.0), dark=dark, bias=np.full(SHAPE, 500.0), dark_scale=2.0)
    assert (done.data == 0).all()
    assert done.header["DARKSCAL"] == 2.0


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_pedestal_is_taken_off_whichever_sign_it_is_written_with(sign: int) -> None:
    light = Frame(np.full(SHAPE, 800, np.uint16), header=fits.Header({"PEDESTAL": 100 * sign}))
    bias = Frame(np.full(SHAPE, 550.0), header=fits.Header({"PEDESTAL": 50 * sign}))
    done = calibrate_frame(light, bias=bias, saturation=800)
    assert (done.data == 200).all()
    assert (done.mask == SATURATED).all()
    assert (done.header["PEDESTAL"], light.header["PEDESTAL"]) == (0, 100 * sign)

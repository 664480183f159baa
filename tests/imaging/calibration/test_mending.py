"""Frames whose bad pixels are repaired and whose cosmic rays are found, against truth and astroscrappy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astroscrappy import detect_cosmics
from scipy import ndimage

from pictor.imaging.calibration.cosmics import Limits
from pictor.imaging.calibration.mending import clean_cosmics, repair_frame
from pictor.imaging.calibration.noise import noise_of
from pictor.imaging.errors import FrameMismatchError, ImagingError
from pictor.imaging.frame import BAD, HIT, NO_DATA, SATURATED, Frame
from tests.imaging.calibration.test_cosmics import CORE_PX, EGAIN, READ_NOISE_E, SHAPE, SKY_ADU, field, near, with_hits


def plainly_repaired(data: np.ndarray, good: np.ndarray, *, radius: int, step: int) -> np.ndarray:
    """The definition, pixel by pixel."""
    out = data.astype(np.float64)
    for y, x in np.argwhere(~good):
        rows = [y + step * k for k in range(-radius, radius + 1) if 0 <= y + step * k < data.shape[0]]
        columns = [x + step * k for k in range(-radius, radius + 1) if 0 <= x + step * k < data.shape[1]]
        near_by = data[np.ix_(rows, columns)][good[np.ix_(rows, columns)]]
        if near_by.size >= 4:
            out[y, x] = np.median(near_by)
    return out


@pytest.mark.parametrize("bayer", [False, True])
@pytest.mark.parametrize("radius", [1, 2, 4])
def test_pixels_are_the_median_of_good_neighbours_of_their_colour(
    rng: np.random.Generator, radius: int, *, bayer: bool
) -> None:
    data = rng.normal(1000, 30, (60, 71))
    bad = rng.random(data.shape) < 0.08
    bad[:, 30] = bad[0, 0] = bad[-1, -1] = True
    done = repair_frame(data, bad, radius=radius, bayer=bayer)
    wanted = plainly_repaired(data, ~bad, radius=radius, step=2 if bayer else 1)
    np.testing.assert_allclose(done.data, wanted, rtol=1e-12)
    header = done.header
    assert header["BPIXNBAD"] == bad.sum() == header["BPIXNFIX"] + header["BPIXNREM"]
    assert (header["BPIXCORR"], header["BPIXDPIX"], header["BPIX_MIN"]) == (True, radius, 4)


def test_a_pixel_with_too_few_good_neighbours_is_left_and_counted() -> None:
    data, bad = np.arange(400, dtype=np.uint16).reshape(20, 20), np.zeros((20, 20), np.uint8)
    bad[4:11, 4:11] = 1
    done = repair_frame(data, bad, radius=2)
    assert done.data[7, 7] == data[7, 7]
    assert done.header["BPIXNREM"] == 9
    assert done.mask[7, 7] == BAD


def test_errors_and_masks_are_carried_and_the_input_stays(rng: np.random.Generator) -> None:
    data = rng.normal(1000, 30, (40, 40)).astype(np.float32)
    mask = np.zeros(data.shape, np.uint8)
    mask[5, 5], mask[6, 6], mask[20, 20] = HIT, NO_DATA, SATURATED
    data[20, 21] = np.nan
    frame = Frame(
        data.copy(), np.full(data.shape, 30, np.float32), mask.copy(), fits.Header({"OBJECT": "M 1"}), "electron"
    )
    bad = np.zeros(data.shape, bool)
    bad[20, 22] = True
    done = repair_frame(frame, bad)
    assert (done.header["BPIXNBAD"], done.mask[20, 22], done.mask[5, 5], done.mask[20, 20]) == (2, BAD, HIT, SATURATED)
    assert done.err[20, 22] == pytest.approx(30, rel=0.5)
    assert done.err[0, 0] == 30
    assert (done.unit, done.header["OBJECT"]) == ("electron", "M 1")
    np.testing.assert_array_equal(frame.data, data)
    np.testing.assert_array_equal(frame.mask, mask)
    assert "BPIXCORR" not in frame.header
    again = repair_frame(frame, bad)
    np.testing.assert_array_equal(again.data, done.data)


def test_every_plane_of_a_colour_frame_is_repaired() -> None:
    planes = np.stack([np.full((16, 16), v, np.uint16) for v in (10, 20, 30)])
    planes[:, 8, 8] = 60_000
    bad = np.zeros((16, 16), np.uint8)
    bad[8, 8] = 7
    done = repair_frame(planes, bad)
    assert [float(v) for v in done.data[:, 8, 8]] == [10.0, 20.0, 30.0]
    assert planes[0, 8, 8] == 60_000


def test_a_frame_without_a_map_is_repaired_by_its_own_mask() -> None:
    mask = np.zeros((16, 16), bool)
    mask[3, 3] = True
    ccd = CCDData(np.where(mask, 9e4, 100.0), unit="adu", mask=mask)
    assert repair_frame(ccd).data[3, 3] == 100
    clean = repair_frame(np.ones((16, 16)))
    assert (clean.mask, clean.header["BPIXNBAD"]) == (None, 0)


def test_wrong_maps_and_radii_are_refused() -> None:
    with pytest.raises(FrameMismatchError, match=r"\(16, 16\).*\(3, 3\)"):
        repair_frame(np.ones((16, 16)), np.ones((3, 3), np.uint8))
    for radius in (0, 11):
        with pytest.raises(ImagingError, match="1 to 10"):
            repair_frame(np.ones((16, 16)), radius=radius)


def hits_of(frame: Frame) -> np.ndarray:
    return np.zeros(frame.shape, bool) if frame.mask is None else (frame.mask & HIT) != 0


@pytest.mark.parametrize("known", ["error plane", "gain and read noise", "gain", "nothing"])
def test_hits_are_found_whatever_is_known_of_the_noise(rng: np.random.Generator, known: str) -> None:
    scene, stars = field(rng, 2.5)
    light, hit = with_hits(rng, scene)
    light += 500
    err = np.sqrt((light - 500).clip(0) / EGAIN + (READ_NOISE_E / EGAIN) ** 2)
    frame = Frame(light.astype(np.uint16), err if known == "error plane" else None)
    said = {"gain and read noise": (EGAIN, READ_NOISE_E), "gain": (EGAIN, None)}.get(known, (None, None))
    done = clean_cosmics(frame, egain=said[0], read_noise_e=said[1])
    found, away = hits_of(done), hit & ~near(stars, 7.5)
    false = found & ~near(np.argwhere(hit).astype(float), 1.5)
    print(
        f"{known} ({done.header['CR_NOISE']}): recall {100 * found[away].mean():.1f} % of {away.sum()} pixels, "
        f"{false.sum()} false of {found.size}, {(false & near(stars, CORE_PX)).sum()} in cores of {len(stars)} stars"
    )
    assert found[away].mean() > 0.9
    assert false.mean() < 1e-4
    assert not (false & near(stars, CORE_PX)).any()
    assert done.header["CR_NPIX"] == found.sum()
    noise = np.sqrt(scene / EGAIN + (READ_NOISE_E / EGAIN) ** 2)
    assert (np.abs(done.data - 500 - scene) / noise)[away & found].mean() < 2.0
    np.testing.assert_array_equal(done.data[~found], light[~found])


@pytest.mark.parametrize("seed", [1, 2])
def test_beside_astroscrappy_no_fewer_events_and_no_more_false_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene, stars = field(rng, 2.2, stars=200)
    light, hit = with_hits(rng, scene, count=150)
    ours = hits_of(clean_cosmics(light, egain=EGAIN, read_noise_e=READ_NOISE_E, limits=Limits(sigma=4.5)))
    other, _ = detect_cosmics(
        light.astype(np.float32), gain=EGAIN, readnoise=READ_NOISE_E, sigclip=4.5, sigfrac=0.3, objlim=5.0, niter=4,
        satlevel=np.inf, cleantype="meanmask",
    )  # fmt: skip
    events, count = ndimage.label(hit & ~near(stars, CORE_PX), structure=np.ones((3, 3)))
    touching = near(np.argwhere(hit).astype(float), 1.5)
    told = {
        name: (np.unique(events[mask & (events > 0)]).size, int((mask & ~touching).sum()))
        for name, mask in (("ours", ours), ("astroscrappy", other))
    }
    print(f"events of {count} and false pixels: {told}")
    assert told["ours"][0] >= told["astroscrappy"][0] - 1
    assert told["ours"][1] <= told["astroscrappy"][1]


def test_a_colour_pattern_is_no_field_of_hits(rng: np.random.Generator) -> None:
    colours = np.tile([[150.0, 300.0], [300.0, 600.0]], (SHAPE[0] // 2, SHAPE[1] // 2)).astype(np.float32)
    light, hit = with_hits(rng, colours)
    found = hits_of(clean_cosmics(light.astype(np.uint16), bayer=True))
    false = found & ~near(np.argwhere(hit).astype(float), 3.0)
    print(f"colour pattern, noise from its sky: recall {100 * found[hit].mean():.1f} %, {false.sum()} false pixels")
    assert found[hit].mean() > 0.9
    assert false.mean() < 1e-4


def test_masked_pixels_and_holes_are_no_hits_and_the_input_stays(rng: np.random.Generator) -> None:
    light, _ = with_hits(rng, np.full(SHAPE, 300.0, np.float32), count=0)
    mask = np.zeros(SHAPE, np.uint8)
    mask[10, 10], mask[30, 30] = BAD, SATURATED
    light[10, 10] = light[30, 30] = 65_535
    light[50, 50:60] = np.nan
    before = light.copy()
    frame = Frame(light, mask=mask.copy())
    done = clean_cosmics(frame, egain=EGAIN)
    assert done.header["CR_NPIX"] == 0
    assert (done.mask[50, 50:60] == NO_DATA).all()
    assert done.data[30, 30] == 65_535
    np.testing.assert_array_equal(light, before)
    np.testing.assert_array_equal(frame.mask, mask)
    np.testing.assert_array_equal(clean_cosmics(frame, egain=EGAIN).data, done.data)


def test_hits_may_be_marked_only(rng: np.random.Generator) -> None:
    light, _ = with_hits(rng, np.full(SHAPE, 300.0, np.float32))
    marked = clean_cosmics(light, egain=EGAIN, repair=False)
    np.testing.assert_array_equal(marked.data, light)
    assert marked.header["CR_CLEAN"] is False
    assert marked.header["CR_NPIX"] > 100


def test_electrons_have_a_gain_of_one_and_the_setting_of_a_camera_is_no_gain(rng: np.random.Generator) -> None:
    light, _ = with_hits(rng, np.full(SHAPE, 300.0, np.float32), count=0)
    ccd = CCDData(light * EGAIN, unit="electron", uncertainty=StdDevUncertainty(np.full(SHAPE, 21.0)))
    assert clean_cosmics(ccd).header["CR_NOISE"] == "ERR plane"
    assert noise_of(Frame(light * EGAIN, unit="electron")).egain == 1.0
    setting = Frame(light, header=fits.Header({"GAIN": 100, "EGAIN": EGAIN}))
    assert noise_of(setting).egain == EGAIN
    assert noise_of(Frame(light, header=fits.Header({"EGAIN": 0.25, "RDNOISE": 0.9, "CALSTAT": "BD"}))).egain == 0.25
    assert noise_of(Frame.from_nddata(ccd)).step == 0.0
    guessed = noise_of(Frame(light, header=fits.Header({"GAIN": 100})))
    print(f"gain told by the sky alone {guessed.egain:.2f} e-/ADU, truth {EGAIN}")
    assert guessed.egain == pytest.approx(EGAIN, rel=0.1)
    calibrated = Frame(light, header=fits.Header({"CALSTAT": "BDF", "EGAIN": EGAIN, "CALRN": 4.0}))
    assert noise_of(calibrated).basis == "gain 1.5, read noise 4 e-"


@pytest.mark.parametrize("stated", [{"EGAIN": EGAIN}, {"EGAIN": EGAIN, "RDNOISE": READ_NOISE_E, "CALSTAT": "BD"}, {}])
def test_the_same_frame_in_another_scale_has_the_same_hits(rng: np.random.Generator, stated: dict[str, Any]) -> None:
    light, _ = with_hits(rng, field(rng, 2.5)[0])
    counts = light.round().clip(0, 65535).astype(np.uint16)
    scaled = {
        "reals from 0 to 1": (counts / np.float32(65535)).astype(np.float32), "double": counts / 65535,
        "32 bits": counts.astype(np.uint32) * 65537, "wide integers of the same value": counts.astype(np.int32),
    }  # fmt: skip
    header = fits.Header(stated)
    here = hits_of(clean_cosmics(Frame(counts, header=header)))
    for name, data in scaled.items():
        done = clean_cosmics(Frame(data, header=header))
        differ = int((hits_of(done) != here).sum())
        print(f"{name} ({done.header['CR_NOISE']}): {differ} of {here.sum()} hits differ from those of 16 bits")
        assert differ <= 2
    assert here.sum() > 100


@pytest.mark.parametrize("stated", [{}, {"EGAIN": 257 * EGAIN, "RDNOISE": READ_NOISE_E, "CALSTAT": "BD"}])
def test_steps_wider_than_the_noise_hide_faint_hits_only_and_are_told(
    rng: np.random.Generator, stated: dict[str, Any]
) -> None:
    light, truth = with_hits(rng, field(rng, 2.5)[0])
    header = fits.Header(stated)
    fine = clean_cosmics(Frame(light.round().clip(0, 65535).astype(np.uint16)))
    coarse = clean_cosmics(Frame((light / 257).round().clip(0, 255).astype(np.uint8), header=header))
    bright = truth & (light - ndimage.median_filter(light, 5) > 3 * 257)
    found, far = hits_of(coarse), hits_of(coarse) & (ndimage.distance_transform_edt(~truth) > 1.5)
    print(
        f"8 bit ({coarse.header['CR_NOISE']}): {found[bright].sum()} of {bright.sum()} pixels of more than 3 steps, "
        f"{far.sum()} false"
    )
    assert "CR_STEP" not in fine.header
    assert coarse.header["CR_STEP"] == 1
    assert found[bright].mean() > 0.95
    assert far.sum() <= 2


def test_the_noise_of_the_sky_is_measured(rng: np.random.Generator) -> None:
    scene, _ = field(rng, 2.5)
    light, _ = with_hits(rng, scene)
    found = noise_of(Frame(light + 500), egain=EGAIN)
    truth = np.sqrt(300 / EGAIN + (READ_NOISE_E / EGAIN) ** 2)
    print(f"noise of the sky {float(found.floor[0, 0]):.2f} ADU, truth {truth:.2f}")
    assert float(found.floor[0, 0]) == pytest.approx(truth, rel=0.05)


def test_a_frame_that_tells_no_noise_is_refused() -> None:
    with pytest.raises(ImagingError, match="state the gain and the read noise"):
        clean_cosmics(np.full((64, 64), np.nan))
    with pytest.raises(ImagingError, match="above zero"):
        clean_cosmics(np.ones((64, 64)), egain=-1)
    with pytest.raises(FrameMismatchError, match="one plane"):
        clean_cosmics(np.ones((3, 64, 64)))


@pytest.mark.parametrize("bayer", [False, True])
def test_long_wide_tracks_are_hits_although_their_pixels_share_light(rng: np.random.Generator, *, bayer: bool) -> None:
    electrons = rng.poisson(np.full(SHAPE, SKY_ADU * EGAIN)) + rng.normal(0, READ_NOISE_E, SHAPE)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    along = 0.6 * (x - 200) + 0.8 * (y - 200)
    across = 0.8 * (x - 200) - 0.6 * (y - 200)
    track = (np.abs(along) < (60 if bayer else 30)) & (np.abs(across) < (2.4 if bayer else 1.2))
    electrons[track] += 3000
    done = clean_cosmics(electrons / EGAIN, egain=EGAIN, read_noise_e=READ_NOISE_E, bayer=bayer)
    found = hits_of(done)
    far = found & (ndimage.distance_transform_edt(~track) > 3)
    print(f"bayer {bayer}: {100 * found[track].mean():.1f} % of {track.sum()} pixels of a wide track, {far.sum()} far")
    assert found[track].mean() > 0.8
    assert far.sum() <= 2


@pytest.mark.real
def test_both_tracks_of_a_real_frame_of_gmos_are_found_as_astroscrappy_finds_them(real_data: Path) -> None:
    with fits.open(real_data / "quality" / "astroscrappy-gmos" / "gmos.fits") as units:
        light, variance, sky = (units[name].data.astype(np.float32) for name in ("SCI", "VAR", "SKYFIT"))
    theirs, _ = detect_cosmics(light, inbkg=sky, invar=variance, readnoise=4.24, gain=1.933)
    done = clean_cosmics(Frame(light, np.sqrt(variance)), limits=Limits(sigma=4.5))
    ours = hits_of(done)
    labels, count = ndimage.label(ours, structure=np.ones((3, 3)))
    boxes = ndimage.find_objects(labels)
    print(f"{(ours & theirs).sum()} of astroscrappy's {theirs.sum()} pixels, {(ours & ~theirs).sum()} others; {boxes}")
    assert count == 2
    assert boxes[0] == (slice(41, 72), slice(142, 161))
    assert (ours & theirs).sum() > 0.8 * theirs.sum()
    assert (ours & ~theirs).sum() < 0.05 * theirs.sum()

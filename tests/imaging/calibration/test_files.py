"""Lights calibrated from file to file, held against plain numpy and against the form in memory."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.calibration import jobs
from pictor.imaging.calibration.calibrating import calibrate
from pictor.imaging.calibration.files import Order, calibrate_file, calibrate_files
from pictor.imaging.calibration.lightcards import CalibratedFile
from pictor.imaging.calibration.masters import Master, write_map, write_master
from pictor.imaging.errors import FrameMismatchError, ImagingError
from tests.imaging.calibration.plain import Detector, calibrated

SHAPE = (203, 157)
DETECTOR = Detector(egain=1.5, read_noise_e=4.0, level=500.0, saturation=60_000.0)


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of twelve rows, so that a small frame has many."""
    monkeypatch.setattr(jobs, "TILE_PIXELS", 12 * SHAPE[1])


@pytest.fixture
def scene(rng: np.random.Generator) -> tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]]:
    """A light with saturated pixels, a dark with a bad column, a flat with a dark corner and a map of bad pixels."""
    none = np.zeros(SHAPE, np.uint8)
    dark_mask, flat_mask = none.copy(), none.copy()
    dark_mask[:, 40], flat_mask[3, 3] = 1, 4
    dark = Master(
        rng.normal(520, 2, SHAPE).astype(np.float32), rng.uniform(1, 3, SHAPE).astype(np.float32), dark_mask, none,
        fits.Header({"DARKBIAS": True, "BIASLVL": 500.0}),
    )  # fmt: skip
    response = rng.uniform(0.7, 1.3, SHAPE).astype(np.float32)
    response[:4, :4] = 0.1
    flat = Master(response, np.full(SHAPE, 0.003, np.float32), flat_mask, none, fits.Header())
    light = rng.poisson(900, SHAPE).astype(np.uint16)
    light[100, 20:24] = 65_000
    return light, dark, flat, (rng.random(SHAPE) < 0.02).astype(np.uint8)


def written(
    folder: Path, scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]]
) -> dict[str, Path]:  # fmt: skip
    light, dark, flat, bad = scene
    paths = {name: folder / f"{name}.fits" for name in ("light", "dark", "flat", "bad_pixels")}
    fits.writeto(paths["light"], light, fits.Header({"OBJECT": "M 31", "GAIN": 100}))
    write_master(paths["dark"], dark)
    write_master(paths["flat"], flat)
    write_map(paths["bad_pixels"], bad, fits.Header())
    return paths


def run(paths: dict[str, Any], out: Path, **more: Any) -> CalibratedFile:
    return calibrate_file(
        out=out, egain=DETECTOR.egain, read_noise_e=DETECTOR.read_noise_e, bias_level=DETECTOR.level,
        saturation=DETECTOR.saturation, **paths, **more,
    )  # fmt: skip


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("bayer", [False, True])
def test_the_file_holds_what_plain_numpy_finds(
    *, bayer: bool, scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]], tmp_path: Path
) -> None:
    paths, out = written(tmp_path, scene), tmp_path / "out.fits"
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths.values()}
    done = run(paths, out, bayer=bayer)
    light, dark, flat, bad = scene
    sci, err, mask = calibrated(light, dark, flat, bad, DETECTOR, bayer=bayer)
    with fits.open(out, checksum=True) as units:
        worst = max(float(np.abs(units["SCI"].data / sci - 1).max()), float(np.abs(units["ERR"].data / err - 1).max()))
        print(f"largest difference from plain numpy in float64, of {done.repaired} repaired pixels too: {worst:.1e}")
        assert worst < 2e-6
        np.testing.assert_array_equal(units["MASK"].data, mask)
        assert all(unit.verify_datasum() == 1 and unit.verify_checksum() == 1 for unit in units)
        header = units[0].header
    assert (done.repaired, done.left) == (int(((mask & 9) != 0).sum()), 0)
    assert [header[key] for key in ("CALSTAT", "OBJECT", "BPIXNFIX", "CALDARK")] == [
        "BDF", "M 31", done.repaired, "dark.fits"
    ]  # fmt: skip
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths.values()} == before


@pytest.mark.usefixtures("small_tiles")
def test_tiles_and_the_whole_frame_in_memory_give_the_same_bits(
    scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]], tmp_path: Path
) -> None:
    light, dark, flat, bad = scene
    run(written(tmp_path, scene), tmp_path / "out.fits")
    whole = calibrate(
        light, egain=DETECTOR.egain, read_noise_e=DETECTOR.read_noise_e, dark=dark, flat=flat, bad_pixels=bad,
        bias_level=DETECTOR.level, saturation=DETECTOR.saturation,
    )  # fmt: skip
    with fits.open(tmp_path / "out.fits") as units:
        for name, plane in (("SCI", whole.sci), ("ERR", whole.err), ("MASK", whole.mask)):
            np.testing.assert_array_equal(units[name].data, plane)


@pytest.mark.usefixtures("small_tiles")
def test_lights_calibrated_together_become_the_files_of_lights_calibrated_alone(
    scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]],
    tmp_path: Path,
) -> None:
    paths, (light, _, flat, _) = written(tmp_path, scene), scene
    dark, flats = paths["dark"], {"R": paths["flat"], "G": tmp_path / "green.fits"}
    write_master(flats["G"], Master(flat.sci[::-1].copy(), flat.err, flat.mask, flat.nused, fits.Header()))
    orders, alone = [], []
    for number, colour in enumerate("RGR"):
        paths["light"] = tmp_path / f"light{number}.fits"
        fits.writeto(paths["light"], light + np.uint16(number), fits.Header({"OBJECT": f"number {number}"}))
        alone.append(tmp_path / f"alone{number}.fits")
        run({**paths, "flat": flats[colour]}, alone[-1])
        orders.append(
            Order(
                paths["light"], tmp_path / f"out{number}.fits", {"dark": dark, "flat": flats[colour]},
                paths["bad_pixels"], None, DETECTOR.egain, DETECTOR.read_noise_e, DETECTOR.level, DETECTOR.saturation,
            )
        )  # fmt: skip
    done = calibrate_files(orders)
    assert [one.path for one in done] == [order.out for order in orders]
    for one, order in zip(alone, orders, strict=True):
        assert order.out.read_bytes() == one.read_bytes()
    assert alone[0].read_bytes() != alone[2].read_bytes()


@pytest.mark.parametrize("encoding", ["float32", "int16", "int32", "compressed"])
def test_any_encoding_of_a_light_gives_the_same_pixels(
    encoding: str, scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]], tmp_path: Path
) -> None:
    paths, out = written(tmp_path, scene), tmp_path / "out.fits"
    run(paths, out)
    expected = fits.getdata(out)
    light = np.minimum(scene[0], 32_000) if encoding == "int16" else scene[0]
    other = {**paths, "light": tmp_path / "other.fits"}
    if encoding == "compressed":
        units = fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(light)])
        units.writeto(other["light"])
    else:
        fits.writeto(other["light"], light.astype(encoding))
    run(other, out)
    same = scene[0] < 32_000
    np.testing.assert_array_equal(fits.getdata(out)[same], expected[same])


def test_masters_of_other_programs_apply_without_error_planes(
    scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]], tmp_path: Path
) -> None:
    light, dark, flat, _ = scene
    paths = {name: tmp_path / f"{name}.fits" for name in ("light", "dark", "flat")}
    fits.writeto(paths["light"], light)
    fits.writeto(paths["dark"], np.rint(dark.sci).astype(np.uint16), fits.Header({"DARKBIAS": True}))
    fits.writeto(paths["flat"], flat.sci.astype(np.float64) * 30_000)
    run(paths, tmp_path / "out.fits")
    with fits.open(tmp_path / "out.fits") as units:
        expected = (light - np.rint(dark.sci)) / np.where(flat.sci >= 0.2, flat.sci, 1)
        good = flat.sci >= 0.2
        ratio = np.median(units["SCI"].data[good] / expected[good])
        assert ratio == pytest.approx(float(np.median(flat.sci)), rel=0.02)
        np.testing.assert_allclose(units["SCI"].data[good] / expected[good], ratio, rtol=1e-4)
        assert (units["MASK"].data[~good] & 4 == 4).all()


def test_pixels_without_data_stay_marked_and_repair_nobody(
    scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]], tmp_path: Path
) -> None:
    paths = written(tmp_path, scene)
    light = scene[0].astype(np.float32)
    light[50:53, 60:63] = np.nan
    fits.writeto(paths["light"], light, overwrite=True)
    run(paths, tmp_path / "out.fits")
    with fits.open(tmp_path / "out.fits") as units:
        assert (units["MASK"].data[50:53, 60:63] & 16 == 16).all()
        sci = units["SCI"].data
    assert np.isfinite(np.delete(sci.ravel(), np.flatnonzero(np.isnan(light)))).all()


def test_a_master_of_another_shape_or_an_input_as_output_is_refused(
    scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]], tmp_path: Path
) -> None:
    paths = written(tmp_path, scene)
    with pytest.raises(ImagingError, match="would be written over light") as caught:
        run(paths, paths["light"])
    assert caught.value.reason == "same-file"
    fits.writeto(paths["dark"], np.zeros((16, 16), np.float32), fits.Header({"DARKBIAS": True}), overwrite=True)
    with pytest.raises(FrameMismatchError, match=r"\(203, 157\).*\(16, 16\)"):
        run(paths, tmp_path / "out.fits")
    assert not (tmp_path / "out.fits").exists()


def test_without_a_known_read_noise_that_of_the_masters_closes_the_noise(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    shape, frames, egain, scatter_e, sky_e = (256, 256), 10, 1.5, 6.0, 400.0
    none = np.zeros(shape, np.uint8)
    err = np.full(shape, scatter_e / egain / np.sqrt(frames), np.float32)
    header = fits.Header({"DARKBIAS": True, "NCOMBINE": frames, "COMBMETH": "sigma_clip"})
    dark = 520.0 + rng.normal(0, 1, shape) * err
    write_master(tmp_path / "dark.fits", Master(dark.astype(np.float32), err, none, none, header))
    electrons = rng.poisson(sky_e, shape) + rng.normal(0, scatter_e, shape)
    fits.writeto(tmp_path / "light.fits", np.rint(520.0 + electrons / egain).astype(np.uint16))
    done = calibrate_file(tmp_path / "light.fits", tmp_path / "out.fits", dark=tmp_path / "dark.fits", egain=egain)
    with fits.open(tmp_path / "out.fits") as units:
        pulls = (units["SCI"].data - sky_e / egain) / units["ERR"].data
    print(f"read noise found {done.read_noise_e:.3f} e-, pulls {pulls.std():.4f}")
    assert done.read_noise_e == pytest.approx(scatter_e, rel=0.01)
    assert 0.97 < pulls.std() < 1.03


def test_an_error_plane_without_read_noise_says_so(tmp_path: Path) -> None:
    foreign = np.full((16, 16), 500, np.float32)
    fits.writeto(tmp_path / "dark.fits", foreign, fits.Header({"DARKBIAS": True, "NCOMBINE": 10}))
    fits.writeto(tmp_path / "light.fits", np.full((16, 16), 700, np.uint16))
    calibrate_file(tmp_path / "light.fits", tmp_path / "out.fits", dark=tmp_path / "dark.fits", egain=1.5)
    assert "no read noise is known" in str(fits.getheader(tmp_path / "out.fits")["HISTORY"])


@pytest.mark.parametrize(("stored", "refused"), [("BOTTOM-UP", True), ("TOP-DOWN", False), (None, False)])
def test_a_master_stored_upside_down_is_refused(tmp_path: Path, stored: str | None, *, refused: bool) -> None:
    fits.writeto(tmp_path / "light.fits", np.full((8, 8), 700, np.uint16), fits.Header({"ROWORDER": "TOP-DOWN"}))
    header = fits.Header({"DARKBIAS": True} | ({"ROWORDER": stored} if stored else {}))
    fits.writeto(tmp_path / "dark.fits", np.full((8, 8), 500, np.float32), header)
    paths = {"light": tmp_path / "light.fits", "out": tmp_path / "out.fits", "dark": tmp_path / "dark.fits"}
    if not refused:
        assert calibrate_file(**paths).calstat == "BD"
        return
    with pytest.raises(ImagingError, match="stored TOP-DOWN, those of the master dark BOTTOM-UP") as error:
        calibrate_file(**paths)
    assert error.value.reason == "flipped"


def test_a_master_written_anew_under_its_name_is_read_anew(
    scene: tuple[NDArray[np.uint16], Master, Master, NDArray[np.uint8]], tmp_path: Path
) -> None:
    paths = written(tmp_path, scene)
    run(paths, tmp_path / "before.fits")
    doubled = Master(scene[2].sci * 3, scene[2].err * 3, scene[2].mask, scene[2].nused, fits.Header())
    write_master(paths["flat"], doubled)
    run(paths, tmp_path / "after.fits")
    before, after = (fits.getdata(tmp_path / name) for name in ("before.fits", "after.fits"))
    good = fits.getdata(tmp_path / "before.fits", "MASK") == 0
    level = float(np.median(doubled.sci))
    assert np.allclose(after[good] * 3 / level, before[good], rtol=0.01)

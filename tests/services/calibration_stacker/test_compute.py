"""Stacks and calibrated lights from paths to files, as a child process makes them."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.calibration_stacker import compute
from pictor.imaging.errors import ImagingError
from tests.imaging.calibration.camera import Camera, make_camera

NINA = {"INSTRUME": "ASI2600MM", "GAIN": 100, "OFFSET": 30, "SET-TEMP": -10.0, "OBJECT": "M 31", "RA": 10.7}


@pytest.fixture
def camera(rng: np.random.Generator) -> Camera:
    return make_camera(rng, side=256)


def stack(paths: list[Path], kind: str, folder: Path, **said: object) -> dict[str, object]:
    folder.mkdir()
    done = compute.stack(
        paths=[str(path) for path in paths],
        frame_ids=[f"id-{path.stem}" for path in paths],
        sha256s=[hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
        kind=kind,
        scratch=str(folder),
        **said,  # type: ignore[arg-type]
    )
    json.dumps(done, allow_nan=False)
    return done


def test_ten_darks_become_a_master_that_passes(camera: Camera, tmp_path: Path) -> None:
    cards = NINA | {"EXPTIME": 60.0, "CCD-TEMP": -9.9, "IMAGETYP": "DARK"}
    frames = [camera.expose(60.0) for _ in range(10)]
    for i, frame in enumerate(frames):
        frame[20 + i, 30] = 50_000
    paths = camera.write(tmp_path, "dark", frames, **cards)
    done = stack(paths, "dark", tmp_path / "out", egain=1.5, read_noise_e=6.0, bias_level_adu=500.0)
    assert done["verdict"] == "active", done["reasons"]
    with fits.open(str(done["master_path"]), checksum=True) as units:
        assert [unit.name for unit in units] == ["SCI", "ERR", "MASK", "NUSED"]
        header = units[0].header
        assert (header["IMAGETYP"], header["NCOMBINE"]) == ("Master Dark", 10)
        assert (header["DARKBIAS"], header["CALSTAT"]) == (True, "M")
        assert header["DATE-OBS"] == "2026-03-10T20:04:30.000"
        assert header["IN010SHA"] == hashlib.sha256(paths[9].read_bytes()).hexdigest()
        assert (header["INSTRUME"], header["GAIN"], header["CCD-TEMP"]) == ("ASI2600MM", 100, -9.9)
        assert "OBJECT" not in header
        assert "RA" not in header
        assert header["POLICY SIGMA"] == 3.0
        assert units[0].data[20:30, 30].max() < 1000
        assert (units["NUSED"].data[20:30, 30] == 9).all()
        assert units[0].data.dtype == np.dtype(">f4")
    with fits.open(str(done["bad_pixels_path"]), checksum=True) as units:
        made = camera.dark_rate > 5
        assert (units[0].data[made] == 1).all()


def test_the_same_stack_gives_the_same_bytes(camera: Camera, tmp_path: Path) -> None:
    paths = camera.write(tmp_path, "bias", [camera.expose(0.0) for _ in range(5)])
    one, two = (stack(paths, "bias", tmp_path / name) for name in ("one", "two"))
    assert Path(str(one["master_path"])).read_bytes() == Path(str(two["master_path"])).read_bytes()


def test_a_bias_tells_its_read_noise_and_levels(camera: Camera, tmp_path: Path) -> None:
    paths = camera.write(tmp_path, "bias", [camera.expose(0.0) for _ in range(6)])
    done = stack(paths, "bias", tmp_path / "out", egain=1.5)
    facts = done["facts"]
    assert isinstance(facts, dict)
    assert facts["read_noise_e"] == pytest.approx(6.0, rel=0.03)
    assert done["levels_adu"] == pytest.approx([500.0] * 6, abs=0.2)
    assert done["bad_pixels_path"] is None


def test_a_flat_is_never_stacked_without_its_dark(camera: Camera, tmp_path: Path) -> None:
    paths = camera.write(tmp_path, "flat", [camera.expose(2.0, 30_000.0) for _ in range(3)])
    with pytest.raises(ImagingError, match="matching master dark") as caught:
        stack(paths, "flat", tmp_path / "out")
    assert caught.value.reason == "no-matching-dark"


def test_a_flat_with_its_dark_is_normalised_and_tells_the_gain(camera: Camera, tmp_path: Path) -> None:
    shorts = camera.write(tmp_path, "short", [camera.expose(2.0) for _ in range(5)])
    dark = stack(shorts, "flat-dark", tmp_path / "dark", egain=1.5, read_noise_e=6.0, bias_level_adu=500.0)
    flats = camera.write(tmp_path, "flat", [camera.expose(2.0, e) for e in np.linspace(25_000, 40_000, 10)])
    done = stack(flats, "flat", tmp_path / "out", dark_path=dark["master_path"], bayer=False)
    assert done["verdict"] == "active", done["reasons"]
    facts = done["facts"]
    assert isinstance(facts, dict)
    assert facts["egain"] == pytest.approx(1.5, rel=0.05)
    assert fits.getdata(str(done["master_path"]))[64:192, 64:192].mean() == pytest.approx(1.0, abs=0.002)


def test_frames_of_two_exposures_do_not_pass_as_one_group(camera: Camera, tmp_path: Path) -> None:
    glow = 8.0 * camera.rng.random((256, 256)).cumsum(axis=1)
    mixed = [camera.expose(60.0, glow * (i % 2)) for i in range(10)]
    done = stack(camera.write(tmp_path, "dark", mixed), "dark", tmp_path / "out", egain=1.5, read_noise_e=6.0)
    print(done["reasons"])
    assert done["verdict"] == "rejected"


def test_a_successor_is_compared_with_the_active_master(camera: Camera, tmp_path: Path) -> None:
    first = camera.write(tmp_path, "a", [camera.expose(0.0) for _ in range(10)])
    second = camera.write(tmp_path, "b", [camera.expose(0.0) for _ in range(10)])
    glow = np.zeros((256, 256))
    glow[:, 128:] = 30.0
    third = camera.write(tmp_path, "c", [camera.expose(0.0, glow / camera.response) for _ in range(10)])
    active = stack(first, "bias", tmp_path / "first")["master_path"]
    same = stack(second, "bias", tmp_path / "second", active_path=active)
    other = stack(third, "bias", tmp_path / "third", active_path=active)
    assert same["verdict"] == "active", same["reasons"]
    assert other["verdict"] == "needs-review"
    assert any("against the active master" in reason for reason in other["reasons"])  # type: ignore[union-attr]


def test_a_light_is_calibrated_into_a_file_that_names_its_masters(camera: Camera, tmp_path: Path) -> None:
    darks = camera.write(tmp_path, "dark", [camera.expose(60.0) for _ in range(10)])
    dark = stack(darks, "dark", tmp_path / "dark", egain=1.5, read_noise_e=6.0, bias_level_adu=500.0)
    (light,) = camera.write(tmp_path, "light", [camera.expose(60.0, 400.0)], OBJECT="M 31", EGAIN=1.5)
    masters = {"dark": str(dark["master_path"]), "bad_pixels": str(dark["bad_pixels_path"])}
    identities = {"dark": "0190 sha256:" + "a" * 64}
    done = compute.calibrate(
        path=str(light), scratch=str(tmp_path), masters=masters, identities=identities, read_noise_e=6.0
    )
    assert (done["calstat"], done["egain"], done["egain_assumed"]) == ("BD", 1.5, False)
    with fits.open(str(done["path"]), checksum=True) as units:
        assert [unit.name for unit in units] == ["SCI", "ERR", "MASK"]
        assert units[0].header["OBJECT"] == "M 31"
        assert units[0].header["CALDARK"].endswith("a" * 64)
        level = float(np.median(units[0].data))
    assert level == pytest.approx(400.0 * np.median(camera.response) / 1.5, rel=0.01)


def test_examine_measures_what_admission_asks(camera: Camera, tmp_path: Path) -> None:
    frame = camera.expose(2.0, 30_000.0)
    frame[:64] = 65535
    (path,) = camera.write(tmp_path, "flat", [frame])
    found = compute.examine(path=str(path), egain=1.5, read_noise_e=6.0, bias_level_adu=500.0)
    assert found["saturated_share"] == pytest.approx(0.25, abs=0.001)
    assert found["one_value_share"] == pytest.approx(0.25, abs=0.001)
    assert found["median_snr"] == pytest.approx(np.sqrt(30_000 * 0.8), rel=0.1)

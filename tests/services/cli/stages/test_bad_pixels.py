"""The commands that map bad pixels and find bad columns."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.calibration.badlist import parse_bad_pixels
from tests.imaging.calibration.camera import Camera
from tests.services.cli.stages import detectorframes as made
from tests.services.cli.stages.detectorframes import run, told


@pytest.fixture
def camera() -> Camera:
    camera = made.camera_of()
    camera.dark_rate[:, 70] += 3.0
    camera.response[80:83, 40:43] = 0.05
    return camera


@pytest.fixture
def dark(camera: Camera, tmp_path: Path) -> Path:
    told("combine", *made.bias(camera, tmp_path), "-o", tmp_path / "mb.fits")
    told("combine", *made.darks(camera, tmp_path), "--bias", tmp_path / "mb.fits", "-o", tmp_path / "md.fits")
    return tmp_path / "md.fits"


def test_found_and_listed_pixels_become_a_map_with_its_sensor(camera: Camera, dark: Path, tmp_path: Path) -> None:
    user = tmp_path / "mine.yml"
    user.write_text("bad_columns: [71, 12]\nbad_rows:\nbad_rectangles: [[1, 2, 1, 3]]\n")
    found = told("bad-pixels", dark, "--user", user, "-o", tmp_path / "map.fits")
    bits, header = fits.getdata(tmp_path / "map.fits"), fits.getheader(tmp_path / "map.fits")
    hot = camera.dark_rate > 1.0
    assert ((bits & 1) != 0)[hot].mean() >= 0.99
    assert ((bits & 1) != 0)[~hot].mean() < 3e-4
    assert (bits[:, 11] & 2 != 0).all()
    assert (bits[:2, :3] & 2 != 0).all()
    assert (bits[:, 70] == 3).all()
    assert bits[2, 0] == 0
    assert header["NBADAUTO"] == found["automatic"] == np.count_nonzero(bits & 1)
    assert header["NBADUSER"] == found["user"] == np.count_nonzero(bits & 2) == 2 * made.SIDE + 6
    assert header["NBAD"] == found["bad"] == np.count_nonzero(bits) < found["automatic"] + found["user"]
    assert (header["DATAFILE"], header["USERFILE"]) == ("md.fits", "mine.yml")
    assert (header["INSTRUME"], header["XBINNING"], header["SET-TEMP"], header["EXPTIME"]) == ("SimCam", 1, -10, 300)
    assert header["IN002SHA"] == hashlib.sha256(user.read_bytes()).hexdigest()
    assert found["dark_current_e_per_s"] == pytest.approx(0.1, rel=0.1)
    assert header["BITPIX"] == 8


def test_the_map_serves_calibration(camera: Camera, dark: Path, tmp_path: Path) -> None:
    user = tmp_path / "mine.yml"
    user.write_text("columns: [12]\nbinning: 1\n")
    told("bad-pixels", dark, "--user", user, "-o", tmp_path / "map.fits")
    bad = fits.getdata(tmp_path / "map.fits") != 0
    (light,) = camera.write(tmp_path, "light", [camera.expose(300.0, 400.0)], **made.cards("LIGHT", 300.0))
    for name, words in {
        "stage": ["calibrate", light, "--dark", dark, "--bad-pixels", tmp_path / "map.fits"],
        "apply": ["calib", "apply", light, "--dark", dark, "--bad-pixels", tmp_path / "map.fits"],
    }.items():
        result = run(*words, "-o", tmp_path / name)
        assert result.exit_code == 0, result.stderr
        mask = fits.getdata(tmp_path / name / "light00_calibrated.fits", "MASK")
        assert (mask[bad] & 1 != 0).all()


def test_dead_pixels_are_found_in_flats(camera: Camera, dark: Path, tmp_path: Path) -> None:
    flats = made.flats(camera, tmp_path)
    told("combine", *flats, "--bias", tmp_path / "mb.fits", "-o", tmp_path / "mf.fits")
    without = told("bad-pixels", dark, "-o", tmp_path / "a.fits")
    found = told("bad-pixels", dark, "--flat", tmp_path / "mf.fits", "-o", tmp_path / "b.fits")
    bits = fits.getdata(tmp_path / "b.fits")
    assert (bits[80:83, 40:43] == 1).all()
    assert 9 <= found["automatic"] - without["automatic"] <= 12


def test_a_higher_threshold_finds_less(dark: Path, tmp_path: Path) -> None:
    four = told("bad-pixels", dark, "-o", tmp_path / "four.fits")["automatic"]
    assert told("bad-pixels", dark, "--sigma", "60", "-o", tmp_path / "many.fits")["automatic"] < four


def test_a_list_for_binned_frames_must_say_what_it_counts(dark: Path, tmp_path: Path) -> None:
    binned, user, out = tmp_path / "binned.fits", tmp_path / "mine.yml", tmp_path / "map.fits"
    fits.writeto(
        binned, np.random.default_rng(1).normal(500, 2, (80, 80)).astype(np.float32),
        fits.Header({"IMAGETYP": "Master Dark", "XBINNING": 2, "YBINNING": 2}),
    )  # fmt: skip
    user.write_text("bad_columns: [21]\n")
    result = run("bad-pixels", binned, "--user", user, "-o", out)
    assert result.exit_code == 1
    assert "add the line 'binning: 2' for pixels of this frame, or 'binning: 1'" in result.stderr
    for binning, column in ((2, 20), (1, 10)):
        user.write_text(f"bad_columns: [21]\nbinning: {binning}\n")
        told("bad-pixels", binned, "--user", user, "-o", out, "--overwrite")
        assert np.flatnonzero((fits.getdata(out) & 2)[40]).tolist() == [column]
    user.write_text("bad_columns: [21]\nbinning: 2\n")
    assert "counts in pixels binned 2" in run("bad-pixels", dark, "--user", user, "-o", out, "--overwrite").stderr


def test_wrong_lists_and_frames_are_refused_and_nothing_is_replaced(dark: Path, tmp_path: Path) -> None:
    out, user = tmp_path / "map.fits", tmp_path / "mine.yml"
    for text, sentence in (("bad_columns: [999]", "lies outside the frame"), ("columns: 3", "columns must be")):
        user.write_text(text)
        result = run("bad-pixels", dark, "--user", user, "-o", out)
        assert result.exit_code == 1
        assert sentence in result.stderr
    small = tmp_path / "small.fits"
    fits.writeto(small, np.ones((8, 8), np.float32), fits.Header({"IMAGETYP": "Master Dark"}))
    assert "differ in size" in run("bad-pixels", dark, small, "-o", out).stderr
    out.write_text("precious")
    assert run("bad-pixels", dark, "-o", out).exit_code == 2
    assert out.read_text() == "precious"


def test_bad_columns_are_listed_so_that_the_list_can_be_used(camera: Camera, dark: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.yml"
    result = run("bad-columns", dark, tmp_path / "dark00.fits", "-o", out)
    assert result.exit_code == 0, result.stderr
    text = out.read_text()
    assert "  - 71  # in 2 of 2 frames" in text
    listed = parse_bad_pixels(text)
    assert [(box.column1, box.column2) for box in listed.boxes] == [(71, 71)]
    assert listed.says_binning
    assert run("bad-columns", dark, tmp_path / "dark00.fits").stdout == text
    found = told("bad-pixels", dark, "--user", out, "-o", tmp_path / "map.fits")
    assert found["user"] == made.SIDE
    assert run("bad-columns", dark, "-o", out).exit_code == 2
    assert out.read_text() == text


def test_one_bad_file_leaves_the_others_alone(dark: Path, tmp_path: Path) -> None:
    (tmp_path / "text.fits").write_text("no frame")
    result = run("bad-columns", tmp_path / "text.fits", dark, "--json")
    assert result.exit_code == 1
    assert "text.fits" in result.stderr
    found = json.loads(result.stdout)
    assert found["columns"] == [71]
    assert [("refused" in one) for one in found["frames"]] == [True, False]
    assert found["frames"][1]["column_sigmas"][0] > 5


def test_frames_of_different_cameras_share_no_list(camera: Camera, dark: Path, tmp_path: Path) -> None:
    other = made.darks(camera, tmp_path, 1, "other", INSTRUME="Second")
    result = run("bad-columns", dark, *other)
    assert result.exit_code == 1
    assert "differ in camera" in result.stderr
    assert run("bad-columns", dark, "--window", "10").exit_code == 2

"""The command that measures read noise, gain and dark current."""

import csv
import shutil
from pathlib import Path

import pytest
from astropy.io import fits

from tests.imaging.calibration.camera import Camera
from tests.services.cli.stages import detectorframes as made
from tests.services.cli.stages.detectorframes import run, told


@pytest.fixture
def camera() -> Camera:
    return made.camera_of()


def test_noise_gain_and_dark_current_are_those_of_the_camera(camera: Camera, tmp_path: Path) -> None:
    bias, flats = made.bias(camera, tmp_path, 2), made.flats(camera, tmp_path, 2)
    told("combine", *made.darks(camera, tmp_path), "-o", tmp_path / "md.fits")
    found = told("read-noise", *bias, "--flats", *flats, "--dark", tmp_path / "md.fits")
    print({name: found[name] for name in ("read_noise_e", "measured_egain", "dark_current_e_per_s")})
    assert found["read_noise_e"] == pytest.approx(6.0, rel=0.02)
    assert found["read_noise_adu"] == pytest.approx(4.0, rel=0.02)
    assert found["dark_current_e_per_s"] == pytest.approx(0.1, rel=0.05)
    assert (found["egain"], found["egain_from"]) == (1.5, "card EGAIN")
    assert found["measured_egain"] == pytest.approx(1.5, rel=0.06)
    text = run("read-noise", *bias).stdout
    assert "e-" in text
    assert "ADU" in text


def test_the_setting_of_the_camera_is_never_taken_for_the_gain(camera: Camera, tmp_path: Path) -> None:
    bias = made.bias(camera, tmp_path, 2, EGAIN=None)
    result = run("read-noise", *bias)
    assert result.exit_code == 0
    assert "e-" not in result.stdout
    assert "GAIN = 100 is a setting of the camera" in result.stderr
    found = told("read-noise", *bias)
    assert found["read_noise_e"] is found["egain"] is found["egain_from"] is None
    assert told("read-noise", *bias, "--egain", "1.5")["read_noise_e"] == pytest.approx(6.0, rel=0.03)
    flats = made.flats(camera, tmp_path, 2, EGAIN=None)
    found = told("read-noise", *bias, "--flats", *flats)
    assert found["egain_from"] == "measured from the flats"
    assert found["read_noise_e"] == pytest.approx(6.0, rel=0.08)


def test_gains_that_contradict_each_other_are_told(camera: Camera, tmp_path: Path) -> None:
    one, two = made.bias(camera, tmp_path, 1), made.bias(camera, tmp_path, 1, "other", EGAIN=1.502)
    result = run("read-noise", *one, *two)
    assert result.exit_code == 1
    assert "EGAIN differ: 1.5 (bias00.fits) and 1.502 (other00.fits)" in result.stderr
    close = made.bias(camera, tmp_path, 1, "close", EGAIN=1.5009)
    assert run("read-noise", *one, *close).exit_code == 0
    assert run("read-noise", *one, *two, "--egain", "1.5").exit_code == 0
    result = run("read-noise", *one, *close, "--flats", *made.flats(camera, tmp_path, 2), "--egain", "3")
    assert "the stated gain is 3" in result.stderr


def test_the_pedestal_is_added_before_anything_else(camera: Camera, tmp_path: Path) -> None:
    plain = told("read-noise", *made.bias(camera, tmp_path, 2))
    paths = [shutil.copy(tmp_path / f"bias0{i}.fits", tmp_path / f"p{i}.fits") for i in (0, 1)]
    for path, pedestal in zip(paths, (-100, -90), strict=True):
        fits.setval(path, "PEDESTAL", value=pedestal)
    found = told("read-noise", *paths)
    assert found["read_noise_adu"] == pytest.approx(plain["read_noise_adu"], rel=1e-9)
    assert [a - b for a, b in zip(found["levels_adu"], plain["levels_adu"], strict=True)] == [-100, -90]


def test_the_histogram_counts_the_differences(camera: Camera, tmp_path: Path) -> None:
    bias, out = made.bias(camera, tmp_path, 2), tmp_path / "h.csv"
    told("read-noise", *bias, "--histogram", out)
    rows = list(csv.reader(out.open()))
    assert rows[0] == ["difference_adu", "pixels"]
    assert sum(int(count) for _, count in rows[1:]) == made.SIDE**2
    assert [int(value) for value, _ in rows[1:]] == sorted({int(value) for value, _ in rows[1:]})
    before = out.read_bytes()
    assert run("read-noise", *bias, "--histogram", out).exit_code == 2
    assert out.read_bytes() == before
    assert run("read-noise", *bias, "--histogram", out, "--overwrite").exit_code == 0


def test_every_pixel_counts_when_nothing_is_masked(camera: Camera, tmp_path: Path) -> None:
    bias = made.bias(camera, tmp_path, 2)
    found = told("read-noise", *bias, "--no-mask-outliers")
    assert (found["left_out"], found["pixels"]) == (0, made.SIDE**2)
    assert found["read_noise_e"] == pytest.approx(6.0, rel=0.02)


def test_frames_that_are_no_pair_are_refused(camera: Camera, tmp_path: Path) -> None:
    bias = made.bias(camera, tmp_path, 2)
    flats = made.flats(camera, tmp_path, 2)
    other = made.bias(camera, tmp_path, 1, "gain", GAIN=0)
    told("combine", *made.bias(camera, tmp_path, 3, "b"), "-o", tmp_path / "mb.fits")
    (tmp_path / "text.fits").write_text("no frame")
    for words, sentence in (
        ([bias[0], flats[0]], "differ in type: bias (bias00.fits), flat (flat00.fits)"),
        (flats, "measured on bias frames, these are flat frames"),
        ([bias[0], other[0]], "differ in gain setting"),
        ([bias[0], bias[0]], "are the same frame"),
        ([bias[0], tmp_path / "mb.fits"], "is a master"),
        ([bias[0], tmp_path / "text.fits"], "text.fits"),
    ):
        result = run("read-noise", *words)
        assert result.exit_code == 1
        assert sentence in result.stderr
    assert run("read-noise", bias[0]).exit_code == 2

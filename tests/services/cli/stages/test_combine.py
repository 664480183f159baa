"""The command that makes one frame of many."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.calibration.masters import read_master
from tests.imaging.calibration.camera import Camera
from tests.services.cli.stages import detectorframes as made
from tests.services.cli.stages.detectorframes import run, told


@pytest.fixture
def camera() -> Camera:
    return made.camera_of()


def test_masters_of_every_kind_are_made_and_fit_each_other(camera: Camera, tmp_path: Path) -> None:
    bias = told("combine", *made.bias(camera, tmp_path), "-o", tmp_path / "mb.fits")
    assert bias["facts"]["read_noise_e"] == pytest.approx(6.0, rel=0.05)
    dark = told("combine", *made.darks(camera, tmp_path), "--bias", tmp_path / "mb.fits", "-o", tmp_path / "md.fits")
    assert dark["facts"]["dark_current_e_per_s"] == pytest.approx(0.1, rel=0.1)
    flats = made.flats(camera, tmp_path)
    flat = told("combine", *flats, "--bias", tmp_path / "mb.fits", "-o", tmp_path / "mf.fits")
    assert flat["facts"]["egain"] == pytest.approx(1.5, rel=0.05)
    assert (bias["kind"], dark["kind"], flat["kind"]) == ("bias", "dark", "flat")
    master = read_master(tmp_path / "mf.fits")
    scale = np.median(master.sci / camera.response)
    pulls = (master.sci - scale * camera.response) / master.err
    print(f"flat against the response of the camera: pulls scatter by {pulls.std():.3f}")
    assert pulls.std() == pytest.approx(1.0, abs=0.05)


def test_a_product_says_what_it_is_made_of(camera: Camera, tmp_path: Path) -> None:
    paths = made.darks(camera, tmp_path)
    before = [path.read_bytes() for path in paths]
    told("combine", *paths, "-o", tmp_path / "md.fits", "--sigma", "4")
    with fits.open(tmp_path / "md.fits", checksum=True) as units:
        header = units[0].header
        assert [unit.name for unit in units] == ["SCI", "ERR", "MASK", "NUSED"]
    assert (header["IMAGETYP"], header["NCOMBINE"], header["CALSTAT"], header["DARKBIAS"]) == ("Master Dark", 5, "M", 1)
    assert header["IN001ID"] == "dark00.fits"
    assert len(header["IN005SHA"]) == 64
    history = "\n".join(header["HISTORY"])
    assert "combine: kind=dark, method=sigma_clip, sigma=4.0" in history
    assert [path.read_bytes() for path in paths] == before


def test_the_pixels_are_those_of_calib_stack(camera: Camera, tmp_path: Path) -> None:
    darks = made.darks(camera, tmp_path, 10)
    told("combine", *made.bias(camera, tmp_path), "-o", tmp_path / "mb.fits")
    told("combine", *darks, "--bias", tmp_path / "mb.fits", "-o", tmp_path / "one.fits")
    result = run("calib", "stack", *darks, "--bias", tmp_path / "mb.fits", "-o", tmp_path / "two.fits")
    assert result.exit_code == 0, result.output
    for plane in ("SCI", "ERR", "MASK", "NUSED"):
        np.testing.assert_array_equal(
            fits.getdata(tmp_path / "one.fits", plane), fits.getdata(tmp_path / "two.fits", plane)
        )


def test_a_folder_is_taken_without_the_masters_in_it(camera: Camera, tmp_path: Path) -> None:
    folder = tmp_path / "Darks" / "2020-03"
    folder.mkdir(parents=True)
    paths = made.darks(camera, folder)
    (folder / "Master_Dark_1_Bin1x1.fits").write_bytes(paths[0].read_bytes())
    (folder / "notes.txt").write_text("cold night")
    result = run("combine", folder, "-o", tmp_path / "md.fits")
    assert result.exit_code == 0, result.stderr
    assert "Master_Dark_1_Bin1x1.fits is left alone" in result.stderr
    assert "dark of 5 frames" in result.stdout


def test_a_frame_that_was_too_warm_is_left_out_and_named(camera: Camera, tmp_path: Path) -> None:
    paths = made.darks(camera, tmp_path)
    warm = made.darks(camera, tmp_path, 1, "warm", **{"CCD-TEMP": -9.2})
    found = told("combine", *paths, *warm, "-o", tmp_path / "a.fits")
    assert found["frames"] == 5
    assert [Path(one["file"]).name for one in found["left_out"]] == ["warm00.fits"]
    assert "0.80 C from -10.00 C" in found["left_out"][0]["reason"]
    assert "left out warm00.fits" in " ".join(fits.getheader(tmp_path / "a.fits")["HISTORY"]).replace("\n", "")
    kept = told("combine", *paths, *warm, "-o", tmp_path / "b.fits", "--temperature-tolerance", "1")
    assert (kept["frames"], kept["left_out"]) == (6, [])


def test_without_a_set_point_the_median_of_the_sensor_stands_for_it(camera: Camera, tmp_path: Path) -> None:
    none = {"SET-TEMP": None}
    paths = made.darks(camera, tmp_path, 4, **none)
    paths += made.darks(camera, tmp_path, 1, "warm", **{**none, "CCD-TEMP": -8.0})
    paths += made.darks(camera, tmp_path, 1, "silent", **{**none, "CCD-TEMP": None})
    found = told("combine", *paths, "-o", tmp_path / "a.fits")
    assert [Path(one["file"]).name for one in found["left_out"]] == ["warm00.fits"]
    assert found["frames"] == 5


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"TELESCOP": "Other"}, "differ in telescope: Scope (dark00.fits and 1 more), Other (odd00.fits)"),
        ({"EXPTIME": 60.0}, "differ in exposure (s): 300.0 (dark00.fits and 1 more), 60.0 (odd00.fits)"),
        ({"SET-TEMP": -20.0, "CCD-TEMP": -20.0}, "differ in set temperature (C): -10.0"),
        ({"GAIN": 0}, "differ in gain setting: 100.0"),
        ({"XBINNING": 2, "YBINNING": 2}, "differ in binning: 1 x 1"),
        ({"IMAGETYP": "LIGHT"}, "differ in type: dark (dark00.fits and 1 more), light (odd00.fits)"),
    ],
)
def test_frames_that_do_not_belong_together_are_refused_with_names_and_values(
    camera: Camera, tmp_path: Path, other: dict[str, object], sentence: str
) -> None:
    paths = made.darks(camera, tmp_path, 2) + made.darks(camera, tmp_path, 1, "odd", **other)
    result = run("combine", *paths, "-o", tmp_path / "md.fits")
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert not (tmp_path / "md.fits").exists()


def test_exposures_as_drivers_round_them_are_one(camera: Camera, tmp_path: Path) -> None:
    paths = made.darks(camera, tmp_path, 2) + made.darks(camera, tmp_path, 2, "late", EXPTIME=300.4)
    assert told("combine", *paths, "-o", tmp_path / "md.fits")["frames"] == 4


def test_frames_of_another_size_are_refused(camera: Camera, tmp_path: Path) -> None:
    paths = made.darks(camera, tmp_path, 2)
    fits.writeto(tmp_path / "small.fits", np.zeros((80, 80), np.uint16), fits.Header(made.cards("DARK", 300.0)))
    result = run("combine", *paths, tmp_path / "small.fits", "-o", tmp_path / "md.fits")
    assert result.exit_code == 1
    assert "differ in size: 160 x 160 (dark00.fits and 1 more), 80 x 80 (small.fits)" in result.stderr


def test_flats_need_to_know_what_lies_under_their_light(camera: Camera, tmp_path: Path) -> None:
    flats = made.flats(camera, tmp_path)
    result = run("combine", *flats, "-o", tmp_path / "mf.fits")
    assert result.exit_code == 2
    assert "flats need --dark" in result.stderr
    told("combine", *made.bias(camera, tmp_path), "-o", tmp_path / "mb.fits")
    dark = made.darks(camera, tmp_path, name="fd", EXPTIME=2.0)
    told("combine", *dark, "-o", tmp_path / "md.fits", "--kind", "flat-dark")
    one = told("combine", *flats, "-o", tmp_path / "mf.fits", "--dark", tmp_path / "md.fits")
    assert one["frames"] == 5


def test_a_dark_without_its_bias_gets_it_back_for_flats(camera: Camera, tmp_path: Path) -> None:
    flats = made.flats(camera, tmp_path)
    zero = np.full((made.SIDE, made.SIDE), 500, np.float32)
    fits.writeto(tmp_path / "bias.fits", zero, fits.Header({"IMAGETYP": "BIAS"}))
    fits.writeto(tmp_path / "dark.fits", zero * 0 + 1, fits.Header({"IMAGETYP": "Master Dark", "DARKBIAS": False}))
    fits.writeto(tmp_path / "whole.fits", zero + 1, fits.Header({"IMAGETYP": "Master Dark", "DARKBIAS": True}))
    below = {"a": ["dark", "bias"], "b": ["whole"], "c": ["whole", "bias"]}
    for name, (dark, *bias) in below.items():
        words = ["--bias", tmp_path / f"{bias[0]}.fits"] if bias else []
        told("combine", *flats, "-o", tmp_path / f"{name}.fits", "--dark", tmp_path / f"{dark}.fits", *words)
    one, two, three = (fits.getdata(tmp_path / f"{name}.fits") for name in below)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)
    assert "with bias: bias.fits sha256" in str(fits.getheader(tmp_path / "a.fits")["HISTORY"])
    result = run("combine", *flats, "-o", tmp_path / "x.fits", "--dark", tmp_path / "dark.fits")
    assert result.exit_code == 1
    assert "give --bias as well" in result.stderr


def test_a_bias_of_another_program_serves_flats(camera: Camera, tmp_path: Path) -> None:
    flats = made.flats(camera, tmp_path)
    fits.writeto(tmp_path / "b.fits", np.full((made.SIDE, made.SIDE), 500, np.uint16))
    told("combine", *flats, "-o", tmp_path / "mf.fits", "--bias", tmp_path / "b.fits")
    master = read_master(tmp_path / "mf.fits")
    ratio = master.sci / camera.response
    assert ratio.std() < 0.005 * np.median(ratio)


def test_lights_are_combined_as_they_are(camera: Camera, tmp_path: Path) -> None:
    frames = [camera.expose(10.0, level) for level in (900.0, 1000.0, 1100.0, 1000.0)]
    frames[1][20, 20] = 60_000
    paths = camera.write(tmp_path, "light", frames, **made.cards("LIGHT", 10.0, AIRMASS=1.2))
    found = told("combine", *paths, "-o", tmp_path / "sky.fits", "--scale", "median", "--method", "sigma_clip")
    assert found["kind"] == "plain"
    assert np.argsort(found["factors"]).tolist() in ([2, 1, 3, 0], [2, 3, 1, 0])
    with fits.open(tmp_path / "sky.fits", checksum=True) as units:
        header = units[0].header
        assert units["NUSED"].data[20, 20] == 3
        assert abs(float(units[0].data[20, 20]) - float(np.median(units[0].data))) < 300
    assert (header["NCOMBINE"], header["BUNIT"], header["NINPUT"]) == (4, "adu", 4)
    assert "AIRMASS" not in header
    assert header["IN002NAM"] == "light01.fits"


def test_a_packed_frame_is_one_like_others(camera: Camera, tmp_path: Path) -> None:
    paths = made.darks(camera, tmp_path)
    packed = tmp_path / "dark00.fits.gz"
    packed.write_bytes(gzip.compress(paths[0].read_bytes()))
    told("combine", *paths, "-o", tmp_path / "a.fits")
    told("combine", packed, *paths[1:], "-o", tmp_path / "b.fits")
    np.testing.assert_array_equal(fits.getdata(tmp_path / "a.fits"), fits.getdata(tmp_path / "b.fits"))
    header = fits.getheader(tmp_path / "b.fits")
    assert header["IN001ID"] == "dark00.fits.gz"
    assert "as packed" in str(header["HISTORY"])


def test_what_headers_get_wrong_a_person_may_put_right(camera: Camera, tmp_path: Path) -> None:
    paths = made.darks(camera, tmp_path, 3, IMAGETYP="LIGHT")
    result = run("combine", *paths, "-o", tmp_path / "md.fits", "--kind", "dark")
    assert result.exit_code == 0, result.stderr
    assert "headers say light; taken as dark" in result.stderr
    assert fits.getheader(tmp_path / "md.fits")["IMAGETYP"] == "Master Dark"


def test_masters_among_frames_are_left_out(camera: Camera, tmp_path: Path) -> None:
    paths = made.darks(camera, tmp_path)
    told("combine", *paths, "-o", tmp_path / "old.fits")
    found = told("combine", *paths, tmp_path / "old.fits", "-o", tmp_path / "new.fits")
    assert (found["frames"], found["left_out"][0]["reason"]) == (5, "it is a master already")


def test_nothing_is_replaced_and_wrong_calls_are_told(camera: Camera, tmp_path: Path) -> None:
    paths = made.darks(camera, tmp_path, 3)
    out = tmp_path / "md.fits"
    out.write_text("precious")
    result = run("combine", *paths, "-o", out)
    assert (result.exit_code, out.read_text()) == (2, "precious")
    assert "--overwrite" in result.stderr
    assert run("combine", *paths, "-o", out, "--overwrite").exit_code == 0
    wrong = tmp_path / "x.fits"
    for words, code, sentence in (
        ([paths[0], paths[0]], 2, "given twice"),
        ([paths[0]], 1, "1 of 1 frames can be used"),
        ([*paths, "--scale", "mean"], 2, "a dark must not be scaled"),
        ([*paths, "--dark", out], 2, "--dark is for flats"),
        ([*paths, "--kind", "plain", "--bias", out], 2, "--bias is for masters"),
    ):
        result = run("combine", *words, "-o", wrong)
        assert result.exit_code == code, result.stderr
        assert sentence in result.stderr
    copy = tmp_path / "copy.fits"
    copy.write_bytes(paths[0].read_bytes())
    assert "are the same frame" in run("combine", *paths, copy, "-o", wrong).stderr
    copy.write_bytes(b"no frame at all")
    result = run("combine", *paths, copy, "-o", wrong)
    assert result.exit_code == 1
    assert "copy.fits" in result.stderr
    assert not wrong.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("option", ["--sigma", "--egain", "--read-noise", "--temperature-tolerance"])
@pytest.mark.parametrize("value", ["inf", "nan", "-1"])
def test_numbers_that_mean_nothing_are_refused(option: str, value: str, tmp_path: Path) -> None:
    fits.writeto(tmp_path / "d.fits", np.zeros((4, 4), np.uint16))
    result = run("combine", tmp_path / "d.fits", "-o", tmp_path / "m.fits", option, value)
    assert result.exit_code == 2
    assert option in result.output
    assert not (tmp_path / "m.fits").exists()

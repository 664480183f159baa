"""`pictor calibrate` on files: the pixels of the services, masters given or chosen, every refusal with its reason."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from pictor.imaging.products import Input
from tests.imaging.calibration.camera import Camera, make_camera

SIDE = 128
NINA = {
    "INSTRUME": "ASI2600MM", "GAIN": 100, "OFFSET": 30, "SET-TEMP": -10.0, "CCD-TEMP": -9.9, "EGAIN": 1.5,
    "XBINNING": 1, "YBINNING": 1, "SWCREATE": "N.I.N.A. 3.1 (x64)",
}  # fmt: skip
SKY_E = 600.0


def pictor(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def calibrate(*arguments: object) -> Result:
    return pictor("calibrate", *arguments)


@pytest.fixture(scope="module")
def camera() -> Camera:
    return make_camera(np.random.default_rng(8), side=SIDE)


@pytest.fixture(scope="module")
def masters(camera: Camera, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of masters: darks of 60 s and 120 s, flats in R and L, and what is none: raw frames, a bad-pixel map."""
    folder = tmp_path_factory.mktemp("masters")
    (folder / "raw").mkdir()

    def stack(name: str, exposure_s: float, kind: str, light_e: float, *more: object, **cards: object) -> Path:
        said = {**NINA, "IMAGETYP": kind, "EXPTIME": exposure_s, "EXPOSURE": exposure_s, **cards}
        frames = camera.write(
            folder / "raw", f"{name}_", [camera.expose(exposure_s, light_e) for _ in range(6)], **said
        )
        done = pictor("calib", "stack", *frames, "-o", folder / f"{name}.fits", *more)
        assert done.exit_code == 0, done.output
        return folder / f"{name}.fits"

    stack("dark_60", 60.0, "DARK", 0.0)
    stack("dark_120", 120.0, "DARK", 0.0)
    short = stack("dark_2", 2.0, "DARK", 0.0)
    stack("flat_R", 2.0, "FLAT", 30_000.0, "--dark", short, FILTER="R")
    stack("flat_L", 2.0, "FLAT", 30_000.0, "--dark", short, FILTER="L")
    return folder


def light(camera: Camera, folder: Path, name: str = "light", exposure_s: float = 60.0, **cards: object) -> Path:
    said = {**NINA, "IMAGETYP": "LIGHT", "EXPTIME": exposure_s, "EXPOSURE": exposure_s, "FILTER": "R", **cards}
    return camera.write(folder, name, [camera.expose(exposure_s, SKY_E)], **said)[0]


def test_the_pixels_are_those_of_calib_apply_and_the_cards_those_of_a_stage(
    camera: Camera, masters: Path, tmp_path: Path
) -> None:
    raw = light(camera, tmp_path)
    given = ("--dark", masters / "dark_60.fits", "--flat", masters / "flat_R.fits")
    assert calibrate(raw, *given, "-o", tmp_path / "a").exit_code == 0
    assert pictor("calib", "apply", raw, *given, "-o", tmp_path / "b").exit_code == 0
    with (
        fits.open(tmp_path / "a" / "light00_calibrated.fits", checksum=True) as ours,
        fits.open(tmp_path / "b" / "light00_calibrated.fits") as theirs,
    ):
        for plane in ("SCI", "ERR", "MASK"):
            np.testing.assert_array_equal(ours[plane].data, theirs[plane].data)
        header = ours[0].header
    wanted = {
        "CALSTAT": "BDF", "BUNIT": "adu", "BIASCORR": True, "BIASFILE": "dark_60.fits", "DARKCORR": True,
        "DARKFILE": "dark_60.fits", "FLATCORR": True, "FLATFILE": "flat_R.fits", "NINPUT": 3, "CALEGAIN": 1.5,
        "IN001NAM": raw.name, "IN001SHA": Input.of(raw).sha256, "IN003SHA": Input.of(masters / "flat_R.fits").sha256,
    }  # fmt: skip
    assert {key: header[key] for key in wanted} == wanted


def test_masters_are_chosen_from_a_folder_by_the_rules(camera: Camera, masters: Path, tmp_path: Path) -> None:
    lights = [
        light(camera, tmp_path, "red"), light(camera, tmp_path, "lum", FILTER="L"),
        light(camera, tmp_path, "long", 120.0),
    ]  # fmt: skip
    done = calibrate(*lights, "--masters", masters, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    chosen = [{kind: Path(path).stem for kind, path in one["masters"].items()} for one in told]
    assert chosen == [
        {"dark": "dark_60", "flat": "flat_R"}, {"dark": "dark_60", "flat": "flat_L"},
        {"dark": "dark_120", "flat": "flat_R"},
    ]  # fmt: skip
    assert [one["calstat"] for one in told] == ["BDF"] * 3


def test_the_noise_of_calibrated_files_closes(camera: Camera, masters: Path, tmp_path: Path) -> None:
    lights = [light(camera, tmp_path, f"n{number}") for number in range(4)]
    assert calibrate(*lights, "--masters", masters, "-o", tmp_path / "out").exit_code == 0
    centre = float(camera.response[SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4].mean())
    pulls = []
    for path in sorted((tmp_path / "out").iterdir()):
        with fits.open(path) as units:
            good = units["MASK"].data == 0
            pulls.append(((units[0].data - SKY_E * centre / 1.5) / units["ERR"].data)[good])
    std = float(np.concatenate(pulls).std())
    print(f"pulls of files calibrated with six frames per master: std {std:.3f}")
    assert 0.95 < std < 1.05


def test_a_light_no_master_fits_is_refused_with_the_nearest_miss(camera: Camera, masters: Path, tmp_path: Path) -> None:
    warm = light(camera, tmp_path, "warm", **{"SET-TEMP": 5.0, "CCD-TEMP": 5.0})
    odd = light(camera, tmp_path, "odd", 77.0)
    fine = light(camera, tmp_path, "fine", FILTER="Ha")
    done = calibrate(warm, odd, fine, "--masters", masters, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert "temperature: frame 5, master -10, allowed 2" in told[0]["refused"]
    assert "exposure: frame 77, master" in told[1]["refused"]
    assert told[2]["calstat"] == "BD"
    assert "filter: frame Ha, master" in told[2]["missing"]["flat"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["fine00_calibrated.fits"]


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"GAIN": 200}, "gain_setting: frame 200, master 100"),
        ({"SET-TEMP": 5.0, "CCD-TEMP": 5.0}, "temperature: frame 5"),
    ],
)
def test_a_given_master_that_does_not_fit_is_refused_unless_a_person_insists(
    camera: Camera, masters: Path, tmp_path: Path, cards: dict[str, float], said: str
) -> None:
    raw = light(camera, tmp_path, **cards)
    call = (raw, "--dark", masters / "dark_60.fits", "-o", tmp_path / "out")
    done = calibrate(*call)
    assert done.exit_code == 1
    assert said in done.output
    assert calibrate(*call, "--insist").exit_code == 0
    header = fits.getheader(tmp_path / "out" / "light00_calibrated.fits")
    assert said in "".join(header["HISTORY"])


def test_a_calibrated_light_a_dark_and_rubbish_are_refused_and_the_others_done(
    camera: Camera, masters: Path, tmp_path: Path
) -> None:
    raw = light(camera, tmp_path)
    call = ("--masters", masters, "-o", tmp_path / "out")
    assert calibrate(raw, *call).exit_code == 0
    done_before = tmp_path / "out" / "light00_calibrated.fits"
    (tmp_path / "text.fits").write_text("no frame")
    dark = next((masters / "raw").glob("dark_60*"))
    other = light(camera, tmp_path, "other")
    done = calibrate(done_before, dark, tmp_path / "text.fits", other, *call, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert "calibrated already (CALSTAT 'BDF')" in told[0]["refused"]
    assert "only lights are calibrated" in told[1]["refused"]
    assert "refused" in told[2]
    assert told[3]["calstat"] == "BDF"


def test_nothing_is_overwritten_and_wrong_calls_are_told(camera: Camera, masters: Path, tmp_path: Path) -> None:
    raw = light(camera, tmp_path)
    dark = ("--dark", masters / "dark_60.fits")
    assert calibrate(raw, *dark, "-o", tmp_path / "out").exit_code == 0
    before = (tmp_path / "out" / "light00_calibrated.fits").read_bytes()
    done = calibrate(raw, *dark, "-o", tmp_path / "out")
    assert (done.exit_code, (tmp_path / "out" / "light00_calibrated.fits").read_bytes()) == (2, before)
    assert calibrate(raw, *dark, "-o", tmp_path / "out", "--overwrite").exit_code == 0
    assert (tmp_path / "out" / "light00_calibrated.fits").read_bytes() == before
    for arguments, said in (
        (("--flat", masters / "flat_R.fits"), "a flat alone would scale the offset too"),
        (("--dark", masters / "flat_R.fits"), "is a master flat, not a dark"),
        (("--masters", tmp_path), "there is no master in"),
        ((*dark, "--set", "min_frames=1"), "min_frames"),
    ):
        done = calibrate(raw, *arguments, "-o", tmp_path / "new")
        assert done.exit_code == 2, done.output
        assert said in done.output


def test_packed_lights_and_masters_give_the_same_pixels(camera: Camera, masters: Path, tmp_path: Path) -> None:
    raw = light(camera, tmp_path)
    packed, dark = tmp_path / "packed.fits.gz", tmp_path / "dark.fits.gz"
    packed.write_bytes(gzip.compress(raw.read_bytes()))
    dark.write_bytes(gzip.compress((masters / "dark_60.fits").read_bytes()))
    assert calibrate(raw, "--dark", masters / "dark_60.fits", "-o", tmp_path / "out").exit_code == 0
    done = calibrate(packed, "--dark", dark, "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    one, two = (tmp_path / "out" / f"{name}_calibrated.fits" for name in ("light00", "packed"))
    np.testing.assert_array_equal(fits.getdata(one), fits.getdata(two))
    assert fits.getheader(two)["IN002SHA"] == Input.of(dark).sha256


def test_a_dark_without_bias_is_scaled_only_when_allowed(camera: Camera, masters: Path, tmp_path: Path) -> None:
    long = fits.getdata(masters / "dark_120.fits").astype(np.float32)
    header = fits.Header({**NINA, "IMAGETYP": "Master Dark", "EXPTIME": 120.0, "CALSTAT": "BM", "BUNIT": "adu"})
    bias = fits.Header({**NINA, "IMAGETYP": "Master Bias", "EXPTIME": 0.0, "BUNIT": "adu"})
    fits.writeto(tmp_path / "dark.fits", long - camera.bias.astype(np.float32), header)
    fits.writeto(tmp_path / "bias.fits", camera.bias.astype(np.float32), bias)
    raw = light(camera, tmp_path)
    call = (raw, "--dark", tmp_path / "dark.fits", "--bias", tmp_path / "bias.fits", "-o", tmp_path / "out")
    done = calibrate(*call)
    assert done.exit_code == 1
    assert "exposure: frame 60, master 120" in done.output
    done = calibrate(*call, "--scale-dark", "--json")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert (told["dark_scale"], told["calstat"]) == (0.5, "BD")
    made = fits.getdata(tmp_path / "out" / "light00_calibrated.fits")
    assert float(np.median(made - SKY_E * camera.response / 1.5)) == pytest.approx(0.0, abs=1.0)
    assert fits.getheader(tmp_path / "out" / "light00_calibrated.fits")["DARKSCAL"] == 0.5


def test_bad_pixels_and_cosmic_rays_are_replaced_in_one_go(camera: Camera, masters: Path, tmp_path: Path) -> None:
    raw = light(camera, tmp_path)
    (tmp_path / "bad.yaml").write_text("columns: [64]\n")
    done = calibrate(
        raw, "--masters", masters, "--bad-pixels", tmp_path / "bad.yaml", "--cosmics", "-o", tmp_path / "o", "--json"
    )
    assert done.exit_code == 0, done.output
    with fits.open(tmp_path / "o" / "light00_calibrated.fits") as units:
        assert (units["MASK"].data[:, 63] & 1).all()
        header = units[0].header
    assert (header["BPIXFILE"], header["CALCOSM"], header["IN004NAM"]) == ("bad.yaml", True, "bad.yaml")


def test_a_pedestal_of_the_light_or_of_a_master_is_taken_off(camera: Camera, masters: Path, tmp_path: Path) -> None:
    raw = light(camera, tmp_path)
    pixels, header = fits.getdata(raw), fits.getheader(raw)
    header["PEDESTAL"] = -100
    fits.writeto(tmp_path / "lifted.fits", pixels.clip(max=65_000) + np.uint16(100), header)
    dark = masters / "dark_60.fits"
    assert calibrate(raw, tmp_path / "lifted.fits", "--dark", dark, "-o", tmp_path / "out").exit_code == 0
    with (
        fits.open(tmp_path / "out" / "light00_calibrated.fits") as plain,
        fits.open(tmp_path / "out" / "lifted_calibrated.fits", checksum=True) as lifted,
    ):
        for plane in ("SCI", "ERR", "MASK"):
            np.testing.assert_array_equal(lifted[plane].data, plain[plane].data)
        assert lifted[0].header["PEDESTAL"] == 0
    with fits.open(dark) as units:
        units[0].header["PEDESTAL"] = 100
        units[0].data += 100
        units.writeto(tmp_path / "dark.fits")
    assert calibrate(raw, "--dark", tmp_path / "dark.fits", "-o", tmp_path / "again").exit_code == 0
    again = fits.getdata(tmp_path / "again" / "light00_calibrated.fits")
    np.testing.assert_allclose(again, fits.getdata(tmp_path / "out" / "light00_calibrated.fits"), atol=0.01)
    assert (
        fits.getheader(tmp_path / "again" / "light00_calibrated.fits")["IN002SHA"]
        == Input.of(tmp_path / "dark.fits").sha256
    )


def test_a_cube_of_one_plane_is_a_light_and_one_of_three_is_not(camera: Camera, masters: Path, tmp_path: Path) -> None:
    plain = light(camera, tmp_path, "plain")
    data, header = fits.getdata(plain), fits.getheader(plain)
    for name, count in (("one", 1), ("three", 3)):
        fits.writeto(tmp_path / f"{name}.fits", np.stack([data] * count), header)
    done = calibrate(plain, tmp_path / "one.fits", tmp_path / "three.fits", "--masters", masters, "-o", tmp_path)
    assert "three.fits: the light has 3 colour planes" in done.output
    flat, cube = (fits.getdata(tmp_path / f"{name}_calibrated.fits") for name in (plain.stem, "one"))
    assert cube == pytest.approx(flat, abs=0)

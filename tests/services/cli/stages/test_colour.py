"""pictor contsub, composite and preview on small simulated frames."""

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from pictor.imaging.compositing.pictures import write_picture
from pictor.imaging.preview.tiles import tile_index
from pictor.imaging.products import Provenance
from pictor.imaging.simulator.colour_plan import SMALL, plan_colour
from pictor.imaging.simulator.light import calibrate_ideally, render_light


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calibrated lights of one pointing, in red and H-alpha, and a raw colour frame."""
    folder = tmp_path_factory.mktemp("frames")
    lights = {one.light.filter_name: one.light for one in plan_colour(SMALL, 1) if one.light is not None}
    for name, spec in lights.items():
        same = replace(spec, pointing=lights["Red"].pointing, satellite=0.0, cosmic_rays=False)
        raw, _ = render_light(same)
        header = fits.Header({"FILTER": name, "EGAIN": 0.7, "BUNIT": "adu", "ROWORDER": "TOP-DOWN"})
        fits.PrimaryHDU(calibrate_ideally(raw, same), header).writeto(folder / f"{name}.fits")
    rng = np.random.default_rng(1)
    bayer = np.tile(np.array([[300, 200], [200, 100]]), (60, 80)) + rng.integers(0, 9, (120, 160))
    fits.PrimaryHDU(bayer.astype(np.uint16), fits.Header({"BAYERPAT": "RGGB"})).writeto(folder / "osc.fits")
    (folder / "broken.fits").write_bytes(b"SIMPLE  =                    T")
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def told(result: Result, capfd: pytest.CaptureFixture[str]) -> str:
    return result.output + "".join(capfd.readouterr())


def test_contsub_writes_the_line_with_its_numbers_and_inputs(
    frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "line.fits"
    done = run("contsub", frames / "Ha.fits", frames / "Red.fits", "-o", out, "--json")
    found = json.loads(told(done, capfd))
    assert done.exit_code == 0
    with fits.open(out, checksum=True) as units:
        header = units[0].header
        assert header["CSCALE"] == pytest.approx(found["scale"])
        assert header["IN001NAM"] == "Ha.fits"
        assert header["IN002SHA"] == hashlib.sha256((frames / "Red.fits").read_bytes()).hexdigest()
        assert any("convolved" in line for line in header["HISTORY"])
        assert "MASK" in units
    assert found["star_count"] >= 8
    assert found["scale"] == pytest.approx(70 * 180 / (900 * 60), rel=0.15)


def test_contsub_replaces_nothing_unasked(frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "line.fits"
    out.write_text("mine")
    assert run("contsub", frames / "Ha.fits", frames / "Red.fits", "-o", out).exit_code == 2
    assert out.read_text() == "mine"
    assert "--overwrite" in told(run("contsub", frames / "Ha.fits", frames / "Red.fits", "-o", out), capfd)
    assert run("contsub", frames / "Ha.fits", frames / "Red.fits", "-o", out, "--overwrite").exit_code == 0


def test_contsub_takes_another_line_off_the_broad_frame(
    frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line, out = tmp_path / "line.fits", tmp_path / "other.fits"
    pair = frames / "Ha.fits", frames / "Red.fits"
    assert run("contsub", *pair, "-o", line).exit_code == 0
    assert run("contsub", *pair, "-o", out, "--other-line", f"{line}=0.05").exit_code == 0
    header = fits.getheader(out)
    assert header["CSOTHERS"] == 1
    assert header["IN003NAM"] == "line.fits"
    capfd.readouterr()
    wrong = run("contsub", *pair, "-o", tmp_path / "a.fits", "--other-line", "line.fits")
    assert wrong.exit_code == 2
    assert "line_Ha.fits=0.33" in told(wrong, capfd)


def test_contsub_refuses_what_cannot_be(frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    starless = tmp_path / "starless.fits"
    fits.PrimaryHDU(np.random.default_rng(1).normal(100, 3, (300, 400)).astype(np.float32)).writeto(starless)
    refused = run("contsub", starless, frames / "Red.fits", "-o", tmp_path / "a.fits")
    assert refused.exit_code == 1
    assert "unsaturated stars" in told(refused, capfd)
    assert run("contsub", frames / "broken.fits", frames / "Red.fits", "-o", tmp_path / "a.fits").exit_code == 1
    wrong = run("contsub", frames / "Ha.fits", frames / "Red.fits", "-o", tmp_path / "a.fits", "--sky", "mesh")
    assert wrong.exit_code == 2
    assert not (tmp_path / "a.fits").exists()


def test_composite_makes_a_picture_that_says_of_what(
    frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "hoo.png"
    done = run(
        "composite", frames / "Ha.fits", frames / "Red.fits", "-o", out, "--palette", "hoo", "--bits", 16, "--json"
    )
    found = json.loads(told(done, capfd))
    assert done.exit_code == 0
    assert Path(found["channels"]["red"]).name == "Ha.fits"
    assert Path(found["channels"]["blue"]).name == "Red.fits"
    with Image.open(out) as image:
        image.load()
        assert image.size == (found["width"], found["height"])
        assert hashlib.sha256((frames / "Ha.fits").read_bytes()).hexdigest() in image.info["Source"]
        assert str(frames) not in str(image.info)


def test_composite_takes_channels_by_name_and_writes_a_cube(
    frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, red = tmp_path / "cube.fits", frames / "Red.fits"
    done = run("composite", "--red", frames / "Ha.fits", "--green", red, "--blue", red, "-o", out, "--white", "1,1,2")
    assert "white balance 1.000, 1.000, 2.000 as given" in told(done, capfd)
    with fits.open(out) as units:
        assert units[0].data.shape[0] == 3
        assert units[0].header["WHITE3"] == 2.0
    again = run("composite", out, "-o", tmp_path / "again.jpg", "--white", "1,1,1")
    assert again.exit_code == 0
    assert Image.open(tmp_path / "again.jpg").mode == "RGB"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--palette", "cmyk", "-o", "a.png"], "--palette is one of rgb, sho, hoo, hgb"),
        (["-o", "a.bmp"], ".png, .tif, .jpg, .webp or .fits"),
        (["-o", "a.jpg", "--bits", "16"], "write .png or .tif"),
        (["-o", "a.png", "--white", "1,2"], "three numbers"),
        (["-o", "a.png", "--stretch", "log"], "--stretch is one of"),
        (["-o", "a.png", "--black", "0.9995"], "must rise"),
    ],
)
def test_composite_says_what_is_wrong_with_a_call(
    frames: Path, words: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run("composite", frames / "Ha.fits", frames / "Red.fits", *words)
    assert done.exit_code == 2
    assert said in told(done, capfd)


def test_composite_needs_all_filters(frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = run("composite", frames / "Ha.fits", frames / "Red.fits", "-o", tmp_path / "a.png", "--palette", "sho")
    assert done.exit_code == 1
    assert "the palette sho shows SII, Ha, OIII; 2 frames" in told(done, capfd)


def test_preview_makes_every_picture_and_the_others_when_one_frame_is_broken(
    frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = [frames / name for name in ("Red.fits", "broken.fits", "osc.fits")]
    done = run("preview", *paths, "-o", tmp_path, "--size", 200, "--thumbnail", "--corners", "--tiles", "--json")
    said = capfd.readouterr()
    red, broken, osc = json.loads(done.stdout or said.out)
    assert done.exit_code == 1
    assert "refused" in broken
    assert red["pictures"]["preview"]["width"] == 200
    assert osc["debayered"] == "RGGB"
    assert Image.open(tmp_path / "osc_preview.png").mode == "RGB"
    assert Image.open(tmp_path / "Red_thumbnail.webp").size == (200, 150)
    index = json.loads((tmp_path / "Red_tiles.json").read_text())
    assert index["width"] == 400
    assert tile_index(tmp_path / "Red_tiles.szi").levels == index["levels"]
    sha = hashlib.sha256((frames / "Red.fits").read_bytes()).hexdigest()
    with zipfile.ZipFile(tmp_path / "Red_tiles.szi") as archive:
        assert sha in archive.read("tiles/tiles.xmp").decode()
    for name in ("Red_preview.png", "Red_corners.png", "Red_thumbnail.webp"):
        assert sha.encode() in (tmp_path / name).read_bytes()


def test_a_raw_colour_frame_has_the_colours_of_its_filters(frames: Path, tmp_path: Path) -> None:
    assert run("preview", frames / "osc.fits", "-o", tmp_path, "--stretch", "linear").exit_code == 0
    assert run("preview", frames / "osc.fits", "-o", tmp_path / "grey", "--grey").exit_code == 0
    assert Image.open(tmp_path / "osc_preview.png").mode == "RGB"
    assert Image.open(tmp_path / "grey" / "osc_preview.png").mode == "L"


def test_preview_replaces_nothing_unasked(frames: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "Red_preview.png", np.zeros((2, 2, 1), np.uint8), Provenance("test"))
    assert run("preview", frames / "Red.fits", "-o", tmp_path).exit_code == 2
    assert Image.open(tmp_path / "Red_preview.png").size == (2, 2)
    assert run("preview", frames / "Red.fits", "-o", tmp_path, "--overwrite").exit_code == 0
    assert run("preview", frames / "Red.fits", "-o", tmp_path, "--stretch", "log").exit_code == 2

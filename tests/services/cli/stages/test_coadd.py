"""`pictor register`, `resample` and `coadd` on files."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, write_product
from tests.imaging.resampling.skies import CENTRE, frame_of, stars_on, wcs

SHAPE = (160, 180)


def pictor(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def lights(tmp_path: Path, rng: np.random.Generator) -> list[Path]:
    """Three solved lights of one field; the second is turned upside down."""
    ra = CENTRE[0] + np.array([-0.02, -0.013, 0.001, 0.012, 0.022, -0.004, 0.017, -0.018])
    dec = CENTRE[1] + np.array([0.01, -0.017, 0.016, -0.008, 0.018, -0.002, 0.004, 0.022])
    paths = []
    for number, (turn, east) in enumerate(((0.0, 0.0), (180.0, 0.003), (2.0, -0.002))):
        own = wcs(SHAPE, turn=turn, centre=(CENTRE[0] + east, CENTRE[1]))
        image = 300 + rng.normal(0, 4, SHAPE) + stars_on(own, SHAPE, ra, dec, np.linspace(3e4, 9e4, 8))
        frame = frame_of(image.astype(np.float32), own)
        frame.header.update(
            {"EXPTIME": 60.0, "EGAIN": 1.5, "OBJECT": "field", "DATE-OBS": f"2026-10-12T20:0{number}:00"}
        )
        paths.append(tmp_path / f"light_{number}.fits")
        write_product(paths[-1], frame, Provenance("test"))
    return paths


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    (tmp_path / "empty.fits").write_bytes(b"")
    return tmp_path / "empty.fits"


def unsolved(paths: list[Path], folder: Path) -> list[Path]:
    """The same lights without world coordinates."""
    folder.mkdir()
    made = []
    for path in paths:
        made.append(folder / path.name)
        write_product(made[-1], Frame(fits.getdata(path), header=fits.Header({"EXPTIME": 60.0})), Provenance("test"))
    return made


@pytest.mark.parametrize("by", ["auto", "stars"])
def test_registered_frames_lie_on_the_pixels_of_the_reference(lights: list[Path], tmp_path: Path, by: str) -> None:
    done = pictor("register", *lights, "--reference", lights[0], "-o", tmp_path / "out", "--by", by, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told[1]["rotation_deg"] % 360 == pytest.approx(180, abs=0.2)
    assert told[1]["by"] == ("wcs" if by == "auto" else "stars")
    reference = fits.getdata(lights[0])
    with fits.open(tmp_path / "out" / "light_1_registered.fits", checksum=True) as units:
        assert [unit.name for unit in units] == ["SCI", "MASK"]
        seen = np.isfinite(units[0].data)
        assert np.abs(units[0].data - reference)[seen].max() < 0.02 * reference.max()
        header = units[0].header
    assert read_wcs(header) == read_wcs(fits.getheader(lights[0]))
    assert header["IN001SHA"] == Input.of(lights[1]).sha256
    assert header["IN002NAM"] == "light_0.fits"


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_transforms_can_be_written_instead_of_frames(lights: list[Path], tmp_path: Path, ending: str) -> None:
    table = tmp_path / f"transforms.{ending}"
    done = pictor("register", *lights, "--reference", lights[0], "--by", "stars", "--transforms-only", table)
    assert done.exit_code == 0, done.output
    if ending == "json":
        frames = json.loads(table.read_text())["frames"]
        shift, matches = frames[1]["matrix"][0][2], frames[1]["matches"]
    else:
        rows = list(csv.DictReader(line for line in table.read_text().splitlines() if not line.startswith("#")))
        shift, matches = float(rows[1]["m13"]), int(rows[1]["matches"])
    assert shift == pytest.approx(179 - 0.003 * 3600 / 1.5 * np.cos(np.radians(22)), abs=14)
    assert matches >= 6
    again = pictor("register", *lights, "--reference", lights[0], "--transforms-only", table)
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr
    assert not list(tmp_path.glob("*_registered.fits"))


def test_one_bad_frame_among_good_ones_is_named_and_the_others_are_done(
    lights: list[Path], bad: Path, tmp_path: Path
) -> None:
    for command, options in (("register", ["--reference", lights[0]]), ("resample", ["--onto", lights[0]])):
        done = pictor(command, lights[1], bad, lights[2], *options, "-o", tmp_path / command)
        assert done.exit_code == 1, done.output
        assert "empty.fits" in done.stderr
        assert len(list((tmp_path / command).glob("*.fits"))) == 2
    done = pictor("coadd", lights[0], bad, lights[1], "-o", tmp_path / "sum.fits", "--json")
    assert done.exit_code == 1
    assert "empty.fits" in done.stderr
    told = json.loads(done.stdout)
    assert (told["lights"], len(told["refused"])) == (2, 1)
    assert fits.getheader(tmp_path / "sum.fits")["NINPUT"] == 2


def test_a_grid_is_made_as_asked(lights: list[Path], tmp_path: Path) -> None:
    asked = ["--centre", CENTRE[0], CENTRE[1], "--size", 90, 70, "--scale", 3, "--north-up"]
    done = pictor("resample", *lights, *asked, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    header = fits.getheader(tmp_path / "out" / "light_1_resampled.fits")
    found = read_wcs(header)
    assert (header["NAXIS1"], header["NAXIS2"]) == (90, 70)
    assert found is not None
    assert found.crval == pytest.approx(CENTRE)
    assert found.crpix == (45.5, 35.5)
    assert np.allclose(found.cd, [[-3 / 3600, 0], [0, 3 / 3600]])


def test_a_coadd_carries_exposure_planes_inputs_and_weight(lights: list[Path], tmp_path: Path) -> None:
    out, weight = tmp_path / "sum.fits", tmp_path / "weight.fits"
    done = pictor("coadd", *lights, "-o", out, "--weight-out", weight)
    assert done.exit_code == 0, done.output
    assert "total exposure 180 s" in done.stdout
    with fits.open(out, checksum=True) as units:
        assert [unit.name for unit in units] == ["SCI", "ERR", "MASK"]
        header, err = units[0].header, units["ERR"].data
    assert (header["NCOMBINE"], header["TOTALEXP"], header["OBJECT"]) == (3, 180.0, "field")
    assert [header[f"IN{k:03d}SHA"] for k in (1, 2, 3)] == [Input.of(path).sha256 for path in lights]
    with fits.open(weight, checksum=True) as units:
        assert [unit.name for unit in units] == ["WEIGHT", "NUSED"]
        used = units["NUSED"].data == 3
        np.testing.assert_allclose(units["WEIGHT"].data[used], 1 / err[used] ** 2, rtol=1e-5)


def test_lights_without_coordinates_are_coadded_by_their_stars(lights: list[Path], tmp_path: Path) -> None:
    bare = unsolved(lights, tmp_path / "bare")
    done = pictor("coadd", *bare, "-o", tmp_path / "sum.fits", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["by"] == "stars"
    assert fits.getdata(tmp_path / "sum.fits").shape == SHAPE
    asked = pictor("coadd", *bare, "-o", tmp_path / "other.fits", "--scale", 3)
    assert asked.exit_code == 2
    assert "solve them first" in asked.stderr


def test_nothing_is_replaced_unless_told(lights: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "sum.fits"
    out.write_bytes(b"mine")
    assert pictor("coadd", *lights, "-o", out).exit_code == 2
    assert out.read_bytes() == b"mine"
    assert pictor("coadd", *lights, "-o", out, "--overwrite").exit_code == 0
    (tmp_path / "light_1_resampled.fits").write_bytes(b"mine")
    assert pictor("resample", *lights, "-o", tmp_path).exit_code == 2
    assert not (tmp_path / "light_0_resampled.fits").exists()


def test_wrong_calls_say_what_is_wrong(lights: list[Path], bad: Path, tmp_path: Path) -> None:
    for arguments, sentence in (
        (["resample", lights[0], "--onto", lights[1], "--scale", 2], "--onto gives the whole grid"),
        (["resample", lights[0], "--centre", 400, 22], "no direction"),
        (["resample", lights[0], "--onto", bad], "empty.fits"),
        (["register", lights[0], "--reference", bad], "empty.fits"),
        (["register", lights[0], "--reference", lights[0], "--transforms-only", tmp_path / "t.txt"], ".json or .csv"),
    ):
        done = pictor(*arguments)
        assert done.exit_code == 2, done.output
        assert sentence in done.stderr
    lost = pictor("coadd", bad, "-o", tmp_path / "none.fits")
    assert lost.exit_code == 1
    assert not (tmp_path / "none.fits").exists()

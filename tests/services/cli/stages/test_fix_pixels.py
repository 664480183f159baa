"""`pictor fix-pixels` on files."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from pictor.imaging.frame import Frame
from pictor.imaging.products import Provenance, write_product

SHAPE = (40, 50)


def fix(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fix-pixels", *map(str, arguments)])


@pytest.fixture
def light(tmp_path: Path) -> Path:
    data = np.full(SHAPE, 300, np.uint16)
    data[4, 6], data[:, 20] = 60_000, 9
    fits.writeto(tmp_path / "light.fits", data, fits.Header({"IMAGETYP": "LIGHT", "OBJECT": "M 51"}))
    return tmp_path / "light.fits"


@pytest.fixture
def bad_map(tmp_path: Path) -> Path:
    bad = np.zeros(SHAPE, np.uint8)
    bad[4, 6], bad[:, 20] = 1, 2
    fits.writeto(tmp_path / "map.fits", bad)
    return tmp_path / "map.fits"


@pytest.fixture
def bad_list(tmp_path: Path) -> Path:
    (tmp_path / "bad.yaml").write_text("bad_columns: [21]\npixels: [[5, 7]]\n")
    return tmp_path / "bad.yaml"


@pytest.mark.parametrize("kind", ["map", "list"])
def test_bad_pixels_are_replaced_and_counted_in_the_cards(
    light: Path, bad_map: Path, bad_list: Path, tmp_path: Path, kind: str
) -> None:
    source = bad_map if kind == "map" else bad_list
    done = fix(light, "--map", source, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert (told["bad"], told["fixed"], told["left"]) == (41, 41, 0)
    with fits.open(tmp_path / "out" / "light_fixed.fits", checksum=True) as units:
        assert (units[0].data == 300).all()
        assert units["MASK"].data[4, 6] == 1
        header = units[0].header
    wanted = {"BPIXCORR": True, "BPIXFILE": source.name, "BPIX_MIN": 4, "BPIXDPIX": 2, "BPIXNBAD": 41, "BPIXNFIX": 41}
    assert {key: header[key] for key in wanted} == wanted
    assert (header["BPIXNREM"], header["NINPUT"], header["IN002NAM"], header["OBJECT"]) == (0, 2, source.name, "M 51")


def test_under_a_colour_pattern_neighbours_are_of_one_colour(bad_map: Path, tmp_path: Path) -> None:
    data = np.tile([[100, 200], [200, 400]], (20, 25)).astype(np.uint16)
    truth = data.astype(np.float32)
    data[4, 6], data[:, 20] = 60_000, 60_000
    fits.writeto(tmp_path / "osc.fits", data, fits.Header({"BAYERPAT": "RGGB"}))
    assert fix(tmp_path / "osc.fits", "--map", bad_map, "-o", tmp_path / "out").exit_code == 0
    np.testing.assert_array_equal(fits.getdata(tmp_path / "out" / "osc_fixed.fits"), truth)
    assert fix(tmp_path / "osc.fits", "--map", bad_map, "--mono", "-o", tmp_path / "mono").exit_code == 0
    assert (fits.getdata(tmp_path / "mono" / "osc_fixed.fits") != truth).any()


def test_without_a_map_the_mask_of_the_frame_tells(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[4, 6], mask[8, 8] = 1, 8
    data = np.where(mask != 0, 9e4, 100).astype(np.float32)
    write_product(tmp_path / "p.fits", Frame(data, np.ones(SHAPE, np.float32), mask), Provenance("test"))
    assert fix(tmp_path / "p.fits", "-o", tmp_path / "out", "--radius", 1).exit_code == 0
    with fits.open(tmp_path / "out" / "p_fixed.fits") as units:
        assert (units[0].data == 100).all()
        assert (units[0].header["BPIXFILE"], units[0].header["BPIXDPIX"], units["ERR"].data[0, 0]) == ("MASK", 1, 1)


def test_a_list_is_counted_in_pixels_of_the_frame(bad_list: Path, tmp_path: Path) -> None:
    data = np.full((20, 25), 300, np.uint16)
    data[:, 10] = 9
    fits.writeto(tmp_path / "binned.fits", data, fits.Header({"XBINNING": 2, "YBINNING": 2}))
    assert fix(tmp_path / "binned.fits", "--map", bad_list, "-o", tmp_path / "out").exit_code == 0
    assert (fits.getdata(tmp_path / "out" / "binned_fixed.fits") == 300).all()


def test_one_bad_frame_leaves_the_others_and_nothing_is_overwritten(light: Path, bad_map: Path, tmp_path: Path) -> None:
    small, text = tmp_path / "small.fits", tmp_path / "text.fits"
    fits.writeto(small, np.ones((5, 5), np.uint16))
    text.write_text("no frame")
    done = fix(small, text, light, "--map", bad_map, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert ["refused" in one for one in told] == [True, True, False]
    assert told[0]["reason"] == "frame-mismatch"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["light_fixed.fits"]
    again = fix(light, "--map", bad_map, "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "--overwrite replaces it" in again.output
    assert fix(light, "--map", bad_map, "-o", tmp_path / "out", "--overwrite").exit_code == 0


@pytest.mark.parametrize("text", ["columns: [x]", "rubbish: [1]", "columns: ["])
def test_a_wrong_list_is_a_wrong_call(light: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong.yaml").write_text(text)
    done = fix(light, "--map", tmp_path / "wrong.yaml", "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert "the bad-pixel list, line 1" in done.output
    assert not (tmp_path / "out").exists()


def test_a_list_that_names_pixels_outside_the_frame_refuses_it(light: Path, tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text("columns: [51]")
    done = fix(light, "--map", tmp_path / "far.yaml", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "outside the frame of 50 columns and 40 rows" in done.output

"""`pictor cosmics` on files."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from pictor.imaging.frame import Frame
from pictor.imaging.products import Provenance, write_product

SHAPE = (128, 160)
HITS = [(20, 30), (20, 31), (60, 100), (100, 20), (101, 21), (102, 22)]


def cosmics(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["cosmics", *map(str, arguments)])


def only_hits(mask: np.ndarray) -> bool:
    """Whether every hit is marked, and nothing but hits and what touches them."""
    wanted = np.zeros(SHAPE, bool)
    wanted[tuple(np.transpose(HITS))] = True
    return bool(mask[wanted].all() and not (mask & ~ndimage.binary_dilation(wanted, np.ones((3, 3)))).any())


@pytest.fixture
def light(rng: np.random.Generator, tmp_path: Path) -> Path:
    data = rng.poisson(600, SHAPE) / 1.5 + rng.normal(0, 3, SHAPE) + 500
    for y, x in HITS:
        data[y, x] += 2000
    header = fits.Header({"IMAGETYP": "LIGHT", "EGAIN": 1.5, "GAIN": 100})
    fits.writeto(tmp_path / "light.fits", np.rint(data).astype(np.uint16), header)
    return tmp_path / "light.fits"


def test_hits_are_replaced_marked_and_told(light: Path, tmp_path: Path) -> None:
    done = cosmics(light, "-o", tmp_path / "out", "--sigma", 6, "--mask-out", "--difference", "--json")
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert told["noise"] == "sky of the frame, gain 1.5"
    raw = fits.getdata(light).astype(float)
    with fits.open(tmp_path / "out" / "light_clean.fits", checksum=True) as units:
        clean, mask, header = units[0].data, units["MASK"].data, units[0].header
    assert only_hits(mask == 8)
    assert (header["CR_CLEAN"], header["CR_NPIX"], header["NINPUT"]) == (True, (mask == 8).sum(), 1)
    assert told["hit"] == (mask == 8).sum()
    assert max(abs(clean[y, x] - 900) for y, x in HITS) < 60
    np.testing.assert_array_equal(fits.getdata(tmp_path / "out" / "light_hits.fits"), mask == 8)
    np.testing.assert_allclose(fits.getdata(tmp_path / "out" / "light_difference.fits"), raw - clean, atol=1e-3)


def test_values_too_coarse_for_faint_hits_are_told(light: Path, tmp_path: Path) -> None:
    fits.writeto(tmp_path / "byte.fits", (fits.getdata(light) // 64).astype(np.uint8), fits.getheader(light))
    done = cosmics(light, tmp_path / "byte.fits", "-o", tmp_path / "out", "--json")
    fine, coarse = json.loads(done.stdout)
    assert fine["cautions"] == []
    assert "steps of 1, wider than their noise" in coarse["cautions"][0]
    said = "".join(fits.getheader(tmp_path / "out" / "byte_clean.fits")["HISTORY"])
    assert "hits fainter than a few steps" in said
    assert "steps of 1" in cosmics(tmp_path / "byte.fits", "-o", tmp_path / "again").stdout


def test_the_error_plane_of_a_product_is_the_noise_and_is_carried(light: Path, tmp_path: Path) -> None:
    data = fits.getdata(light).astype(np.float32)
    write_product(tmp_path / "p.fits", Frame(data, np.full(SHAPE, 17, np.float32)), Provenance("test"))
    done = cosmics(tmp_path / "p.fits", "-o", tmp_path / "out", "--sigma", 6)
    assert done.exit_code == 0, done.output
    assert "noise from ERR plane" in done.output
    with fits.open(tmp_path / "out" / "p_clean.fits") as units:
        assert units["ERR"].data[0, 0] == 17
        assert only_hits(units["MASK"].data == 8)


def test_gain_and_read_noise_may_be_given(light: Path, tmp_path: Path) -> None:
    done = cosmics(light, "-o", tmp_path / "out", "--egain", 1.5, "--read-noise", 4.5, "--sigma", 6, "--json")
    (told,) = json.loads(done.stdout)
    assert told["noise"] == "gain 1.5, read noise 4.5 e-"
    assert told["hit"] >= len(HITS)
    header = fits.getheader(tmp_path / "out" / "light_clean.fits")
    assert "sigma=6.0" in "".join(header["HISTORY"])


def test_one_bad_frame_leaves_the_others_and_nothing_is_overwritten(light: Path, tmp_path: Path) -> None:
    colour = tmp_path / "colour.fits"
    fits.writeto(colour, np.ones((3, 16, 16), np.float32))
    done = cosmics(colour, light, "-o", tmp_path / "out", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert ("one plane" in told[0]["refused"], told[1]["hit"] >= len(HITS)) == (True, True)
    assert cosmics(light, "-o", tmp_path / "out").exit_code == 2
    (tmp_path / "out" / "light_clean.fits").unlink()
    (tmp_path / "out" / "light_hits.fits").write_bytes(b"precious")
    done = cosmics(light, "-o", tmp_path / "out", "--mask-out")
    assert done.exit_code == 2, "every product's name is looked at before any work"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["light_hits.fits"]


def test_a_wrong_number_is_a_wrong_call(light: Path, tmp_path: Path) -> None:
    assert cosmics(light, "-o", tmp_path / "out", "--sigma", 0).exit_code == 2
    done = cosmics(light, "-o", tmp_path / "out", "--egain", -1)
    assert done.exit_code == 1
    assert "above zero" in done.output

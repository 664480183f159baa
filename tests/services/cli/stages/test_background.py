"""`pictor background` as a person calls it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from pictor.cli.main import app
from pictor.imaging.frame import Frame
from tests.services.cli.stages.starframes import FIELD, write_light

RUN = CliRunner()


@pytest.fixture
def light(tmp_path: Path) -> Path:
    return write_light(tmp_path / "light_001.fits")


def test_level_noise_and_subtracted_frame_are_written_with_provenance(light: Path, tmp_path: Path) -> None:
    out = tmp_path / "sky"
    done = RUN.invoke(app, ["background", str(light), "-o", str(out), "--noise", "--subtract", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)[0]
    assert told["level"] == pytest.approx(FIELD.sky, abs=10)
    assert told["unit"] == "adu"
    names = sorted(path.name for path in out.iterdir())
    assert names == [f"light_001_{kind}.fits" for kind in ("background", "noise", "subtracted")]
    for name in names:
        with fits.open(out / name, checksum=True) as units:
            assert units[0].header["IN001SHA"] == hashlib.sha256(light.read_bytes()).hexdigest()
            assert "background: cell=64" in str(units[0].header["HISTORY"])
    sky, flat = Frame.from_fits(out / names[0]).data, Frame.from_fits(out / names[2]).data
    assert np.allclose(flat + sky, fits.getdata(light).astype(np.float32), atol=0.01)
    assert abs(float(np.median(flat))) < 8.0


def test_without_map_only_numbers_are_told(light: Path, tmp_path: Path) -> None:
    done = RUN.invoke(app, ["background", str(light), "-o", str(tmp_path / "none"), "--no-map"])
    assert done.exit_code == 0
    assert "noise" in done.stdout
    assert not list((tmp_path).glob("none/*"))


def test_error_and_mask_are_carried_into_the_subtracted_frame(tmp_path: Path) -> None:
    image = np.random.default_rng(1).normal(100.0, 5.0, (128, 128)).astype(np.float32)
    mask = np.zeros((128, 128), np.uint8)
    mask[:, 60] = 1
    image[:, 60] = 9000.0
    planes = [
        fits.PrimaryHDU(image),
        fits.ImageHDU(np.full_like(image, 5.0), name="ERR"),
        fits.ImageHDU(mask, name="MASK"),
    ]
    fits.HDUList(planes).writeto(tmp_path / "cal.fits")
    assert RUN.invoke(app, ["background", str(tmp_path / "cal.fits"), "-o", str(tmp_path), "--subtract"]).exit_code == 0
    flat = Frame.from_fits(tmp_path / "cal_subtracted.fits")
    assert flat.err is not None
    assert flat.mask is not None
    assert (flat.err == 5.0).all()
    assert np.array_equal(flat.mask, mask)
    assert abs(float(np.median(flat.data))) < 1.0


def test_a_taken_name_a_small_cell_and_a_bad_frame(light: Path, tmp_path: Path) -> None:
    (tmp_path / "light_001_background.fits").write_text("mine")
    done = RUN.invoke(app, ["background", str(light), "-o", str(tmp_path)])
    assert (done.exit_code, (tmp_path / "light_001_background.fits").read_text()) == (2, "mine")
    assert RUN.invoke(app, ["background", str(light), "--no-map", "--cell", "2"]).exit_code == 2
    empty = tmp_path / "empty.fits"
    fits.writeto(empty, np.full((64, 64), np.nan, np.float32))
    done = RUN.invoke(app, ["background", str(empty), str(light), "--no-map", "--json"])
    assert done.exit_code == 1
    assert [one.get("reason") for one in json.loads(done.stdout)] == ["no-usable-pixel", None]

"""`pictor stars` as a person calls it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits
from PIL import Image
from typer.testing import CliRunner

from pictor.cli.main import app
from pictor.imaging.stars.starlist import StarList
from tests.services.cli.stages.starframes import write_light

RUN = CliRunner()


@pytest.fixture
def light(tmp_path: Path) -> Path:
    return write_light(tmp_path / "light_001.fits")


def test_every_product_is_written_and_told(light: Path, tmp_path: Path) -> None:
    out = tmp_path / "stars"
    more = ["--csv", "--regions", "--image", "--yaml", "--zones"]
    done = RUN.invoke(app, ["stars", str(light), "-o", str(out), "--json", *more])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)[0]
    assert sorted(path.name for path in out.iterdir()) == [
        "light_001_stars.csv", "light_001_stars.fits", "light_001_stars.png", "light_001_stars.reg",
        "light_001_stars.yaml", "light_001_zones.csv",
    ]  # fmt: skip
    stars = StarList.from_fits(out / "light_001_stars.fits")
    assert told["source_info"]["stars"] == stars.star_count > 20
    assert told["psf_info"]["fwhm_px"] == pytest.approx(3.1, abs=0.15)
    report = yaml.safe_load((out / "light_001_stars.yaml").read_text())
    assert list(report)[2:] == [
        "image_info", "background_info", "source_info", "saturation_info", "psf_info", "cautions",
    ]  # fmt: skip
    assert report["psf_info"]["zones"][0][0]["star_count"] >= 0
    assert len((out / "light_001_zones.csv").read_text().splitlines()) == 26
    assert len((out / "light_001_stars.csv").read_text().splitlines()) == 1 + len(stars)
    assert Image.open(out / "light_001_stars.png").size == (960, 780)


def test_the_table_carries_provenance_magnitudes_and_apertures(light: Path, tmp_path: Path) -> None:
    assert RUN.invoke(app, ["stars", str(light), "-o", str(tmp_path), "--aperture", "5"]).exit_code == 0
    with fits.open(tmp_path / "light_001_stars.fits", checksum=True) as units:
        header, table = units[0].header, units["STARS"]
        assert header["IN001SHA"] == hashlib.sha256(light.read_bytes()).hexdigest()
        assert "stars: threshold=5.0" in str(header["HISTORY"])
        assert table.header["APRADIUS"] == 5.0
        expected = -2.5 * np.log10(table.data["FLUX"] / 60.0)
        assert table.data["MAG"] == pytest.approx(expected, abs=1e-3)


def test_nothing_is_replaced_unless_told_and_nothing_is_done_before_that_is_checked(
    light: Path, tmp_path: Path
) -> None:
    other = write_light(tmp_path / "light_000.fits", seed=8)
    (tmp_path / "light_001_stars.fits").write_text("mine")
    done = RUN.invoke(app, ["stars", str(other), str(light), "-o", str(tmp_path)])
    assert done.exit_code == 2
    assert "--overwrite" in done.stderr
    assert not (tmp_path / "light_000_stars.fits").exists()
    assert RUN.invoke(app, ["stars", str(light), "-o", str(tmp_path), "--overwrite"]).exit_code == 0
    assert len(StarList.from_fits(tmp_path / "light_001_stars.fits")) > 20


def test_a_bad_frame_is_named_and_the_others_are_done(light: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(light.read_bytes()[:5000])
    done = RUN.invoke(app, ["stars", str(bad), str(light), "-o", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 1
    assert "bad.fits" in done.stderr
    refused, good = json.loads(done.stdout)
    assert refused["reason"]
    assert good["source_info"]["stars"] > 20
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["light_001_stars.fits"]


def test_a_colour_pattern_that_does_not_exist_is_refused_and_none_measures_one_channel(
    light: Path, tmp_path: Path
) -> None:
    done = RUN.invoke(app, ["stars", str(light), "-o", str(tmp_path), "--bayer", "XTRANS"])
    assert done.exit_code == 1
    assert "'XTRANS' is none of RGGB" in done.stderr
    told = RUN.invoke(app, ["stars", str(light), "-o", str(tmp_path), "--bayer", "none", "--json"])
    assert json.loads(told.stdout)[0]["image_info"]["bayer"] is None


def test_a_higher_threshold_finds_fewer_sources(light: Path, tmp_path: Path) -> None:
    def count(threshold: str) -> int:
        done = RUN.invoke(
            app, ["stars", str(light), "-o", str(tmp_path), "--overwrite", "--threshold", threshold, "--json"]
        )
        return int(json.loads(done.stdout)[0]["source_info"]["sources"])

    assert count("5") > count("30")


def test_a_frame_per_second_has_magnitudes_of_its_own_unit(tmp_path: Path) -> None:
    path = write_light(tmp_path / "rate.fits", BUNIT="adu / s")
    assert RUN.invoke(app, ["stars", str(path), "-o", str(tmp_path)]).exit_code == 0
    table = fits.getdata(tmp_path / "rate_stars.fits", "STARS")
    assert table["MAG"] == pytest.approx(-2.5 * np.log10(table["FLUX"]), abs=1e-3)


def test_a_frame_that_does_not_exist_is_a_wrong_call(tmp_path: Path) -> None:
    assert RUN.invoke(app, ["stars", str(tmp_path / "nowhere.fits")]).exit_code == 2


def test_only_the_brightest_are_written_when_asked_and_a_solved_frame_has_its_width_in_arcseconds(
    tmp_path: Path,
) -> None:
    wcs = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 1.0, "CRPIX2": 1.0, "CRVAL1": 10.0, "CRVAL2": 40.0}
    scale = {"CD1_1": -2.0 / 3600, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 2.0 / 3600}
    path = write_light(tmp_path / "solved.fits")
    with fits.open(path, mode="update") as units:
        units[0].header.update(wcs | scale)
    done = RUN.invoke(app, ["stars", str(path), "-o", str(tmp_path), "--json"])
    everything = json.loads(done.stdout)[0]
    again = RUN.invoke(app, ["stars", str(path), "-o", str(tmp_path), "--json", "--brightest", "7", "--overwrite"])
    told = json.loads(again.stdout)[0]
    assert told["psf_info"] == everything["psf_info"]
    assert told["psf_info"]["fwhm_arcsec"] == pytest.approx(2.0 * told["psf_info"]["fwhm_px"], rel=1e-3)
    few = StarList.from_fits(tmp_path / "solved_stars.fits")
    assert len(few) == 7 < everything["source_info"]["sources"]

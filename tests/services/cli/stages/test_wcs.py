"""The command `pictor wcs`."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from typer.testing import CliRunner

from pictor.cli.main import app

CARDS = {
    "CRVAL1": 314.75, "CRVAL2": 44.37, "CRPIX1": 50.5, "CRPIX2": 40.5, "CD1_1": -1e-3, "CD1_2": 2e-4, "CD2_1": 2e-4,
    "CD2_2": 1e-3,
}  # fmt: skip


def call(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["wcs", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    header = fits.Header({"CTYPE1": "RA---ZEA", "CTYPE2": "DEC--ZEA"} | CARDS)
    fits.PrimaryHDU(np.zeros((80, 100), np.float32), header).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


def test_positions_and_pixels_are_those_of_astropy(frame: Path) -> None:
    code, text, _ = call(frame, "--sky", "314.76, 44.38", "--pixel", "1, 1", "--sky", "M 31", "--json")
    assert code == 0
    (told,) = json.loads(text)
    theirs = WCS(fits.getheader(frame))
    x, y = map(float, theirs.world_to_pixel_values(314.76, 44.38))
    assert (told["pixels"][0]["x"], told["pixels"][0]["y"]) == pytest.approx((x + 1, y + 1), abs=1e-6)
    assert told["pixels"][0]["on_frame"] is True
    assert told["pixels"][1]["on_frame"] is False
    ra, dec = map(float, theirs.pixel_to_world_values(0, 0))
    assert (told["positions"][0]["ra_deg"], told["positions"][0]["dec_deg"]) == pytest.approx((ra, dec), abs=1e-9)
    assert told["scale_arcsec"] == pytest.approx(3600 * np.sqrt(1.04e-6), rel=1e-6)
    assert told["parity"] == 1
    assert told["pa_deg"] == pytest.approx(11.31, abs=0.01)
    assert told["north_up"]["width"] > 100
    assert told["projection"] == "RA---ZEA DEC--ZEA"


def test_the_text_names_centre_and_corners(frame: Path) -> None:
    code, text, _ = call(frame, "--sky", "NGC 7000")
    assert code == 0
    assert text.count("corner") == 4
    assert "NGC 7000" in text


def test_a_frame_without_coordinates_is_told_and_leaves_the_others_alone(frame: Path, tmp_path: Path) -> None:
    fits.PrimaryHDU(np.zeros((8, 8), np.float32)).writeto(tmp_path / "b.fits")
    code, text, error = call(tmp_path / "b.fits", frame, "--json")
    assert code == 1
    assert "pictor solve finds them" in error
    assert [one.get("reason") for one in json.loads(text)] == ["no-wcs", None]


@pytest.mark.parametrize("wrong", [["--pixel", "1"], ["--pixel", "a, b"], ["--sky", "Xyzzy"]])
def test_a_wrong_call_is_told(frame: Path, wrong: list[str]) -> None:
    code, _, error = call(frame, *wrong)
    assert code == 2
    assert error

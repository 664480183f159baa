"""Star lists as FITS, CSV, regions and pictures."""

import csv
import io
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pictor.imaging.frame import Frame
from pictor.imaging.products import FileTakenError, Input, Provenance
from pictor.imaging.stars.apertures import aperture_photometry
from pictor.imaging.stars.drawing import draw_stars
from pictor.imaging.stars.measuring import Measured, measure_frame
from pictor.imaging.stars.starlist import StarFlag, StarList
from pictor.imaging.stars.tables import csv_text, ds9_regions, mark_colour, star_rows, write_star_table
from tests.support.sky import Recipe, render

MADE = Provenance("stars", [Input("m51.fits", "ab" * 32)], {"threshold": 5.0}, "pictor test")
WCS_CARDS = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 150.5, "CRPIX2": 100.5, "CRVAL1": 202.5, "CRVAL2": 47.2,
    "CD1_1": -3e-4, "CD1_2": 1e-5, "CD2_1": 1e-5, "CD2_2": 3e-4, "CUNIT1": "deg", "CUNIT2": "deg",
}  # fmt: skip


@cache
def measured() -> Measured:
    image = render(Recipe(shape=(200, 300), stars=40)).image
    return measure_frame(Frame(image, header=fits.Header({**WCS_CARDS, "OBJECT": "M 51", "BZERO": 32768})))


def test_the_table_says_what_made_it_and_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "stars.fits"
    write_star_table(path, measured(), MADE, apertures=aperture_photometry(measured()), exposure_s=30.0)
    with fits.open(path, checksum=True) as units:
        header, table = units[0].header, units["STARS"]
        assert (header["OBJECT"], header["IN001NAM"], header["IN001SHA"]) == ("M 51", "m51.fits", "ab" * 32)
        assert "pictor test stars: threshold=5.0" in str(header["HISTORY"])
        assert table.data["MAG"] == pytest.approx(-2.5 * np.log10(table.data["FLUX"] / 30.0), abs=1e-4)
        assert {"AP_FLUX", "AP_ERR", "AP_SKY", "AP_MAG", "AP_MERR"} <= set(table.columns.names)
        assert table.header["APRADIUS"] == aperture_photometry(measured()).radius
    again = StarList.from_fits(path)
    assert again.x == pytest.approx(measured().stars.x)
    assert again.psf == measured().stars.psf


@pytest.mark.parametrize("projection", ["TAN", "SIN", "ZEA"])
def test_sky_positions_are_those_of_astropy(tmp_path: Path, projection: str) -> None:
    cards = {**WCS_CARDS, "CTYPE1": f"RA---{projection}", "CTYPE2": f"DEC--{projection}"}
    found = replace(measured(), frame=replace(measured().frame, header=fits.Header(cards)))
    write_star_table(tmp_path / "stars.fits", found, MADE)
    table = fits.getdata(tmp_path / "stars.fits", "STARS")
    ra, dec = WCS(fits.Header(cards)).all_pix2world(table["XPOS"], table["YPOS"], 1)
    assert table["RA"] == pytest.approx(ra, abs=1e-8)
    assert table["DEC"] == pytest.approx(dec, abs=1e-8)
    assert "MAG" not in table.names


def test_a_table_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "stars.fits"
    path.write_text("mine")
    with pytest.raises(FileTakenError):
        write_star_table(path, measured(), MADE)
    assert path.read_text() == "mine"
    write_star_table(path, measured(), MADE, overwrite=True)
    assert len(StarList.from_fits(path)) == len(measured().stars)
    assert [one.name for one in tmp_path.iterdir()] == ["stars.fits"]


def test_the_unit_of_the_frame_is_that_of_the_light(tmp_path: Path) -> None:
    frame = measure_frame(Frame(measured().image, unit="electron"))
    write_star_table(tmp_path / "stars.fits", frame, MADE)
    units = {column.name: column.unit for column in fits.open(tmp_path / "stars.fits")["STARS"].columns}
    assert (units["FLUX"], units["PEAK"], units["XPOS"]) == ("electron", "electron", "pix")


def test_csv_holds_the_same_rows_one_based() -> None:
    names, rows = star_rows(measured(), exposure_s=30.0)
    read = list(csv.DictReader(io.StringIO(csv_text(names, rows))))
    assert len(read) == len(measured().stars)
    assert float(read[0]["XPOS"]) == pytest.approx(measured().stars.x[0] + 1, abs=1e-5)
    assert {"MAG", "RA", "DEC"} <= set(names)


def test_regions_are_one_based_ellipses_in_the_colour_of_their_flags() -> None:
    lines = ds9_regions(measured()).splitlines()
    assert lines[2] == "image"
    assert len(lines) == 3 + len(measured().stars)
    first = [float(part) for part in lines[3].split("(")[1].split(")")[0].split(",")]
    assert first[0] == pytest.approx(measured().stars.x[0] + 1, abs=0.01)
    assert first[2] * first[3] == pytest.approx(measured().stars.fwhm[0] ** 2, rel=0.02)


@pytest.mark.parametrize(
    ("flags", "colour"),
    [
        (0, "green"),
        (StarFlag.BLENDED, "yellow"),
        (StarFlag.SATURATED | StarFlag.EXTENDED, "red"),
        (StarFlag.EDGE | StarFlag.BLENDED, "cyan"),
        (StarFlag.HOT_PIXEL, "magenta"),
        (StarFlag.TRAIL | StarFlag.EDGE, "magenta"),
    ],
)
def test_every_flag_has_its_colour(flags: StarFlag, colour: str) -> None:
    assert mark_colour(int(flags)) == colour


@pytest.mark.parametrize("order", ["TOP-DOWN", "BOTTOM-UP"])
def test_marks_lie_around_the_stars_in_the_upright_picture(order: str) -> None:
    rng = np.random.default_rng(4)
    image = rng.normal(300.0, 5.0, (150, 200)).astype(np.float32)
    y, x = np.indices(image.shape)
    image += 5000.0 * np.exp(-((x - 60) ** 2 + (y - 30) ** 2) / (2 * 1.4**2))
    found = measure_frame(Frame(image, header=fits.Header({"ROWORDER": order})))
    picture = np.asarray(draw_stars(found)).astype(int)
    green = (picture[..., 1] > picture[..., 0] + 50) & (picture[..., 1] > picture[..., 2] + 50)
    zoom = picture.shape[1] / 200
    rows, columns = np.nonzero(green)
    row = (30.5 if order == "TOP-DOWN" else 150 - 30.5) * zoom
    assert zoom == 4
    assert columns.mean() == pytest.approx(60.5 * zoom, abs=1.5)
    assert rows.mean() == pytest.approx(row, abs=1.5)
    assert picture[round(row), round(60.5 * zoom)].min() > 150

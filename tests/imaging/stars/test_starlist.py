import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import StarList
from tests.support.sky import Recipe, render


def test_the_table_is_written_with_one_based_coordinates_and_read_back_the_same(tmp_path: Path) -> None:
    found = find_stars(render(Recipe(shape=(300, 400), stars=40)).image)
    found.to_fits(tmp_path / "stars.fits")
    table = fits.getdata(tmp_path / "stars.fits", "STARS")
    assert len(found) > 10
    assert np.allclose(table["XPOS"], found.x + 1)
    assert np.allclose(table["YPOS"], found.y + 1)
    again = StarList.from_fits(tmp_path / "stars.fits")
    assert np.allclose(again.x, found.x)
    assert np.array_equal(again.flags, found.flags)
    assert (again.shape, again.psf, again.saturation) == (found.shape, found.psf, found.saturation)
    assert found.psf is not None
    assert repr(again) == f"StarList({len(found)} sources, {found.star_count} stars, FWHM {found.psf.fwhm:.2f} px)"


def test_an_empty_list_is_a_table_too(tmp_path: Path) -> None:
    StarList.empty((10, 20)).to_fits(tmp_path / "stars.fits")
    assert len(StarList.from_fits(tmp_path / "stars.fits")) == 0


def test_every_length_and_light_has_a_unit(tmp_path: Path) -> None:
    StarList.empty((10, 20)).to_fits(tmp_path / "stars.fits")
    units = {column.name: column.unit for column in fits.open(tmp_path / "stars.fits")["STARS"].columns}
    assert units["XPOS"] == units["FWHM"] == units["HFR"] == "pix"
    assert units["FLUX"] == units["PEAK"] == "adu"
    assert units["THETA"] == "deg"


def test_a_file_without_a_star_list_is_refused_in_words(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "frame.fits")
    with pytest.raises(UnreadableFrameError, match=r"no star list in frame\.fits"):
        StarList.from_fits(tmp_path / "frame.fits")


def test_a_compressed_list_reads_as_the_plain_one_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    ones = np.arange(600.0)
    listed = StarList(*(ones,) * 11, flags=ones.astype(np.int32), shape=(600, 700))
    listed.to_fits(tmp_path / "stars.fits")
    whole = (tmp_path / "stars.fits").read_bytes()
    (tmp_path / "stars.fits.gz").write_bytes(gzip.compress(whole))
    assert np.array_equal(StarList.from_fits(tmp_path / "stars.fits.gz").x, ones)
    assert np.array_equal(StarList.from_fits(tmp_path / "stars.fits").x, ones)
    (tmp_path / "cut.fits").write_bytes(whole[:20000])
    with pytest.raises(UnreadableFrameError):
        StarList.from_fits(tmp_path / "cut.fits")

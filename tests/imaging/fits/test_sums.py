"""Sums that do not hold are found in every HDU, and what they tell is said."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.fits.sums import wrong_sums


@pytest.fixture
def product(tmp_path: Path, rng: np.random.Generator) -> Path:
    path = tmp_path / "product.fits"
    pixels = rng.normal(1000, 10, (50, 60)).astype(np.float32)
    units = fits.HDUList([fits.PrimaryHDU(pixels), fits.ImageHDU(pixels, name="ERR"), fits.ImageHDU(pixels)])
    units.writeto(path, checksum=True)
    return path


def _changed(path: Path, offset: int, value: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(value)


def test_a_sound_file_has_no_wrong_sum_nor_has_one_without_sums(product: Path, tmp_path: Path) -> None:
    assert wrong_sums(product) == []
    fits.PrimaryHDU(np.ones((5, 5))).writeto(tmp_path / "plain.fits")
    assert wrong_sums(tmp_path / "plain.fits") == []


def test_one_flipped_byte_of_any_plane_is_found_and_named(product: Path) -> None:
    with fits.open(product) as units:
        place = units["ERR"].fileinfo()["datLoc"]
    _changed(product, place + 4321, b"\xff")
    (wrong,) = wrong_sums(product)
    assert (wrong.hdu, wrong.name, wrong.data) == (1, "ERR", True)
    assert str(wrong).startswith("HDU 1 (ERR): DATASUM does not match its bytes: the data were damaged")


def test_a_changed_header_is_told_from_damaged_data(product: Path) -> None:
    with fits.open(product) as units:
        end = units[0].fileinfo()["datLoc"]
    content = product.read_bytes()[:end]
    _changed(product, content.index(b"END     "), b"OBJECT  = 'M 51    '".ljust(80) + b"END".ljust(80))
    (wrong,) = wrong_sums(product)
    assert (wrong.hdu, wrong.data, wrong.summed) == (0, False, True)
    assert "the header was changed" in str(wrong)


def test_packed_images_are_looked_at_as_they_are_packed(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "light.fits.fz"
    pixels = rng.integers(900, 1100, (64, 64)).astype(np.int16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels)]).writeto(path, checksum=True)
    assert wrong_sums(path) == []
    _changed(path, path.stat().st_size - 2880 + 40, b"\x55")
    assert [one.hdu for one in wrong_sums(path)] == [1]


def test_sums_known_before_are_not_computed_again(product: Path) -> None:
    assert [one.hdu for one in wrong_sums(product, known={0: 1, 1: 2})] == [0, 1]


def test_files_that_are_no_fits_have_none(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("bad_columns: []\n")
    assert wrong_sums(tmp_path / "list.yaml") == []

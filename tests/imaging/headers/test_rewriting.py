"""A frame under another header: its data as they were, whatever the file."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.cards import Card
from pictor.imaging.frame import Frame
from pictor.imaging.headers.rewriting import write_cards
from pictor.imaging.products import FileTakenError, Input, Provenance, write_product

MADE = Provenance("metadata", [Input("raw.fits", "ab" * 32)], {"from": "a person"}, "pictor test")
WCS = [Card("CTYPE1", "RA---TAN"), Card("CTYPE2", "DEC--TAN"), Card("CRVAL1", 3.0), Card("CRVAL2", 4.0)]


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 65535, (40, 50)).astype(np.uint16)


def test_every_plane_of_a_calibrated_frame_is_kept(tmp_path: Path, rng: np.random.Generator) -> None:
    data, err = rng.normal(size=(2, 40, 50)).astype(np.float32)
    mask = rng.integers(0, 3, (40, 50)).astype(np.uint8)
    before = Provenance("calibrate", [Input("light.fits", "cd" * 32), Input("dark.fits", "ef" * 32)])
    write_product(tmp_path / "a.fits", Frame(data, err, mask), before)
    write_cards(tmp_path / "a.fits", tmp_path / "b.fits", [Card("OBJECT", "M 51", "target")], MADE)
    with fits.open(tmp_path / "b.fits", checksum=True) as units:
        header = units[0].header
        assert [unit.name for unit in units] == ["SCI", "ERR", "MASK"]
        for unit, plane in zip(units, (data, err, mask), strict=True):
            assert np.array_equal(unit.data, plane)
    assert header["OBJECT"] == "M 51"
    assert (header["NINPUT"], header["IN001NAM"], header["IN001SHA"]) == (1, "raw.fits", "ab" * 32)
    assert "IN002NAM" not in header
    assert header["CREATOR"] == "pictor test"


def test_unsigned_pixels_and_their_checksum_stay_as_they_are(tmp_path: Path, pixels: np.ndarray) -> None:
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits", checksum=True)
    write_cards(tmp_path / "a.fits", tmp_path / "b.fits", [Card("OBJECT", "x" * 60)], MADE)
    old, new = ((tmp_path / name).read_bytes() for name in ("a.fits", "b.fits"))
    assert new[-5760:] == old[-5760:]
    header = fits.getheader(tmp_path / "b.fits")
    assert header["DATASUM"] == fits.getheader(tmp_path / "a.fits")["DATASUM"]
    assert (header["BZERO"], header["BITPIX"]) == (32768, 16)


def test_an_older_solution_goes_only_when_there_is_a_new_one(tmp_path: Path, pixels: np.ndarray) -> None:
    fits.PrimaryHDU(pixels, fits.Header({"CRVAL1": 9.0, "CDELT1": 8.0, "PV1_1": 7.0})).writeto(tmp_path / "a.fits")
    write_cards(tmp_path / "a.fits", tmp_path / "b.fits", [Card("OBJECT", "M 51")], MADE)
    assert fits.getheader(tmp_path / "b.fits")["CDELT1"] == 8.0
    write_cards(tmp_path / "a.fits", tmp_path / "c.fits", WCS, MADE, solved=True)
    header = fits.getheader(tmp_path / "c.fits")
    assert header["CRVAL1"] == 3.0
    assert "CDELT1" not in header
    assert "PV1_1" not in header


def test_a_solution_in_a_primary_header_without_image_goes_too(tmp_path: Path, pixels: np.ndarray) -> None:
    primary = fits.PrimaryHDU(header=fits.Header({"CRVAL1": 9.0, "CDELT2": 2.0, "OBSERVER": "Vera"}))
    fits.HDUList([primary, fits.ImageHDU(pixels)]).writeto(tmp_path / "a.fits")
    write_cards(tmp_path / "a.fits", tmp_path / "b.fits", WCS, MADE, solved=True)
    with fits.open(tmp_path / "b.fits", checksum=True) as units:
        assert "CDELT2" not in units[0].header
        assert units[0].header["OBSERVER"] == "Vera"
        assert units[1].header["CRVAL1"] == 3.0
        assert np.array_equal(units[1].data, pixels)


def test_hostile_values_stay_inside_their_cards(tmp_path: Path, pixels: np.ndarray) -> None:
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")
    cards = [Card("OBJECT", "it's / a 'trap'" + " " * 80 + "END"), Card("OBSERVER", "a\nEND\x00")]
    write_cards(tmp_path / "a.fits", tmp_path / "b.fits", cards, MADE)
    with fits.open(tmp_path / "b.fits") as units:
        units.verify("exception")
        assert units[0].header["OBJECT"].startswith("it's / a 'trap'")
        assert units[0].header["OBSERVER"] == "a?END?"
        assert np.array_equal(units[0].data, pixels)


def test_nothing_is_replaced_unless_told_and_a_fault_leaves_nothing(tmp_path: Path, pixels: np.ndarray) -> None:
    fits.PrimaryHDU(pixels).writeto(tmp_path / "a.fits")
    (tmp_path / "b.fits").write_text("mine")
    with pytest.raises(FileTakenError):
        write_cards(tmp_path / "a.fits", tmp_path / "b.fits", [], MADE)
    assert (tmp_path / "b.fits").read_text() == "mine"
    write_cards(tmp_path / "a.fits", tmp_path / "b.fits", [], MADE, overwrite=True)
    (tmp_path / "c.fits").write_bytes((tmp_path / "a.fits").read_bytes()[:4000])
    with pytest.raises(UnreadableFrameError):
        write_cards(tmp_path / "c.fits", tmp_path / "d.fits", [], MADE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "b.fits", "c.fits"]

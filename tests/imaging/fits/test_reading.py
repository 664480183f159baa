"""Pixels as the FITS standard means them, whatever the type on disk."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.errors import ImagingError, UnreadableFrameError
from pictor.imaging.fits.reading import luminance, read_frame, read_image
from tests.imaging.fits.support import card, empty_primary, header, image_cards, image_file, padded, raw_card


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_every_pixel_type_survives(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 255, (7, 9)).astype(kind)
    if kind == "u2":
        pixels[0, :3] = [0, 32768, 65535]
    frame = read_frame(saved(tmp_path / "in.fits", image_file(pixels)))
    assert frame.data.dtype == np.dtype(kind)
    assert frame.data.dtype.isnative
    np.testing.assert_array_equal(frame.data, pixels)


def test_blank_becomes_nan_after_scaling(tmp_path: Path) -> None:
    pixels = np.array([[1, -99], [3, 4]], np.int16)
    data = image_file(pixels, card("BLANK", -99), card("BSCALE", 0.5), card("BZERO", 10))
    frame = read_frame(saved(tmp_path / "in.fits", data))
    np.testing.assert_array_equal(frame.data, np.array([[10.5, np.nan], [11.5, 12.0]], np.float32))
    assert not {"BLANK", "BSCALE", "BZERO"} & set(frame.header)
    assert {"BLANK", "BSCALE", "BZERO"} <= {found.keyword for found in frame.cards}


@pytest.mark.parametrize(("keyword", "value"), [("BSCALE", "NAN"), ("BZERO", "INF"), ("BSCALE", 0), ("BSCALE", "x")])
def test_scaling_that_is_no_number_is_refused(keyword: str, value: object, tmp_path: Path) -> None:
    text = raw_card(f"{keyword:8}= {value}")
    with pytest.raises(UnreadableFrameError) as refusal:
        read_frame(saved(tmp_path / "in.fits", image_file(np.zeros((4, 4), np.int16), text)))
    assert refusal.value.reason == "bad-scaling"


def test_primary_cards_describe_an_image_in_an_extension(tmp_path: Path) -> None:
    extension = header([raw_card("XTENSION= 'IMAGE   '"), *image_cards()[1:], card("EXPTIME", 30.0)]) + padded(
        bytes(384)
    )
    primary = empty_primary(card("OBJECT", "M31"), card("EXPTIME", 99.0))
    frame = read_frame(saved(tmp_path / "in.fits", primary + extension))
    assert frame.hdu == 1
    assert frame.header["OBJECT"] == "M31"
    assert frame.header["EXPTIME"] == 30.0
    assert [found.value for found in frame.cards if found.keyword == "EXPTIME"] == [30.0]


def test_a_header_astropy_chokes_on_is_read_without_the_broken_cards(tmp_path: Path) -> None:
    broken = [
        raw_card("CONTINUE  'lost'"),
        raw_card("MYCARD  = 'no end"),
        raw_card("HIERARCH nothing"),
        raw_card("====="),
    ]
    frame = read_frame(
        saved(tmp_path / "in.fits", image_file(np.ones((4, 4), np.int16), *broken, card("OBJECT", "M1")))
    )
    assert frame.header["OBJECT"] == "M1"
    for keyword in set(frame.header):
        assert frame.header[keyword] is not None


def test_colour_planes_become_their_mean_and_one_plane_itself(tmp_path: Path) -> None:
    cube = np.stack([np.full((4, 5), value, np.uint16) for value in (10, 20, 60)])
    image = read_image(saved(tmp_path / "in.fits", image_file(cube)))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, np.full((4, 5), 30, np.float32))
    np.testing.assert_array_equal(luminance(cube[:1]), np.full((4, 5), 10, np.float32))
    assert int(cube[0, 0, 0]) == 10


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
def test_tile_compressed_pixels_are_unpacked(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 4000, (40, 50)).astype(np.int16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, compression_type=kind)]).writeto(tmp_path / "in.fits")
    frame = read_frame(tmp_path / "in.fits")
    assert frame.compressed
    np.testing.assert_array_equal(frame.data, pixels)


def test_a_damaged_compressed_file_raises_nothing_but_an_imaging_error(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    pixels = rng.integers(0, 4000, (40, 50)).astype(np.int16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels)]).writeto(tmp_path / "good.fits")
    good = (tmp_path / "good.fits").read_bytes()
    refused = 0
    for _ in range(150):
        damaged = bytearray(good)
        for position in rng.integers(2880, len(good), 6):
            damaged[position] = int(rng.integers(0, 256))
        try:
            read_frame(saved(tmp_path / "in.fits", bytes(damaged)))
        except ImagingError:
            refused += 1
    assert refused > 10

"""The dark of flats, read by rows from its file."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.calibration.below import Unread, below_of, dark_for_flats
from pictor.imaging.calibration.building import Recipe, build
from pictor.imaging.calibration.masters import Kind, Master, write_master
from pictor.imaging.errors import FrameMismatchError, ImagingError

SHAPE = (96, 130)


@pytest.fixture
def dark(rng: np.random.Generator) -> Master:
    sci, err = (rng.normal(level, 2, SHAPE).astype(np.float32) for level in (500, 20))
    none = np.zeros(SHAPE, np.uint8)
    return Master(sci, err, none, none, fits.Header({"DARKBIAS": True}))


def test_rows_of_a_dark_are_those_of_its_file(dark: Master, tmp_path: Path) -> None:
    path = tmp_path / "dark.fits"
    write_master(path, dark)
    found = dark_for_flats(path, 500.0)
    assert isinstance(found.sci, Unread)
    assert isinstance(found.err, Unread)
    np.testing.assert_array_equal(found.sci[10:33], dark.sci[10:33])
    np.testing.assert_array_equal(found.err[90:200], dark.err[90:])
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.level == pytest.approx(500, abs=0.2)


def test_a_foreign_dark_has_no_error(dark: Master, tmp_path: Path) -> None:
    path = tmp_path / "foreign.fits"
    fits.writeto(path, dark.sci.astype(np.uint16), fits.Header({"CALSTAT": "M"}))
    found = dark_for_flats(path, None)
    assert found.err is None or not np.any(found.err[:])
    np.testing.assert_array_equal(found.sci[5:9], dark.sci.astype(np.uint16)[5:9])


def test_a_dark_without_bias_is_refused(dark: Master, tmp_path: Path) -> None:
    path = tmp_path / "dark.fits"
    dark.header["DARKBIAS"] = False
    write_master(path, Master(dark.sci - 500, dark.err, dark.mask, dark.nused, dark.header))
    with pytest.raises(ImagingError, match="bias subtracted") as told:
        dark_for_flats(path, 500.0)
    assert told.value.reason == "dark-without-bias"


@pytest.mark.parametrize("bayer", [False, True])
def test_flats_with_a_dark_in_its_file_are_those_with_it_in_memory(
    dark: Master, rng: np.random.Generator, tmp_path: Path, *, bayer: bool
) -> None:
    path, paths = tmp_path / "dark.fits", [tmp_path / f"flat{i}.fits" for i in range(5)]
    write_master(path, dark)
    for flat in paths:
        fits.writeto(flat, np.rint(dark.sci + rng.normal(30_000, 150, SHAPE)).astype(np.uint16))
    recipe, below = Recipe(Kind.FLAT, bayer=bayer, saturation=65_000.0), below_of(path)
    one = build(paths, recipe, dark=dark.sci, dark_err=dark.err)
    two = build(paths, recipe, dark=below.sci, dark_err=below.err)
    for name in ("sci", "mask", "nused"):
        np.testing.assert_array_equal(getattr(one.combined, name), getattr(two.combined, name))
    np.testing.assert_array_equal(one.err, two.err)


def test_a_dark_of_another_shape_is_refused(dark: Master, tmp_path: Path) -> None:
    paths = [tmp_path / f"flat{i}.fits" for i in range(2)]
    for flat in paths:
        fits.writeto(flat, np.full(SHAPE, 30_000, np.uint16))
    with pytest.raises(FrameMismatchError, match="the dark has shape"):
        build(paths, Recipe(Kind.FLAT), dark=dark.sci[:80])

"""Every real file is read, or refused with a reason; none raises anything else."""

import csv
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.fits.unpack import unpack

pytestmark = pytest.mark.real

REFUSED = {
    "odd/astropy/arange.fits": "not-an-image",
    "odd/astropy/ascii.fits": "no-image",
    "odd/astropy/blank.fits": "not-an-image",
    "odd/astropy/header_newlines.fits": "not-an-image",
    "odd/astropy/lzw.fits.Z": "archive",
    "odd/astropy/memtest.fits": "no-image",
    "odd/astropy/random_groups.fits": "random-groups",
    "odd/astropy/table.fits": "no-image",
    "odd/astropy/zerowidth.fits": "no-image",
    "odd/derived/bitpix-17.fits": "bad-bitpix",
    "odd/derived/data-cut-mid-block.fits": "data-truncated",
    "odd/derived/end-card-missing.fits": "no-end-card",
    "odd/derived/gzip-cut.fits.gz": "gzip-truncated",
    "odd/derived/header-cut-at-1000-bytes.fits": "header-truncated",
    "odd/derived/header-only-data-missing.fits": "data-truncated",
    "odd/derived/jpeg-named.fits": "not-fits",
    "odd/derived/naxis-huge.fits": "too-large",
    "odd/derived/plain-text.fits": "not-fits",
    "odd/derived/rice-heap-damaged.fits.fz": "bad-tiles",
    "odd/derived/zero-length.fits": "empty-file",
    "odd/eso-midas/longstrn.fits": "no-image",
    "odd/eso-midas/tst0007.mt": "not-an-image",
    "odd/eso-midas/tst0009.mt": "not-an-image",
    "odd/git-lfs-pointer/TestImage_Jelly.xisf": "not-fits",
    "odd/neoexchange/ldac_test_catalog_corrupt.fits": "no-image",
    "calibration/huntsman/lsst-masters/defects/defects_14_Huntsman_2021-01-07.fits": "no-image",
    "lco/one-row/cpt1m010-kb70-20151219-0073-e10_cat.fits": "no-image",
}
ASTROPY_CANNOT = {"odd/eso-midas/nttexample.mt"}


def manifest(real_data: Path) -> list[str]:
    with (real_data / "manifest.csv").open() as stream:
        return [row["file"] for row in csv.DictReader(stream)]


def test_every_real_file_ends_as_a_person_expects(real_data: Path, tmp_path: Path) -> None:
    found: dict[str, str] = {}
    for name in manifest(real_data):
        try:
            read_frame(unpack(real_data / name, tmp_path).path)
        except UnreadableFrameError as refusal:
            found[name] = refusal.reason
    assert found == REFUSED


def test_pixels_and_types_equal_what_astropy_reads(real_data: Path) -> None:
    compared = 0
    for name in manifest(real_data):
        if name in REFUSED or name in ASTROPY_CANNOT or name.endswith(".gz"):
            continue
        frame = read_frame(real_data / name)
        with fits.open(real_data / name, memmap=False) as hdus:
            expected = hdus[frame.hdu].data
        assert frame.data.dtype == expected.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(frame.data, expected, err_msg=name)
        compared += 1
    print(f"{compared} files compared")
    assert compared > 100


def test_a_frame_that_astropy_cannot_open_is_read(real_data: Path) -> None:
    frame = read_frame(real_data / "odd/eso-midas/nttexample.mt")
    assert frame.data.shape == (1024, 1124)
    assert frame.header["INSTRUME"] == "SUSI"
    assert float(np.median(frame.data)) == 498


def test_the_five_biases_with_a_forgotten_bzero_are_scaled_and_tell_it(real_data: Path) -> None:
    for number in range(1, 6):
        frame = read_frame(real_data / f"calibration/msumastro-apogee/biastest{number}.fit")
        assert 35_800 < float(np.median(frame.data)) < 35_900
        assert any("BZERO 32768" in warning for warning in frame.warnings)


def test_trailing_bytes_are_told_and_ignored(real_data: Path) -> None:
    scan = prescan_file(real_data / "odd/derived/trailing-garbage.fits")
    assert scan.warnings == ("234 bytes after the last HDU belong to nothing and are ignored",)

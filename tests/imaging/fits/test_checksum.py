"""Our checksums are those of the standard, and wrong ones are found."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.fits.checksum import ChecksumState, datasum, encode, sum_bytes, verify
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import header_block, image_of


def state(path: Path) -> ChecksumState:
    image = image_of(prescan_file(path))
    return verify(*header_block(path, image), datasum(path, image.data_offset, image.end - image.data_offset))


def test_datasum_equals_astropys_over_many_chunks(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 65_535, (1500, 2001), dtype=np.uint16)
    fits.PrimaryHDU(pixels).writeto(tmp_path / "in.fits", checksum=True)
    image = image_of(prescan_file(tmp_path / "in.fits"))
    expected = int(fits.getheader(tmp_path / "in.fits")["DATASUM"])
    assert datasum(tmp_path / "in.fits", image.data_offset, image.end - image.data_offset) == expected
    assert state(tmp_path / "in.fits") is ChecksumState.VALID


def test_encoded_sums_use_letters_and_digits_only(rng: np.random.Generator) -> None:
    for total in [0, 1, 0xFFFFFFFF, *map(int, rng.integers(0, 2**32, 3000))]:
        text = encode(total)
        assert text.isalnum()
        assert len(text) == 16
        restored = text[1:] + text[0]
        offset = sum_bytes(b"0" * 16)
        assert (sum_bytes(restored.encode()) - offset) % 0xFFFFFFFF == (~total & 0xFFFFFFFF) % 0xFFFFFFFF


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("odd/derived/checksum-good.fits", ChecksumState.VALID),
        ("odd/derived/checksum-bitflip.fits", ChecksumState.WRONG),
        ("odd/astropy/checksum.fits", ChecksumState.VALID),
        ("odd/astropy/checksum_false.fits", ChecksumState.WRONG),
        ("lights/panoptes-pocs/tiny.fits", ChecksumState.WRONG),
        ("odd/derived/trailing-garbage.fits", ChecksumState.ABSENT),
        ("reference/lco-banzai/banzai_test_frame.fits.fz", ChecksumState.VALID),
    ],
)
def test_sums_of_real_files_are_judged(name: str, expected: ChecksumState, real_data: Path) -> None:
    assert state(real_data / name) is expected

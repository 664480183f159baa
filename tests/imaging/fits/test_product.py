"""The processed FITS: the raw data unit byte for byte under a header that verifies everywhere."""

import csv
import re
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.cards import Card
from pictor.imaging.fits.checksum import datasum
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.product import Geometry, head_part, processed_header, write_processed
from pictor.imaging.fits.reading import header_block, image_of, read_frame
from pictor.imaging.fits.result_cards import observation_cards, quality_cards, solution_cards
from pictor.imaging.fits.wcs_cards import wcs_cards
from tests.imaging.fits.support import card, image_file, raw_card, table_hdu

SOLUTION: dict[str, float] = {
    "CRVAL1": 161.016, "CRVAL2": -59.6, "CRPIX1": 128.5, "CRPIX2": 87.5,
    "CD1_1": -1e-3, "CD1_2": 2e-4, "CD2_1": 2e-4, "CD2_2": 1e-3,
}  # fmt: skip
STALE = re.compile(r"(PC\d_\d|CDELT\d|CROTA\d|TR\d_\d+|A_\d_\d|AP_\d_\d|PV\d_\d+|RADECSYS|AMDX\d+)\Z")


def geometry(path: Path) -> Geometry:
    scan = prescan_file(path)
    image = image_of(scan)
    data_sum = datasum(path, image.data_offset, image.end - image.data_offset)
    end = scan.hdus[-1].end
    return Geometry(image.header_offset, image.data_offset, image.data_size, end, path.stat().st_size, data_sum)


def new_header(path: Path, cards: list[Card], *, solved: bool = True, history: tuple[str, ...] = ()) -> bytes:
    place = geometry(path)
    block, _ = header_block(path, image_of(prescan_file(path)))
    return processed_header(block, cards, datasum=place.datasum, solved=solved, history=history)


def results() -> list[Card]:
    facts = {"night": "2023-01-14", "mid_utc": "2023-01-15T01:27:20.460000Z", "airmass": 1.234567, "observer": "Ā\n\0'"}
    quality = {"fwhm_px": 3.21987, "star_count": 120, "eccentricity": float("nan"), "grade": "A", "unknown": 1}
    centre = {"ra_deg": 161.0, "dec_deg": -59.5, "scale_arcsec": 3.6, "matched": 38, "solver": "engine 1"}
    return observation_cards(facts) + quality_cards(quality) + solution_cards(centre) + wcs_cards(SOLUTION)


@pytest.mark.real
def test_every_real_frame_keeps_its_data_unit_and_verifies_in_astropy(real_data: Path, tmp_path: Path) -> None:
    checked = 0
    with (real_data / "manifest.csv").open() as stream:
        names = [row["file"] for row in csv.DictReader(stream)]
    for name in names:
        raw, out = real_data / name, tmp_path / "out.fits"
        try:
            before = read_frame(raw)
        except ImagingError:
            continue
        write_processed(raw, out, new_header(raw, results(), history=("Pictor wrote this " * 8,)), geometry(raw))
        after = read_frame(out)
        start, size = before.data_offset, before.data_size
        assert raw.read_bytes()[start : start + size] == out.read_bytes()[after.data_offset : after.data_offset + size]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with fits.open(out, checksum=True, memmap=False) as hdus:
                header = hdus[after.hdu].header
                np.testing.assert_array_equal(hdus[after.hdu].data, after.data)
            sky = WCS(header, naxis=2)
        told = [str(warning.message) for warning in caught if "verification failed" in str(warning.message)]
        assert [text for text in told if "RATE" not in text] == [], name
        assert [key for key in header if STALE.match(key)] == [], name
        np.testing.assert_allclose(sky.pixel_to_world_values(127.5, 86.5), (161.016, -59.6), atol=1e-9)
        assert (header["AIRMASS"], header["FWHM"], header["QGRADE"], header["OBSERVER"]) == (
            1.2346,
            3.2199,
            "A",
            "???'",
        )
        assert header["MJD-AVG"] == pytest.approx(59959.06065347, abs=1e-8)
        assert "ECCENTR" not in header
        checked += 1
    print(f"{checked} frames")
    assert checked > 100


def test_a_replaced_card_stays_in_its_place_and_the_rest_keeps_its_order(tmp_path: Path) -> None:
    extra = [
        card("AIRMASS", 9.9),
        card("OBJECT", "M31"),
        card("AIRMASS", 8.8),
        raw_card("COMMENT first"),
        card("ZZ", 1),
    ]
    raw = tmp_path / "raw.fits"
    raw.write_bytes(image_file(np.zeros((4, 4), np.int16), *extra))
    out = tmp_path / "out.fits"
    write_processed(raw, out, new_header(raw, [Card("AIRMASS", 1.2, "c"), Card("NEW", 1)], solved=False), geometry(raw))
    keywords = list(fits.getheader(out))
    assert keywords[5:] == ["AIRMASS", "OBJECT", "COMMENT", "ZZ", "NEW", "CHECKSUM", "DATASUM"]
    assert fits.getheader(out)["AIRMASS"] == 1.2


def test_structural_cards_cannot_be_replaced(tmp_path: Path) -> None:
    raw = tmp_path / "raw.fits"
    raw.write_bytes(image_file(np.zeros((4, 4), np.int16)))
    header = new_header(raw, [Card("NAXIS1", 9), Card("BITPIX", 8), Card("COMMENT", "x")], solved=False)
    assert fits.Header.fromstring(header.decode())["NAXIS1"] == 4


def test_an_unsolved_frame_keeps_its_own_coordinates(tmp_path: Path) -> None:
    raw = tmp_path / "raw.fits"
    raw.write_bytes(image_file(np.zeros((4, 4), np.int16), card("CTYPE1", "RA---TAN"), card("CDELT1", 1e-4)))
    header = fits.Header.fromstring(new_header(raw, [], solved=False).decode())
    assert (header["CTYPE1"], header["CDELT1"]) == ("RA---TAN", 1e-4)


def test_text_that_imitates_the_checksum_card_does_not_mislead_it(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw.fits", tmp_path / "out.fits"
    fake = raw_card("HISTORY CHECKSUM= '0000000000000000'")
    raw.write_bytes(image_file(np.arange(16, dtype=np.int16).reshape(4, 4), fake, card("OBJECT", "CHECKSUM= ''0000''")))
    write_processed(raw, out, new_header(raw, []), geometry(raw))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(out, checksum=True) as hdus:
            assert hdus[0].data.sum() == 120


@pytest.mark.parametrize("extra_cards", [0, 200])
@pytest.mark.parametrize("behind", [b"", table_hdu(), b"\x07" * 100])
def test_head_and_rest_of_the_raw_object_make_the_whole_product(
    behind: bytes, extra_cards: int, tmp_path: Path, rng: np.random.Generator
) -> None:
    raw, head, whole = (tmp_path / name for name in ("raw.fits", "head.fits", "whole.fits"))
    raw.write_bytes(image_file(rng.integers(0, 65_535, (300, 400), dtype=np.uint16)) + behind)
    header = new_header(raw, [Card(f"KEY{number}", number) for number in range(extra_cards)])
    made = head_part(raw, head, header, geometry(raw), part_size=50_000)
    write_processed(raw, whole, header, geometry(raw))
    rest = raw.read_bytes()[made.resume_offset : made.resume_offset + made.resume_size]
    assert made.resume_size > 0
    assert head.read_bytes() + rest == whole.read_bytes()
    assert made.size == whole.stat().st_size
    assert head.stat().st_size >= 50_000
    np.testing.assert_array_equal(read_frame(whole).data, read_frame(raw).data)


def test_a_prefix_of_the_raw_file_is_enough_for_the_head(tmp_path: Path, rng: np.random.Generator) -> None:
    raw, prefix = tmp_path / "raw.fits", tmp_path / "prefix.fits"
    raw.write_bytes(image_file(rng.integers(0, 65_535, (300, 400), dtype=np.uint16)))
    place, header = geometry(raw), new_header(raw, results())
    prefix.write_bytes(raw.read_bytes()[: place.data_offset + 50_000])
    made = head_part(raw, tmp_path / "one", header, place, part_size=50_000)
    same = head_part(prefix, tmp_path / "two", header, place, part_size=50_000)
    assert made.head.read_bytes() == same.head.read_bytes()


@pytest.mark.parametrize("cut", [0, 2000])
def test_a_small_or_unfilled_file_is_written_whole(cut: int, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw.fits", tmp_path / "out.fits"
    data = image_file(np.arange(100, dtype=np.uint16).reshape(10, 10))
    raw.write_bytes(data[: len(data) - cut])
    made = head_part(raw, out, new_header(raw, []), geometry(raw))
    assert made.resume_size == 0
    assert made.size == out.stat().st_size
    assert out.stat().st_size % 2880 == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(out, checksum=True) as hdus:
            assert hdus[0].data[9, 9] == 99


LARGE = """
import resource, sys
from pathlib import Path
from tests.imaging.fits.test_product import geometry, new_header
from pictor.imaging.fits.product import write_processed, head_part
raw, out = Path(sys.argv[1]), Path(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
place = geometry(raw)
header = new_header(raw, [])
write_processed(raw, out, header, place)
head_part(raw, out, header, place)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_memory_does_not_grow_with_the_frame(tmp_path: Path) -> None:
    raw = tmp_path / "raw.fits"
    shape = (6000, 10_000)
    with raw.open("wb") as stream:
        stream.write(
            image_file(np.zeros((1, 2), np.uint16))[:2880]
            .replace(card("NAXIS1", 2), card("NAXIS1", shape[1]))
            .replace(card("NAXIS2", 1), card("NAXIS2", shape[0]))
        )
        stream.truncate(2880 + -(-shape[0] * shape[1] * 2 // 2880) * 2880)  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LARGE), str(raw), str(tmp_path / "out.fits")],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    print(f"120 MB frame: {run.stdout.strip()} MiB of memory")
    assert int(run.stdout) < 30


@pytest.mark.parametrize("name", ["", "lights/nebulosa-ngc3372/NGC3372-color-short.fits", "odd/derived/rice.fits.fz"])
def test_fitsverify_finds_no_error(name: str, tmp_path: Path, real_data: Path) -> None:
    program = shutil.which("fitsverify")
    if program is None:
        pytest.skip("fitsverify is not installed")
    raw, out = tmp_path / "raw.fits", tmp_path / f"out.fits{'.fz' if name.endswith('.fz') else ''}"
    raw.write_bytes(image_file(np.arange(100, dtype=np.uint16).reshape(10, 10), card("OBJECT", "M31")) + table_hdu())
    source = real_data / name if name else raw
    write_processed(source, out, new_header(source, results()), geometry(source))
    run = subprocess.run([program, str(out)], capture_output=True, text=True, timeout=30, check=False)
    assert "0 error(s). ****" in run.stdout

"""Ingest describes every upload in JSON, or refuses it with a reason."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from pictor.imaging.errors import ImagingError, UnreadableFrameError
from pictor.imaging.fits.reading import read_frame
from pictor.ingest.compute import describe
from tests.imaging.fits.support import card, image_file, raw_card, write_xisf

LIGHT = [
    card("IMAGETYP", "LIGHT"), card("EXPTIME", 30.0), card("SWCREATE", "N.I.N.A. 3.1"), card("FILTER", "Ha"),
    card("DATE-OBS", "2026-11-20T21:00:00"),
]  # fmt: skip


def light(rng: np.random.Generator) -> bytes:
    return image_file(rng.integers(900, 1100, (60, 80), dtype=np.uint16), *LIGHT)


def test_a_light_is_described(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "in.fits").write_bytes(light(rng))
    found = describe(str(tmp_path / "in.fits"), "M31.fits", str(tmp_path))
    assert found["container"] == "fits"
    assert found["converted"] is None
    assert found["problems"] == []
    assert found["checksum"] == "absent"
    assert found["geometry"] | {"datasum": 0} == {
        "hdu": 0, "header_offset": 0, "data_offset": 2880, "data_size": 9600, "end": 14_400, "total": 14_400,
        "datasum": 0, "compressed": False, "bitpix": 16, "shape": [60, 80],
    }  # fmt: skip
    assert ["FILTER", "Ha", ""] in found["cards"]
    assert found["description"]["frame_type"] == "light"
    assert 995 < found["statistics"]["median"] < 1005


def test_a_gzip_is_converted_once_and_described_from_the_result(tmp_path: Path, rng: np.random.Generator) -> None:
    plain = light(rng)
    (tmp_path / "in").write_bytes(gzip.compress(plain))
    found = describe(str(tmp_path / "in"), "M31.fits.gz", str(tmp_path))
    assert found["container"] == "gzip"
    assert Path(found["converted"]).read_bytes() == plain
    assert found["geometry"]["total"] == len(plain)


def test_an_xisf_is_converted_and_keeps_the_snapshot_type(tmp_path: Path, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 65_535, (1, 60, 80), dtype=np.uint16)
    words = [("IMAGETYP", "'SNAPSHOT'", ""), ("EXPTIME", "2.0", ""), ("SWCREATE", "'N.I.N.A. 3.1'", "")]
    write_xisf(tmp_path / "in", pixels, codec="lz4+sh", keywords=words)
    found = describe(str(tmp_path / "in"), "M31.xisf", str(tmp_path))
    assert (found["container"], found["description"]["frame_type"]) == ("xisf", "snapshot")
    np.testing.assert_array_equal(read_frame(Path(found["converted"])).data, pixels[0])


def test_a_file_without_its_last_filling_is_converted_to_a_filled_one(tmp_path: Path, rng: np.random.Generator) -> None:
    whole = light(rng)
    (tmp_path / "in.fits").write_bytes(whole[: 2880 + 9600])
    found = describe(str(tmp_path / "in.fits"), "M31.fits", str(tmp_path))
    assert Path(found["converted"]).read_bytes() == whole
    assert (found["container"], found["geometry"]["total"]) == ("fits", len(whole))
    assert "the last block is not filled up to 2880 bytes" in found["warnings"]


def test_a_frame_without_type_waits_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "in.fits").write_bytes(image_file(np.ones((60, 80), np.uint16)))
    found = describe(str(tmp_path / "in.fits"), "x.fits", str(tmp_path))
    assert [problem["reason"] for problem in found["problems"]] == ["unknown-frame-type"]


def test_limits_come_from_the_caller(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "in.fits").write_bytes(light(rng))
    with pytest.raises(UnreadableFrameError) as refusal:
        describe(str(tmp_path / "in.fits"), "x.fits", str(tmp_path), max_data_bytes=9599)
    assert refusal.value.reason == "too-large"


def test_nothing_in_the_answer_is_nan_or_a_control_character(tmp_path: Path) -> None:
    pixels = np.full((60, 80), np.nan, np.float32)
    broken = [raw_card("OBJECT  = 'caf\xe9'"), raw_card("CCD-TEMP= NAN"), raw_card("EXPTIME = 1E999")]
    (tmp_path / "in.fits").write_bytes(image_file(pixels, *broken))
    text = json.dumps(describe(str(tmp_path / "in.fits"), "x.fits", str(tmp_path)), allow_nan=False)
    assert "\\u0000" not in text


@pytest.mark.real
def test_every_real_file_is_described_or_refused_with_a_reason(real_data: Path, tmp_path: Path) -> None:
    described, reasons = 0, []
    with (real_data / "manifest.csv").open() as stream:
        names = [row["file"] for row in csv.DictReader(stream)]
    for name in names:
        try:
            found = describe(str(real_data / name), Path(name).name, str(tmp_path))
        except ImagingError as refusal:
            reasons.append(refusal.reason)
            continue
        json.dumps(found, allow_nan=False)
        described += 1
    print(f"{described} described, {len(reasons)} refused")
    assert (described, len(reasons)) == (len(names) - 27, 27)
    assert not {"imaging-error", "unreadable"} & set(reasons)


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "state"),
    [("checksum-good.fits", "valid"), ("checksum-bitflip.fits", "wrong"), ("trailing-garbage.fits", "absent")],
)
def test_the_checksum_state_is_told(name: str, state: str, real_data: Path, tmp_path: Path) -> None:
    found = describe(str(real_data / "odd/derived" / name), name, str(tmp_path))
    assert found["checksum"] == state
    assert any("does not match" in warning for warning in found["warnings"]) is (state == "wrong")


@pytest.mark.real
def test_saturated_and_damaged_pixels_show_in_the_statistics(real_data: Path, tmp_path: Path) -> None:
    odd = real_data / "odd/derived"
    full = describe(str(odd / "all-saturated.fits"), "x", str(tmp_path))["statistics"]
    assert (full["saturated_fraction"], full["repeated_fraction"], full["median"]) == (1.0, 1.0, 65_535)
    holes = describe(str(odd / "nan-block-and-inf.fits"), "x", str(tmp_path))["statistics"]
    assert holes["non_finite_fraction"] == pytest.approx(1601 / 40_000)
    assert holes["maximum"] < 70_000

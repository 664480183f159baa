"""XISF becomes FITS with the same pixels and cards, or is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.limits import Limits
from pictor.imaging.fits.prescan import Container
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.headers.describe import describe
from tests.imaging.fits.support import write_xisf

NINA = [
    ("SIMPLE", "T", ""),
    ("BITPIX", "16", ""),
    ("NAXIS1", "5", ""),
    ("IMAGETYP", "'SNAPSHOT'", "Type of exposure"),
    ("EXPTIME", "30.0", "[s] Exposure duration"),
    ("DATE-OBS", "'2021-03-02T20:19:00.455'", ""),
    ("OBJECT", "'Barnard''s star'", ""),
    ("SWCREATE", "'N.I.N.A. 3.1'", ""),
    ("HISTORY", "", "made by a test"),
    ("LONGTEXT", "'" + "it''s long " * 12 + "'", ""),
]


def pixels(kind: str, channels: int, rng: np.random.Generator) -> NDArray[np.generic]:
    if kind.startswith("f"):
        return rng.random((channels, 11, 13)).astype(kind)
    return rng.integers(0, np.iinfo(kind).max, (channels, 11, 13), dtype=kind)


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "f4", "f8"])
@pytest.mark.parametrize("codec", ["", "zlib", "zlib+sh", "lz4", "lz4+sh", "lz4hc+sh"])
def test_every_sample_format_and_codec_keeps_its_pixels(
    kind: str, codec: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    planes = pixels(kind, 1, rng)
    write_xisf(tmp_path / "in.xisf", planes, codec=codec)
    found = unpack(tmp_path / "in.xisf", tmp_path)
    assert (found.container, found.converted) == (Container.XISF, True)
    data = read_frame(found.path).data
    assert data.dtype == np.dtype(kind)
    np.testing.assert_array_equal(data, planes[0])


@pytest.mark.parametrize("storage", ["Planar", "Normal"])
@pytest.mark.parametrize("order", ["little", "big"])
def test_colour_keeps_its_planes_in_either_order(
    storage: str, order: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    planes = pixels("u2", 3, rng)
    write_xisf(tmp_path / "in.xisf", planes, storage=storage, order=order)
    np.testing.assert_array_equal(read_frame(unpack(tmp_path / "in.xisf", tmp_path).path).data, planes)


def test_an_alpha_channel_is_left_out_and_told(tmp_path: Path, rng: np.random.Generator) -> None:
    planes = pixels("u2", 4, rng)
    write_xisf(tmp_path / "in.xisf", planes)
    found = unpack(tmp_path / "in.xisf", tmp_path)
    assert found.warnings == ("1 of 4 channels were left out",)
    np.testing.assert_array_equal(read_frame(found.path).data, planes[:3])


@pytest.mark.parametrize("checksum", ["", "sha-1", "sha-256", "sha-512", "sha3-256"])
def test_a_checksum_of_any_kind_is_verified(checksum: str, tmp_path: Path, rng: np.random.Generator) -> None:
    write_xisf(tmp_path / "in.xisf", pixels("u2", 1, rng), checksum=checksum)
    unpack(tmp_path / "in.xisf", tmp_path)
    write_xisf(tmp_path / "in.xisf", pixels("u2", 1, rng), checksum=checksum, damage=True)
    if checksum:
        with pytest.raises(UnreadableFrameError, match="checksum"):
            unpack(tmp_path / "in.xisf", tmp_path)


def test_the_cards_of_a_capture_program_survive(tmp_path: Path, rng: np.random.Generator) -> None:
    write_xisf(tmp_path / "in.xisf", pixels("u2", 1, rng), keywords=NINA)
    frame = read_frame(unpack(tmp_path / "in.xisf", tmp_path).path)
    found = describe(frame.cards)
    assert (found.program, found.frame_type, found.exposure_s) == ("nina", "snapshot", 30.0)
    assert (found.target_name, found.row_order) == ("Barnard's star", "TOP-DOWN")
    assert (found.width, found.height) == (13, 11)
    assert frame.header["LONGTEXT"] == ("it's long " * 12).strip()
    assert [card.keyword for card in frame.cards].count("NAXIS1") == 1


def test_an_image_inside_the_header_is_read(tmp_path: Path) -> None:
    text = (
        '<xisf version="1.0"><Image geometry="2:2:1" sampleFormat="UInt8" colorSpace="Gray" location="inline:hex">'
        "00 01 02 ff</Image></xisf>"
    )
    embedded = text.replace("inline:hex", "embedded").replace("00 01 02 ff", '<Data encoding="base64">AAEC/w==</Data>')
    for xml in (text, embedded):
        write_xisf(tmp_path / "in.xisf", np.zeros((1, 2, 2), np.uint8), xml=xml)
        data = read_frame(unpack(tmp_path / "in.xisf", tmp_path).path).data
        np.testing.assert_array_equal(data, [[0, 1], [2, 255]])


IMAGE = '<Image geometry="{geometry}" sampleFormat="{form}" location="attachment:4096:286" {more}/>'


def xml(geometry: str = "13:11:1", form: str = "UInt16", more: str = "", before: str = "") -> str:
    return f"{before}<xisf>{IMAGE.format(geometry=geometry, form=form, more=more)}</xisf>"


LAUGHS = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (xml(before=LAUGHS), "xisf-header"),
        (xml(before='<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "xisf-header"),
        (xml().replace("</xisf>", ""), "xisf-header"),
        ("<xisf>" + "<a>" * 100 + "</a>" * 100 + "</xisf>", "xisf-header"),
        ("<xisf/>", "no-image"),
        (xml(geometry="13:11"), "xisf-header"),
        (xml(geometry="a:b:c"), "xisf-header"),
        (xml(geometry="-13:11:1"), "too-large"),
        (xml(geometry="70000:70000:1"), "too-large"),
        (xml(geometry="14:11:1"), "xisf-damaged"),
        (xml(form="Complex32"), "xisf-codec"),
        (xml(more='compression="zlib:286"'), "xisf-damaged"),
        (xml(more='compression="zlib:99999999999"'), "xisf-damaged"),
        (xml(more='compression="zstd:286"'), "xisf-codec"),
        (xml(more='compression="lz4:286"'), "xisf-damaged"),
        (xml(more='compression="zlib:x"'), "xisf-header"),
        (xml(more='compression="zlib:286" subblocks="10,286:5"'), "xisf-damaged"),
        (xml(more='checksum="md5:00"'), "xisf-codec"),
        (xml().replace("4096:286", "4096:287"), "data-truncated"),
        (xml().replace("attachment:4096:286", "url(file:///etc/passwd)"), "xisf-codec"),
        (xml().replace("attachment:4096:286", "attachment:-1:286"), "data-truncated"),
    ],
)
def test_a_bad_xisf_is_refused_with_its_reason(text: str, reason: str, tmp_path: Path) -> None:
    write_xisf(tmp_path / "in.xisf", np.zeros((1, 11, 13), np.uint16), xml=text)
    with pytest.raises(UnreadableFrameError) as refusal:
        unpack(tmp_path / "in.xisf", tmp_path)
    assert refusal.value.reason == reason


def test_a_header_longer_than_the_file_or_16_mib_is_refused(tmp_path: Path) -> None:
    for length, reason in ((5000, "header-truncated"), (2**31, "xisf-header")):
        (tmp_path / "in.xisf").write_bytes(b"XISF0100" + struct.pack("<II", length, 0) + b"<xisf/>")
        with pytest.raises(UnreadableFrameError) as refusal:
            unpack(tmp_path / "in.xisf", tmp_path)
        assert refusal.value.reason == reason


def test_limits_hold_before_anything_is_unpacked(tmp_path: Path, rng: np.random.Generator) -> None:
    write_xisf(tmp_path / "in.xisf", pixels("u2", 1, rng), codec="zlib")
    with pytest.raises(UnreadableFrameError) as refusal:
        unpack(tmp_path / "in.xisf", tmp_path, limits=Limits(data_bytes=285))
    assert refusal.value.reason == "too-large"


def test_no_flipped_byte_raises_anything_but_a_refusal(tmp_path: Path, rng: np.random.Generator) -> None:
    write_xisf(tmp_path / "good.xisf", pixels("u2", 1, rng), codec="zlib+sh", checksum="", keywords=NINA)
    good = (tmp_path / "good.xisf").read_bytes()
    used = [*range(len(good.rstrip(b"\0")[:2000])), *range(4096, len(good))]
    refused = 0
    for position in rng.choice(used, 300, replace=False):
        damaged = bytearray(good)
        damaged[position] ^= 1 << int(rng.integers(0, 8))
        (tmp_path / "in.xisf").write_bytes(damaged)
        try:
            read_frame(unpack(tmp_path / "in.xisf", tmp_path).path)
        except UnreadableFrameError:
            refused += 1
    assert refused > 50

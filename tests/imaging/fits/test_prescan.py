"""What the prescan accepts and refuses, before any library sees the bytes."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.limits import Limits
from pictor.imaging.fits.prescan import HEAD_BYTES, Container, prescan, prescan_file, sniff
from pictor.imaging.fits.reading import read_frame
from tests.imaging.fits.support import (
    card,
    empty_primary,
    header,
    image_cards,
    image_file,
    padded,
    raw_card,
    table_hdu,
)

PIXELS = np.arange(192, dtype=np.int16).reshape(12, 16)
GOOD = image_file(PIXELS)
DATA = padded(bytes(384))


def compressed(*, tile: object = 16, znaxis1: object = 16, zbitpix: object = 16, extra: bytes = b"") -> bytes:
    zcards = [
        card("ZIMAGE", True), card("ZBITPIX", zbitpix), card("ZNAXIS", 2), card("ZNAXIS1", znaxis1),
        card("ZNAXIS2", 12), card("ZTILE1", tile), card("ZTILE2", 1), card("ZCMPTYPE", "RICE_1"),
    ]  # fmt: skip
    return empty_primary() + table_hdu(*zcards, *([extra] if extra else []))


BROKEN = {
    "1 empty": (b"", "empty-file"),
    "2 one byte": (b"S", "not-fits"),
    "3 one byte short of a block": (GOOD[:2879], "header-truncated"),
    "4 blanks": (b" " * 2880, "not-fits"),
    "5 zeros": (bytes(2880), "not-fits"),
    "6 noise": (np.random.default_rng(6).bytes(1 << 20), "not-fits"),
    "7 PNG": (b"\x89PNG\r\n\x1a\n" + bytes(4000), "not-fits"),
    "8 HTML": (b"<!DOCTYPE html><html></html>".ljust(2880), "not-fits"),
    "9 JSON": (b'{"SIMPLE": true}'.ljust(2880), "not-fits"),
    "10 SIMPLE = F": (header([card("SIMPLE", False), *image_cards()[1:]]) + DATA, "not-fits"),
    "11 BITPIX 7": (header(image_cards(bitpix=7)) + DATA, "bad-bitpix"),
    "12 NAXIS -1": (header([*image_cards()[:2], card("NAXIS", -1)]) + DATA, "bad-naxis"),
    "13 NAXIS1 -64": (header(image_cards(-64, 12)) + DATA, "bad-naxis"),
    "14 axes of 2^31": (header(image_cards(2**31, 2**31)) + DATA, "too-large"),
    "15 186 GiB without data": (header(image_cards(316_228, 316_228)), "too-large"),
    "16 NAXIS1 of 20 digits": (header(image_cards(12345678901234567890, 12)) + DATA, "bad-naxis"),
    "17 NAXIS 999": (header([*image_cards()[:2], card("NAXIS", 999)]) + DATA, "bad-naxis"),
    "18 NAXIS 1000": (header([*image_cards()[:2], card("NAXIS", 1000)]) + DATA, "bad-naxis"),
    "19 NAXIS 338069165": (header([*image_cards()[:2], card("NAXIS", 338069165)]), "bad-naxis"),
    "20 NAXIS text": (header([*image_cards()[:2], card("NAXIS", "2")]) + DATA, "bad-naxis"),
    "20 NAXIS1 text": (header([*image_cards()[:3], card("NAXIS1", "16"), card("NAXIS2", 12)]) + DATA, "bad-naxis"),
    "20 BITPIX text": (header(image_cards(bitpix="16")) + DATA, "bad-bitpix"),
    "21 NAXIS1 64.5": (header([*image_cards()[:3], card("NAXIS1", 64.5), card("NAXIS2", 12)]) + DATA, "bad-naxis"),
    "22 NAXIS2 missing": (header(image_cards()[:4]) + DATA, "bad-naxis"),
    "22 BITPIX missing": (header([image_cards()[0], *image_cards()[2:]]) + DATA, "bad-bitpix"),
    "23 data cut in half": (image_file(np.zeros((100, 100), np.int16))[: 2880 + 10_000], "data-truncated"),
    "24 header cut": (GOOD[:1000], "header-truncated"),
    "25 no END": (header(image_cards(), end=False) + b" " * 2880, "no-end-card"),
    "26 COMMENT without END": (header(image_cards(), end=False) + b"COMMENT ".ljust(80) * 100_000, "too-many-cards"),
    "27 a million cards": (header([*image_cards(), *[card("X", 1)] * 200_000]) + DATA, "too-many-cards"),
    "28 20,000 cards": (header([*image_cards(), *[card("X", 1)] * 20_000]) + DATA, "too-many-cards"),
    "29 100,000 CONTINUE": (
        header([*image_cards(), *[raw_card("CONTINUE  'a&'")] * 100_000]) + DATA, "too-many-cards"
    ),
    "33 NUL in OBJECT": (header([*image_cards(), raw_card("OBJECT  = 'M\x0031'")]) + DATA, "control-characters"),
    "34 CR LF in OBJECT": (header([*image_cards(), raw_card("OBJECT  = 'M\r\n31'")]) + DATA, "control-characters"),
    "35 NAXIS1 twice": (
        header([*image_cards(), card("NAXIS1", 128)]) + padded(bytes(4000)), "duplicate-structural-keyword"
    ),
    "35 BITPIX twice": (header([*image_cards(), card("BITPIX", 8)]) + DATA, "duplicate-structural-keyword"),
    "35 BZERO twice, different": (
        header([*image_cards(), card("BZERO", 0), card("BZERO", 32768)]) + DATA, "duplicate-structural-keyword"
    ),
    "43 20,000 empty HDUs": (
        GOOD + header([raw_card("XTENSION= 'IMAGE'"), card("BITPIX", 8), card("NAXIS", 0)]) * 100, "too-many-hdus"
    ),
    "44 zeros after the data": (GOOD + bytes(3 << 20), "length-mismatch"),
    "47 bz2": (b"BZh91AY&SY" + bytes(4000), "packed"),
    "48 gzip named .fits": (b"\x1f\x8b\x08" + bytes(4000), "packed"),
    "50 zip": (b"PK\x03\x04" + bytes(4000), "packed"),
    "51 xz": (b"\xfd7zXZ\x00" + bytes(4000), "packed"),
    "52 ZNAXIS 100000": (compressed(znaxis1=100_000, tile=1000), "too-large"),
    "53 ZTILE1 0": (compressed(tile=0), "bad-tiles"),
    "54 ZTILE1 -5": (compressed(tile=-5), "bad-tiles"),
    "55 ZTILE1 60000": (compressed(tile=60_000), "bad-tiles"),
    "61 ZBITPIX 77": (compressed(zbitpix=77), "bad-bitpix"),
    "62 table only": (empty_primary() + table_hdu(), "no-image"),
    "65 PCOUNT 10^17": (
        empty_primary()
        + header([raw_card("XTENSION= 'BINTABLE'"), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 4),
                  card("NAXIS2", 2), card("PCOUNT", 10**17), card("GCOUNT", 1)]) + DATA,
        "too-large",
    ),
    "67 random groups": (
        header([card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 0), card("NAXIS2", 3),
                card("GROUPS", True), card("PCOUNT", 1), card("GCOUNT", 3)]) + DATA,
        "random-groups",
    ),
    "67 random groups without end": (
        header([card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 0), card("NAXIS2", 3),
                card("GROUPS", True), card("PCOUNT", 10**9), card("GCOUNT", 10**9)]) + DATA,
        "too-large",
    ),
    "79 NAXIS 0": (empty_primary(), "no-image"),
    "80 one pixel": (image_file(np.zeros((1, 1), np.int16)), "not-an-image"),
    "81 one dimension": (header(image_cards(38)) + DATA, "not-an-image"),
    "82 NAXIS1 0": (header(image_cards(0, 12)), "no-image"),
    "83 four planes": (image_file(np.zeros((4, 5, 6), np.int16)), "not-an-image"),
    "axis of 65,537": (header(image_cards(65_537, 2, bitpix=8)) + padded(bytes(131_074)), "too-large"),
    "image with PCOUNT": (header([*image_cards(), card("PCOUNT", 2880)]) + padded(bytes(4000)), "bad-naxis"),
    "structural card outside ASCII": (
        header([*image_cards()[:4], raw_card("NAXIS2  =                   12 \xe9")]) + DATA, "control-characters"
    ),
    "second HDU cut": (
        GOOD + header([raw_card("XTENSION= 'IMAGE'"), card("BITPIX", 8), card("NAXIS", 1), card("NAXIS1", 9000)]),
        "data-truncated",
    ),
    "second header cut": (GOOD + table_hdu()[:400], "header-truncated"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_reason_in_less_than_50_ms(name: str, tmp_path: Path) -> None:
    data, reason = BROKEN[name]
    (tmp_path / "in.fits").write_bytes(data)
    start = time.process_time()
    with pytest.raises(UnreadableFrameError) as from_file:
        prescan_file(tmp_path / "in.fits")
    elapsed = time.process_time() - start
    with pytest.raises(UnreadableFrameError) as from_head:
        prescan(data, len(data))
    assert (from_file.value.reason, from_head.value.reason) == (reason, reason)
    assert str(from_file.value).endswith(".")
    assert elapsed < 0.05


ACCEPTED = {
    "30 orphan CONTINUE": header([*image_cards(), raw_card("CONTINUE  'lost'")]) + DATA,
    "31 HIERARCH without =": header([*image_cards(), raw_card("HIERARCH " + "x" * 70)]) + DATA,
    "32 bytes outside ASCII": header([*image_cards(), raw_card("OBJECT  = 'caf\xe9'")]) + DATA,
    "36 EXPTIME twice": header([*image_cards(), card("EXPTIME", 30), card("EXPTIME", 60)]) + DATA,
    "42 nothing but pixels": GOOD,
    "BZERO twice, the same": header([*image_cards(), card("BZERO", 32768), raw_card("BZERO   = 32768.0")]) + DATA,
    "68 WCSAXES 99999": header([*image_cards(), card("WCSAXES", 99_999)]) + DATA,
    "70 A_ORDER 1000000": header([*image_cards(), card("A_ORDER", 1_000_000)]) + DATA,
    "88 path in OBJECT": header([*image_cards(), card("OBJECT", "../../../../etc/passwd")]) + DATA,
    "last block not filled": GOOD[: 2880 + 384],
    "random bytes after the data": GOOD + b"\x07" * 234,
    "image behind an empty primary": empty_primary()
    + header([raw_card("XTENSION= 'IMAGE   '"), *image_cards()[1:], card("PCOUNT", 0), card("GCOUNT", 1)])
    + DATA,
    "table after the image": GOOD + table_hdu(),
    "three planes": image_file(np.zeros((3, 12, 16), np.int16)),
    "one plane": image_file(np.zeros((1, 12, 16), np.int16)),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_odd_but_whole_file_is_accepted_and_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.fits").write_bytes(ACCEPTED[name])
    scan = prescan_file(tmp_path / "in.fits")
    assert scan.complete
    assert scan.image is not None
    assert read_frame(tmp_path / "in.fits").data.shape[-2:] == (12, 16)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("32 bytes outside ASCII", "outside ASCII"),
        ("last block not filled", "not filled"),
        ("random bytes after the data", "234 bytes after the last HDU"),
    ],
)
def test_what_is_forgiven_is_told(name: str, words: str) -> None:
    scan = prescan(ACCEPTED[name], len(ACCEPTED[name]))
    assert any(words in warning for warning in scan.warnings)


def test_a_head_decides_about_a_file_that_has_not_arrived_yet() -> None:
    data = image_file(np.zeros((1000, 1000), np.int16))
    scan = prescan(data[:HEAD_BYTES], len(data))
    assert scan.image is not None
    assert scan.image.end == len(data)
    with pytest.raises(UnreadableFrameError, match="too early"):
        prescan(data[:HEAD_BYTES], len(data) - 2880)


def test_a_head_that_ends_before_the_image_says_so() -> None:
    data = empty_primary() + table_hdu(rows=500_000)
    scan = prescan(data[:HEAD_BYTES], len(data) + 5760)
    assert scan.image is None
    assert not scan.complete


def test_limits_are_those_of_the_caller() -> None:
    with pytest.raises(UnreadableFrameError) as refusal:
        prescan(GOOD, len(GOOD), limits=Limits(data_bytes=383))
    assert refusal.value.reason == "too-large"


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (GOOD, Container.FITS),
        (compressed(), Container.FITS_COMPRESSED),
        (b"\x1f\x8b\x08", Container.GZIP),
        (b"XISF0100", Container.XISF),
        (b"PK\x03\x04", Container.ARCHIVE),
        (b"\x1f\x9d\x90", Container.ARCHIVE),
        (b"version https://git-lfs.github.com/spec/v1", Container.UNKNOWN),
        (b"", Container.UNKNOWN),
    ],
)
def test_the_container_is_told_by_its_first_bytes(head: bytes, container: Container) -> None:
    assert sniff(head) is container


STRUCTURAL = st.sampled_from(
    [
        "SIMPLE",
        "BITPIX",
        "NAXIS",
        "NAXIS1",
        "NAXIS2",
        "NAXIS3",
        "EXTEND",
        "BZERO",
        "BSCALE",
        "BLANK",
        "PCOUNT",
        "GCOUNT",
        "GROUPS",
        "ZIMAGE",
        "OBJECT",
        "EXPTIME",
        "CONTINUE",
        "COMMENT",
        "END",
        "XTENSION",
    ]
)
VALUES = st.one_of(
    st.integers(-3, 70), st.integers(), st.floats(), st.booleans(), st.text(max_size=30), st.sampled_from([8, 16, -32])
)


def _one_card(pair: tuple[str, object]) -> bytes:
    keyword, value = pair
    return card(keyword, value.encode("ascii", "replace").decode() if isinstance(value, str) else value)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(STRUCTURAL, VALUES).map(_one_card), max_size=8),
    st.permutations(range(5)),
    st.integers(0, 12_000),
    st.integers(0, 9000),
)
def test_whatever_passes_the_prescan_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, extra: list[bytes], order: list[int], size: int, cut: int
) -> None:
    base = image_cards()
    data = header([base[0], *(base[i] for i in order if i > 0), *extra]) + bytes(size)
    data = data[: len(data) - cut] if cut < len(data) else data
    path = tmp_path_factory.getbasetemp() / "hypothesis.fits"
    path.write_bytes(data)
    try:
        scan = prescan_file(path)
    except UnreadableFrameError as refusal:
        assert refusal.reason != "unreadable"  # noqa: PT017 - every refusal has its own class
        return
    assert scan.image is not None
    try:
        frame = read_frame(path)
    except UnreadableFrameError as refusal:
        assert refusal.reason == "bad-scaling"  # noqa: PT017
        return
    assert frame.data.shape == scan.image.shape


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, 8640))
def test_no_flipped_byte_and_no_truncation_escapes_as_another_error(position: int, value: int, length: int) -> None:
    damaged = bytearray(GOOD)
    damaged[position] = value
    for data in (bytes(damaged), GOOD[:length]):
        try:
            prescan(data, len(data))
        except UnreadableFrameError as refusal:
            assert refusal.reason  # noqa: PT017


def test_scanning_and_describing_need_no_science_library() -> None:
    code = (
        "import sys; import pictor.imaging.fits.prescan, pictor.imaging.headers.describe;"
        "print([name for name in ('numpy', 'astropy', 'scipy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.strip() == "[]"

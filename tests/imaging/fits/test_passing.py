"""The scan of bytes that pass by agrees with the scan of the whole file, and costs next to nothing."""

import gzip
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.passing import PassingScan
from pictor.imaging.fits.prescan import Container, prescan
from tests.imaging.fits.support import card, header, image_cards, image_file, raw_card, table_hdu
from tests.imaging.fits.test_prescan import ACCEPTED, BROKEN, GOOD

SOUND = {"no-image", "not-an-image", "random-groups"}
"""Whole FITS files without a frame: for a person to judge, not damaged."""

ELSEWHERE = {"packed": {"not-fits", "archive", None}}
"""Told from the container here."""


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def verdict(data: bytes, size: int, *, known: bool = True) -> str | None:
    scan = PassingScan(len(data) if known else None)
    try:
        for piece in pieces(data, size):
            scan.feed(piece)
        scan.finish()
    except UnreadableFrameError as error:
        return error.reason
    return None


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", [1 << 20, 65_536, 2880, 777])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_for_the_same_reason_as_by_the_scan_of_the_whole(
    name: str, size: int, *, known: bool
) -> None:
    data, reason = BROKEN[name]
    found = verdict(data, size, known=known)
    if reason in SOUND:
        assert found is None
    else:
        assert found in ELSEWHERE.get(reason, {reason})


@pytest.mark.parametrize("size", [1 << 20, 100, 1])
@pytest.mark.parametrize("name", ACCEPTED)
def test_an_odd_but_whole_file_passes(name: str, size: int) -> None:
    assert verdict(ACCEPTED[name], size) is None


def test_a_file_cut_short_is_refused_before_its_data_arrive() -> None:
    whole = image_file(np.zeros((1000, 1000), np.int16))
    scan = PassingScan(len(whole) - 2880)
    with pytest.raises(UnreadableFrameError, match="1280 bytes too early") as refusal:
        scan.feed(whole[:2880])
    assert refusal.value.reason == "data-truncated"


def test_zeros_after_the_data_are_refused_before_they_arrive_when_their_number_is_announced() -> None:
    scan = PassingScan(len(GOOD) + 300_000_000)
    with pytest.raises(UnreadableFrameError) as refusal:
        scan.feed(GOOD + bytes(4096))
    assert refusal.value.reason == "length-mismatch"


def test_a_gzip_file_is_judged_by_the_first_header_inside() -> None:
    bad = header(image_cards(bitpix=7)) + bytes(2880)
    assert verdict(gzip.compress(GOOD), 100) is None
    assert verdict(gzip.compress(bytes(10_000_000)), 100) == "not-fits"
    assert verdict(gzip.compress(bad), 100) == "bad-bitpix"
    assert verdict(gzip.compress(GOOD)[:100], 7) is None
    assert verdict(b"\x1f\x8b\x08" + bytes(4000), 100) is None


def test_a_gzip_bomb_costs_no_more_than_its_first_header() -> None:
    bomb = gzip.compress(header(image_cards(60_000, 2000)) + bytes(200_000_000))
    began = time.process_time()
    scan = PassingScan(len(bomb))
    for piece in pieces(bomb, 65_536):
        scan.feed(piece)
    scan.finish()
    assert scan.container is Container.GZIP
    print(f"\n{len(bomb)} bytes that unpack to 200 MB: {(time.process_time() - began) * 1e3:.1f} ms")
    assert time.process_time() - began < 0.05


def test_no_more_than_one_header_is_held() -> None:
    scan = PassingScan(None)
    with pytest.raises(UnreadableFrameError) as refusal:
        scan.feed(header(image_cards(), end=False))
        for _ in range(2000):
            scan.feed(b"COMMENT ".ljust(80) * 1000)
    assert refusal.value.reason == "too-many-cards"
    assert scan._position < 500_000


def test_naxis_338069165_is_refused_in_less_than_50_ms() -> None:
    data = header([*image_cards()[:2], card("NAXIS", 338069165)])
    began = time.process_time()
    assert verdict(data, 65_536) == "bad-naxis"
    elapsed = time.process_time() - began
    print(f"\nNAXIS = 338069165: {elapsed * 1e3:.2f} ms")
    assert elapsed < 0.05


def test_pixels_pass_at_the_speed_of_memory() -> None:
    data = image_file(np.zeros((4000, 6000), np.uint16), *[card(f"KEY{n}", n) for n in range(200)])
    chunks = list(pieces(data, 65_536))
    began = time.process_time()
    scan = PassingScan(len(data))
    for chunk in chunks:
        scan.feed(chunk)
    scan.finish()
    seconds = time.process_time() - began
    print(f"\n{len(data) / 1e6:.0f} MB in {seconds * 1e3:.1f} ms: {len(data) / 1e6 / seconds:.0f} MB/s")
    assert seconds < 0.2


def test_a_header_dribbled_byte_by_byte_is_read_once() -> None:
    data = header([*image_cards(), *[card("X", 1)] * 4900]) + bytes(2880)
    began = time.process_time()
    assert verdict(data, 80) is None
    seconds = time.process_time() - began
    print(f"\n4,900 cards in pieces of 80 bytes: {seconds * 1e3:.0f} ms")
    assert seconds < 1.0


CARDS = st.one_of(
    st.tuples(st.sampled_from(["NAXIS", "NAXIS1", "BITPIX", "BZERO", "OBJECT"]), st.integers(-5, 70)).map(
        lambda pair: card(*pair)
    ),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=80).map(raw_card),
)


@settings(max_examples=200, deadline=None)
@given(
    cards=st.lists(CARDS, max_size=6), size=st.integers(0, 9000), tail=st.sampled_from([b"", table_hdu(), b"x" * 99]),
    step=st.integers(1, 4000),
)  # fmt: skip
def test_both_scans_agree_on_any_file(cards: list[bytes], size: int, tail: bytes, step: int) -> None:
    data = header([*image_cards(), *cards]) + bytes(size) + tail
    try:
        prescan(data, len(data))
    except UnreadableFrameError as error:
        expected: str | None = None if error.reason in SOUND else error.reason
    else:
        expected = None
    assert verdict(data, step) == expected

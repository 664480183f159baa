"""What the prescan accepts and refuses, before any library sees the bytes."""

import pytest

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.prescan import Container, prescan, sniff


def card(keyword: str, value: object) -> bytes:
    return f"{keyword:8}= {value!s:>20}".ljust(80).encode("latin-1")


def header(*cards: bytes) -> bytes:
    text = b"".join((*cards, b"END".ljust(80)))
    return text.ljust(-(-len(text) // 2880) * 2880)


def image_cards(nx: int = 16, ny: int = 16, bitpix: int = 16) -> list[bytes]:
    return [card("SIMPLE", "T"), card("BITPIX", bitpix), card("NAXIS", 2), card("NAXIS1", nx), card("NAXIS2", ny)]


def test_a_plain_image_is_found() -> None:
    data = header(*image_cards()) + bytes(2880)
    found = prescan(data, len(data))
    assert found.image is not None
    assert found.image.shape == (16, 16)
    assert found.image.data_offset == 2880


def test_a_huge_naxis_is_refused() -> None:
    data = header(card("SIMPLE", "T"), card("BITPIX", 8), card("NAXIS", 338069165))
    with pytest.raises(UnreadableFrameError) as refusal:
        prescan(data, len(data))
    assert refusal.value.reason == "bad-naxis"


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"SIMPLE  =                    T", Container.FITS),
        (b"\x1f\x8b\x08", Container.GZIP),
        (b"XISF0100", Container.XISF),
        (b"PK\x03\x04", Container.ARCHIVE),
        (b"", Container.UNKNOWN),
    ],
)
def test_the_container_is_told_by_its_first_bytes(head: bytes, container: Container) -> None:
    assert sniff(head) is container

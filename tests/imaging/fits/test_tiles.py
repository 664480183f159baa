"""Tiles that lie about their size are refused before a decoder believes them."""

import gzip
import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from pictor.imaging.errors import UnreadableFrameError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import image_of, read_frame
from pictor.imaging.fits.tiles import KINDS, check_tiles
from tests.imaging.fits.support import card, empty_primary, header, padded, raw_card

NX, NY = 16, 12


def packed(image: NDArray[np.generic], kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(image, compression_type=kind, **how)]).writeto(file)
    return file.getvalue()


def tiled(
    tile: bytes, *, kind: str = "RICE_1", name: str = "COMPRESSED_DATA", count: int | None = None, offset: int = 0,
    form: str = "1PB", rows: int = 1, shape: tuple[int, int] = (NY, NX), extra: tuple[bytes, ...] = (),
) -> bytes:  # fmt: skip
    """A tile-compressed image of one tile, written by hand."""
    ny, nx = shape
    cards = [
        raw_card("XTENSION= 'BINTABLE'"), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 8), card("NAXIS2", rows),
        card("PCOUNT", len(tile)), card("GCOUNT", 1), card("TFIELDS", 1), card("TTYPE1", name), card("TFORM1", form),
        card("ZIMAGE", True), card("ZBITPIX", 16), card("ZNAXIS", 2), card("ZNAXIS1", nx), card("ZNAXIS2", ny),
        card("ZTILE1", nx), card("ZTILE2", ny), card("ZCMPTYPE", kind), *extra,
    ]  # fmt: skip
    pointer = struct.pack(">ii", len(tile) if count is None else count, offset)
    return empty_primary() + header(cards) + padded(pointer * rows + tile)


IMAGES = {
    "16-bit": np.random.default_rng(1).integers(0, 4000, (70, 90)).astype(np.int16),
    "unsigned": np.random.default_rng(2).integers(0, 60_000, (70, 90)).astype(np.uint16),
    "floats": np.random.default_rng(3).normal(100, 5, (70, 90)).astype(np.float32),
    "constant floats": np.full((70, 90), np.pi, np.float32),
}


@pytest.mark.parametrize("shape", [None, (90, 1), (32, 18)])
@pytest.mark.parametrize("kind", sorted(KINDS - {"RICE_ONE"}))
@pytest.mark.parametrize("name", IMAGES)
def test_what_astropy_packs_is_read(name: str, kind: str, shape: tuple[int, int] | None, tmp_path: Path) -> None:
    image = IMAGES[name]
    if kind == "PLIO_1" and name != "16-bit":
        image = IMAGES["16-bit"]
    if kind == "HCOMPRESS_1" and shape == (90, 1):
        shape = (90, 16)
    path = tmp_path / "in.fits"
    path.write_bytes(packed(image, kind, tile_shape=None if shape is None else shape[::-1]))
    check_tiles(path, image_of(prescan_file(path)))
    frame = read_frame(path)
    if image.dtype.kind in "iu":
        np.testing.assert_array_equal(frame.data, image)
    else:
        np.testing.assert_allclose(frame.data, image, atol=1.0)


PIXELS = NX * NY
LIES = {
    "gzip of 64 MiB": tiled(gzip.compress(bytes(64 << 20)), kind="GZIP_1"),
    "gzip in members": tiled(gzip.compress(bytes(1000)) * 9, kind="GZIP_2"),
    "gzip in the column for what RICE cannot do": tiled(gzip.compress(bytes(8 << 20)), name="GZIP_COMPRESSED_DATA"),
    "gzip cut short": tiled(gzip.compress(np.random.default_rng(4).bytes(300))[:-100], kind="GZIP_1"),
    "no gzip": tiled(b"\0" * 200, kind="GZIP_1"),
    "HCOMPRESS of 100,000 x 100,000": tiled(
        struct.pack(">Hii", 0xDD99, 100_000, 100_000) + bytes(100), kind="HCOMPRESS_1"
    ),
    "HCOMPRESS of -1 x -192": tiled(struct.pack(">Hii", 0xDD99, -1, -192) + bytes(100), kind="HCOMPRESS_1"),
    "HCOMPRESS of other pixels": tiled(struct.pack(">Hii", 0xDD99, NX, NY + 1) + bytes(100), kind="HCOMPRESS_1"),
    "HCOMPRESS without magic": tiled(struct.pack(">Hii", 1, NY, NX) + bytes(100), kind="HCOMPRESS_1"),
    "HCOMPRESS of 3 bytes": tiled(b"\xdd\x99\0", kind="HCOMPRESS_1"),
    "PLIO of 30,000 words": tiled(struct.pack(">hhh", 0, 0, 30_000) + bytes(100), kind="PLIO_1", form="1PI", count=53),
    "PLIO of many more": tiled(
        struct.pack(">hhhhh", 0, 7, -100, 32_767, 32_767) + bytes(90), kind="PLIO_1", form="1PI", count=50
    ),
    "PLIO of 2 bytes": tiled(b"\0\0", kind="PLIO_1", form="1PI", count=1),
    "more bytes than pixels": tiled(bytes(9 * PIXELS), name="UNCOMPRESSED_DATA"),
    "pointer behind the file": tiled(bytes(100), offset=2**31 - 1),
    "pointer before the heap": tiled(bytes(100), offset=-8),
    "a negative count": tiled(bytes(100), count=-1),
    "a count beyond the heap": tiled(bytes(100), count=101),
    "fewer tiles than the image needs": tiled(bytes(100), shape=(NY, NX), extra=(card("THEAP", 8),), rows=1).replace(
        card("ZTILE2", NY), card("ZTILE2", 1)
    ),
    "a heap before the file": tiled(bytes(100), extra=(card("THEAP", -8),)),
    "unknown compression": tiled(bytes(100), kind="MAGIC_1"),
    "columns wider than rows": tiled(bytes(100), form="999999999999E"),
    "no column of tiles": tiled(bytes(100), form="2J"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_tile_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "in.fits"
    path.write_bytes(LIES[name])
    with pytest.raises(UnreadableFrameError) as refusal:
        read_frame(path)
    assert refusal.value.reason == "bad-tiles"
    print(f"\n{name}: {refusal.value}")

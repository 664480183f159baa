"""Rows 46-67: archives and bombs, damaged tile compression, tables and groups that claim too much."""

import bz2
import functools
import gzip
import io
import lzma
import warnings
import zipfile
import zlib

import numpy as np
from astropy.io import fits

from tests.catalogue.cases import Body, Case, later, plain
from tests.catalogue.files.light import CARDS, light, structure
from tests.catalogue.files.structure import ASTROPY, quarantined, refused
from tests.catalogue.rows import Row
from tests.imaging.fits.support import card, empty_primary, header, image_cards, padded, raw_card, table_hdu

GIB = 1 << 30
_PIECE = 16 << 20
TILED = "a whole file in a standard container; what it unpacks to is judged by ingest, in the child"


def archive(number: str, given: str, others: str, data: bytes) -> Case:
    return Case(Row(number, given, others, (415,), "not-a-frame"), plain(data))


def bomb(head: bytes, size: int) -> Body:
    """One gzip stream of a few bytes and very many zeros; its pieces are the same, so it is made at once."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = engine.compress(head) + engine.flush(zlib.Z_FULL_FLUSH)
    piece = engine.compress(bytes(_PIECE)) + engine.flush(zlib.Z_FULL_FLUSH)
    prefix = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + start
    return Body(prefix + piece * (size // _PIECE) + engine.flush(zlib.Z_FINISH) + bytes(8))


def archived() -> bytes:
    """A zip whose member wants to lie outside."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("../../evil.fits", light(50))
    return file.getvalue()


@functools.cache
def tiled(kind: str, *, damage: bool, number: int) -> bytes:
    """A tile-compressed light with checksums, 2,000 bytes of its heap altered on request."""
    rng = np.random.default_rng(number)
    image = rng.integers(0, 4000, (300, 300)).astype(np.int16)
    cards = fits.Header.fromstring(b"".join(CARDS).decode())
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hdu = fits.CompImageHDU(image, cards, compression_type=kind)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file, checksum=True)
    data = bytearray(file.getvalue())
    if damage:
        heap = len(data) - 20_000
        for place in rng.choice(15_000, 2000, replace=False):
            data[heap + place] ^= int(rng.integers(1, 256))
    return bytes(data)


def compressed(*, tile: object = 16, znaxis1: object = 16, zbitpix: object = 16, kind: str = "RICE_1") -> bytes:
    cards = [
        card("ZIMAGE", True), card("ZBITPIX", zbitpix), card("ZNAXIS", 2), card("ZNAXIS1", znaxis1),
        card("ZNAXIS2", 12), card("ZTILE1", tile), card("ZTILE2", 1), card("ZCMPTYPE", kind), *CARDS,
    ]  # fmt: skip
    return empty_primary() + table_hdu(*cards)


def one_tile(tile: bytes) -> bytes:
    """An image of 16 x 12 pixels in one gzip tile."""
    cards = [
        raw_card("XTENSION= 'BINTABLE'"), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 8), card("NAXIS2", 1),
        card("PCOUNT", len(tile)), card("GCOUNT", 1), card("TFIELDS", 1), card("TTYPE1", "COMPRESSED_DATA"),
        card("TFORM1", "1PB"), card("ZIMAGE", True), card("ZBITPIX", 16), card("ZNAXIS", 2), card("ZNAXIS1", 16),
        card("ZNAXIS2", 12), card("ZTILE1", 16), card("ZTILE2", 12), card("ZCMPTYPE", "GZIP_1"), *CARDS,
    ]  # fmt: skip
    return empty_primary() + header(cards) + padded(len(tile).to_bytes(4, "big") + bytes(4) + tile)


def table(*cards: bytes, data: int = 2880) -> bytes:
    """An extension table of exactly these cards behind an empty primary HDU."""
    start = [raw_card("XTENSION= 'BINTABLE'"), card("BITPIX", 8), card("NAXIS", 2)]
    return empty_primary() + header([*start, *cards]) + bytes(data)


def pointing(offset: int) -> bytes:
    """A table of one variable-length array that lies elsewhere."""
    cards = [card("NAXIS1", 8), card("NAXIS2", 1), card("PCOUNT", 100), card("GCOUNT", 1), card("TFIELDS", 1),
             card("TFORM1", "1PJ(1)")]  # fmt: skip
    pointers = (25).to_bytes(4, "big") + offset.to_bytes(4, "big", signed=True)
    return table(*cards, data=0) + padded(pointers + bytes(100))


def groups(parameters: int, count: int, data: int) -> bytes:
    cards = [card("SIMPLE", True), card("BITPIX", 8), card("NAXIS", 2), card("NAXIS1", 0), card("NAXIS2", 3),
             card("GROUPS", True), card("PCOUNT", parameters), card("GCOUNT", count)]  # fmt: skip
    return structure(*cards, data=data)


def damaged(number: str, kind: str, others: str) -> Case:
    row = Row(number, f"{kind} tiles with 2,000 altered bytes", others, (201,), None, "quarantined", "bad-tiles", TILED)
    return Case(row, later(lambda: tiled(kind, damage=True, number=int(number))))


CASES = (
    Case(
        Row("46", "2 MB of gzip that unpack to 2 GiB of zeros", f"{ASTROPY}12.5 s, > 2 GB; cfitsio: 2 GB", (415,),
            "not-a-frame", note="the first unpacked bytes are not FITS"),
        lambda: bomb(b"", 2 * GIB),
    ),
    Case(
        Row("46b", "a frame in gzip that goes on for 2 GiB", "", (201,), None, "quarantined", "length-mismatch",
            note="unpacked in the child as far as its own header says and no further"),
        lambda: bomb(light(46), 2 * GIB),
    ),
    Case(
        Row("46c", "gzip of a header that claims 400,000 x 400,000 pixels", "", (422,), "frame-too-large"),
        plain(gzip.compress(structure(*image_cards(400_000, 400_000)))),
    ),
    archive("47", "bz2 of 64 MiB of zeros", f"{ASTROPY}1 GiB in 4.4 s, > 1 GB", bz2.compress(bytes(64 << 20))),
    Case(
        Row("48", "gzip named .fits", f"{ASTROPY}opened", (201,), None, "registered", "too-few-stars",
            note="gzip is accepted within limits, whatever its name: capture programs write it"),
        plain(gzip.compress(light(48))), name="light.fits",
    ),
    quarantined("49", "truncated gzip", f"{ASTROPY}OSError", "gzip-truncated", gzip.compress(light(49))[:-2000],
                note="only unpacking all of it tells; kept"),
    Case(Row("50", "zip with a member ../../evil.fits", f"{ASTROPY}opened", (415,), "not-a-frame",
             note="nothing is unpacked"), later(archived)),
    archive("51", "xz named .fits", f"{ASTROPY}opened", lzma.compress(light(51))),
    refused("52", "RICE, ZNAXIS 100,000 x 12", f"{ASTROPY}allocates what is claimed", "frame-too-large",
            compressed(znaxis1=100_000, tile=1000)),
    refused("53", "ZTILE1 0", f"{ASTROPY}OverflowError", "bad-tiles", compressed(tile=0)),
    refused("54", "ZTILE1 -5", f"{ASTROPY}decompressor errors", "bad-tiles", compressed(tile=-5)),
    refused("55", "ZTILE1 60000", f"{ASTROPY}decompressor errors", "bad-tiles", compressed(tile=60_000)),
    damaged("56", "RICE_1", f"{ASTROPY}errors"),
    damaged("57", "GZIP_1", f"{ASTROPY}errors"),
    damaged("58", "HCOMPRESS_1", f"{ASTROPY}errors"),
    damaged("59", "PLIO_1", f"{ASTROPY}opened silently"),
    Case(
        Row("59b", "a gzip tile of 2 MB that unpacks to 2 GiB", f"{ASTROPY}unpacks it all", (201,), None, "quarantined",
            "bad-tiles", "every tile is looked at before a decoder sees it"),
        later(lambda: one_tile(b"".join(bomb(b"", 2 * GIB).chunks()))),
    ),
    quarantined("60", "unknown ZCMPTYPE", f"{ASTROPY}ValueError", "bad-tiles", compressed(kind="MAGIC_1"), note=TILED),
    refused("61", "ZBITPIX 77", f"{ASTROPY}ValueError", "bad-bitpix", compressed(zbitpix=77)),
    quarantined("62", "table with a heap pointer out of range", f"{ASTROPY}opened", "no-image", pointing(2**31 - 1),
                note="sound FITS without an image is kept, for a person to judge"),
    quarantined("63", "table with a negative heap pointer", f"{ASTROPY}opened", "no-image", pointing(-5)),
    quarantined("64", "TFORM 999999999999E", f"{ASTROPY}OSError", "no-image",
                table(card("NAXIS1", 4), card("NAXIS2", 2), card("PCOUNT", 0), card("GCOUNT", 1), card("TFIELDS", 1),
                      card("TFORM1", "999999999999E"))),
    refused("65", "PCOUNT 10^18", f"{ASTROPY}errno 22", "bad-naxis",
            table(card("NAXIS1", 4), card("NAXIS2", 2), card("PCOUNT", 10**18), card("GCOUNT", 1))),
    quarantined("66", "TFIELDS 100000", f"{ASTROPY}KeyError", "no-image",
                table(card("NAXIS1", 4), card("NAXIS2", 2), card("PCOUNT", 0), card("GCOUNT", 1),
                      card("TFIELDS", 100_000))),
    refused("67", "random groups, PCOUNT = GCOUNT = 10^9", f"{ASTROPY}errno 22", "frame-too-large",
            groups(10**9, 10**9, 8640)),
    quarantined("67b", "sound random groups", "", "random-groups", groups(1, 3, 2880)),
)  # fmt: skip

"""Twenty small frames of every kind that is accepted, made here: what mutations start from."""

import gzip
import io
import re
from collections.abc import Callable

import numpy as np
from astropy.io import fits

SHAPE = (24, 32)

CARDS = {
    "IMAGETYP": "LIGHT", "EXPTIME": 60.0, "INSTRUME": "Simulated camera", "GAIN": 100, "OFFSET": 50, "EGAIN": 1.0,
    "DATE-OBS": "2026-11-19T21:00:00.000", "SET-TEMP": -10.0, "CCD-TEMP": -10.0, "XBINNING": 1, "YBINNING": 1,
    "XPIXSZ": 3.8, "YPIXSZ": 3.8, "FOCALLEN": 500.0, "FILTER": "L", "OBJECT": "Nowhere", "SIMULATD": True,
}  # fmt: skip


GZIP_TIME = re.compile(rb"(\x1f\x8b\x08\x00)....", re.DOTALL)
"""A gzip tile says when it was made."""


def _pixels(dtype: str, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(7).normal(500, 12, shape).astype(dtype)


def _file(*hdus: fits.hdu.base._BaseHDU) -> bytes:
    out = io.BytesIO()
    for hdu in hdus:
        hdu.add_checksum(when="of a seed")
    fits.HDUList(list(hdus)).writeto(out)
    return out.getvalue()


def plain(dtype: str, shape: tuple[int, ...] = SHAPE, **cards: object) -> bytes:
    """Make a frame in the primary HDU."""
    return _file(fits.PrimaryHDU(_pixels(dtype, shape), fits.Header({**CARDS, **cards})))


def in_extension() -> bytes:
    """Make a frame in the first extension, with a table behind it."""
    column = fits.Column("x", "E", array=np.arange(5, dtype=np.float32))
    image = fits.ImageHDU(_pixels("uint16"), fits.Header(CARDS))
    return _file(fits.PrimaryHDU(), image, fits.BinTableHDU.from_columns([column]))


def compressed(kind: str) -> bytes:
    """Make a tile-compressed frame without checksums."""
    dtype = "float32" if kind == "GZIP_2" else "uint16"
    image = fits.CompImageHDU(_pixels(dtype), fits.Header(CARDS), compression_type=kind, tile_shape=SHAPE)
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(out)
    return GZIP_TIME.sub(rb"\g<1>\0\0\0\0", out.getvalue())


def long_header() -> bytes:
    """Make a frame with long strings, HIERARCH keywords, comments and a WCS."""
    header = fits.Header(CARDS)
    header["LONGSTR"] = "x" * 200
    header["HIERARCH ESO DET CHIP1 NAME"] = "nowhere"
    for number in range(40):
        header["COMMENT"] = f"line {number}"
    header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 83.8, "CRVAL2": -5.4, "CRPIX1": 16.0})
    header.update({"CRPIX2": 12.0, "CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 1e-4})
    return _file(fits.PrimaryHDU(_pixels("uint16"), header))


def xisf() -> bytes:
    """Make a monolithic XISF frame, uncompressed."""
    data = _pixels("uint16").tobytes()
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><xisf version="1.0" xmlns="http://www.pixinsight.com/xisf">'
        f'<Image geometry="{SHAPE[1]}:{SHAPE[0]}:1" sampleFormat="UInt16" colorSpace="Gray" '
        f'location="attachment:4096:{len(data)}">'
        '<FITSKeyword name="IMAGETYP" value="\'LIGHT\'" comment=""/>'
        '<FITSKeyword name="EXPTIME" value="60." comment=""/></Image></xisf>'
    ).encode()
    head = b"XISF0100" + len(xml).to_bytes(4, "little") + bytes(4) + xml
    return head.ljust(4096, b"\x00") + data


SEEDS: dict[str, Callable[[], bytes]] = {
    "uint8": lambda: plain("uint8"),
    "int16": lambda: plain("int16"),
    "uint16": lambda: plain("uint16"),
    "int32": lambda: plain("int32"),
    "int64": lambda: plain("int64"),
    "float32": lambda: plain("float32"),
    "float64": lambda: plain("float64"),
    "colour": lambda: plain("uint16", (3, *SHAPE)),
    "bayer": lambda: plain("uint16", BAYERPAT="RGGB", ROWORDER="TOP-DOWN"),
    "dark": lambda: plain("uint16", IMAGETYP="DARK"),
    "flat": lambda: plain("uint16", IMAGETYP="FLAT"),
    "bias": lambda: plain("uint16", IMAGETYP="BIAS", EXPTIME=0.0),
    "master": lambda: plain("float32", IMAGETYP="MASTER DARK", NCOMBINE=20),
    "extension": in_extension,
    "long-header": long_header,
    "rice": lambda: compressed("RICE_1"),
    "gzip-tiles": lambda: compressed("GZIP_2"),
    "hcompress": lambda: compressed("HCOMPRESS_1"),
    "gzip": lambda: gzip.compress(plain("uint16"), mtime=0),
    "xisf": xisf,
}
"""Twenty files by name; each call makes the same bytes."""

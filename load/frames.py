"""Frames to send: real FITS of any size, each different in some bytes, and hostile ones."""

import gzip
import struct
from functools import lru_cache
from io import BytesIO

import numpy as np
from astropy.io import fits

from pictor.imaging.simulator.psf import Psf, add_stars

MB = 1_000_000
CARDS = {
    "IMAGETYP": "LIGHT", "EXPOSURE": 60.0, "EXPTIME": 60.0, "INSTRUME": "Simulated camera", "XBINNING": 1,
    "YBINNING": 1,
    "GAIN": 100, "OFFSET": 50, "EGAIN": 1.0, "SET-TEMP": -10.0, "CCD-TEMP": -10.0, "XPIXSZ": 3.8, "YPIXSZ": 3.8,
    "FOCALLEN": 500.0, "ROWORDER": "TOP-DOWN", "SWCREATE": "N.I.N.A. 3.1 (x64)", "FILTER": "L", "OBJECT": "Nowhere",
    "DATE-OBS": "2026-11-19T21:00:00.000", "SIMULATD": True,
}  # fmt: skip


@lru_cache(maxsize=4)
def _first(size_mb: float, kind: str) -> tuple[bytes, int]:
    """Make one frame and say where its pixels begin."""
    side = int((size_mb * MB / 2 / 1.5) ** 0.5)
    shape = (side, int(side * 1.5))
    rng = np.random.default_rng(7)
    image = rng.normal(600.0 if kind == "LIGHT" else 500.0, 12.0, shape).astype(np.float32)
    if kind == "LIGHT":
        x, y = rng.uniform(20, shape[1] - 20, 300), rng.uniform(20, shape[0] - 20, 300)
        add_stars(image, x, y, rng.uniform(2e4, 2e5, 300), Psf("gaussian", 3.0))
    header = fits.Header()
    header.update(CARDS | {"IMAGETYP": kind})
    buffer = BytesIO()
    fits.PrimaryHDU(np.clip(np.rint(image), 0, 65535).astype(np.uint16), header).writeto(buffer)
    body = buffer.getvalue()
    return body, len(body) - -(-shape[0] * shape[1] * 2 // 2880) * 2880


def frame(number: int, size_mb: float, *, kind: str = "LIGHT") -> bytes:
    """Make a frame that differs from all others in its first pixels."""
    body, pixels = _first(size_mb, kind)
    changed = struct.pack(">HH", (number >> 8 & 0xFF) + 0x8200, (number & 0xFF) + 0x8200)
    return body[:pixels] + changed + body[pixels + len(changed) :]


def hostile(number: int) -> bytes:
    """Make a body that must be refused or quarantined, and hurt nobody."""
    start = b"SIMPLE  =                    T".ljust(80)
    kinds = (
        (start + b"NAXIS   =            338069165".ljust(80)).ljust(2880, b" "),
        (start + b"BITPIX  =                   16".ljust(80) + b"NAXIS   =                  999".ljust(80)).ljust(2880),
        gzip.compress(start.ljust(20 * MB, b"\0"))[:-4] + struct.pack("<I", number),
        b"PK\x03\x04" + bytes(3000),
        frame(number, 0.5)[:-100_000],
        start + b"END".ljust(80) + b"\xff" * 5000,
    )
    return kinds[number % len(kinds)] + struct.pack(">I", number)

"""Small N.I.N.A.-style exposures for tests of the flow; seeded, and different for every number."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.imaging.simulator.psf import Psf, add_stars

SHAPE = (400, 600)
OFFSET_ADU = 500.0


def exposure(
    path: Path, number: int, *, kind: str = "LIGHT", exposure_s: float = 60.0, stars: int = 60,
    shape: tuple[int, int] = SHAPE,
) -> Path:  # fmt: skip
    """Write one exposure; lights have stars, all have noise."""
    rng = np.random.default_rng(1000 + number)
    image = np.full(shape, OFFSET_ADU + (100.0 if kind == "LIGHT" else 0.0), dtype=np.float32)
    if kind == "LIGHT":
        x, y = rng.uniform(20, shape[1] - 20, stars), rng.uniform(20, shape[0] - 20, stars)
        add_stars(image, x, y, rng.uniform(2e4, 2e5, stars), Psf("gaussian", 3.0))
    image += rng.normal(0.0, 12.0, shape)
    header = fits.Header()
    cards = {
        "IMAGETYP": kind, "EXPOSURE": exposure_s, "EXPTIME": exposure_s, "INSTRUME": "Simulated camera",
        "DATE-OBS": f"2026-11-19T21:{number // 60 % 60:02d}:{number % 60:02d}.000", "XBINNING": 1, "YBINNING": 1,
        "GAIN": 100, "OFFSET": 50, "EGAIN": 1.0, "SET-TEMP": -10.0, "CCD-TEMP": -10.0, "XPIXSZ": 3.8, "YPIXSZ": 3.8,
        "FOCALLEN": 500.0, "ROWORDER": "TOP-DOWN", "SWCREATE": "N.I.N.A. 3.1 (x64)", "SIMULATD": True,
    }  # fmt: skip
    header.update(cards if kind != "LIGHT" else {**cards, "FILTER": "L", "OBJECT": "Nowhere"})
    pixels = np.clip(np.rint(image), 0, 65535).astype(np.uint16)
    fits.PrimaryHDU(pixels, header).writeto(path, overwrite=True)
    return path

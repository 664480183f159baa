"""Small light frames in files, for commands that measure."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from tests.support.sky import Recipe, render

FIELD = Recipe(shape=(260, 320), fwhm=3.0, stars=60)


@cache
def _pixels(seed: int, fwhm: float, transparency: float) -> NDArray[np.uint16]:
    return render(replace(FIELD, seed=seed, fwhm=fwhm, transparency=transparency)).image


def write_light(
    path: Path,
    *,
    seed: int = 7,
    fwhm: float = 3.0,
    transparency: float = 1.0,
    minute: int = 0,
    **cards: str | float,
) -> Path:
    """Write one light: the same stars for the same seed; noise, width and clouds as asked."""
    header = fits.Header()
    told = {
        "IMAGETYP": "LIGHT", "EXPTIME": 60.0, "FILTER": "L", "OBJECT": "M 51", "TELESCOP": "Scope", "INSTRUME": "Cam",
        "EGAIN": 0.5, "DATE-OBS": f"2026-10-12T20:{minute:02d}:00", **cards,
    }  # fmt: skip
    for keyword, value in told.items():
        header[keyword.replace("_", "-")] = value
    fits.writeto(path, _pixels(seed, fwhm, transparency), header)
    return path

"""Masters as other programs write them: made here, after what each program is known to write, with known truth.

The cards of `siril` are those Siril 1.0.6 really wrote for a stack of frames of N.I.N.A.; those of `pixinsight` follow
ImageIntegration (its source: HISTORY ``ImageIntegration.numberOfImages``), `maxim` the manual of MaxIm DL 6 and real
headers, `ccddata` is written by astropy itself, `astrophotography` follows ap_combine_darks.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from numpy.typing import NDArray

SHAPE = (96, 128)
FULL = 65535.0
BIAS_ADU, DARK_ADU, FLAT_ADU = 500.0, 20.0, 24_000.0
NOISE_ADU = 6.0

Pixels = NDArray[np.float64]

CAMERA: Mapping[str, object] = {
    "INSTRUME": "a camera", "XBINNING": 1, "YBINNING": 1, "GAIN": 100, "OFFSET": 30, "SET-TEMP": -10.0,
    "CCD-TEMP": -10.0, "DATE-OBS": "2026-01-01T20:00:00", "ROWORDER": "TOP-DOWN",
}  # fmt: skip
"""What N.I.N.A. writes about the camera of every frame here."""


@dataclass(frozen=True)
class Detector:
    """A detector with a pattern of its own: what is fixed in its pixels, and how light falls on it."""

    seed: int = 0
    shape: tuple[int, int] = SHAPE

    def truth(self, kind: str) -> Pixels:
        """Return what every exposure of a kind shows, without noise, in ADU."""
        rng = np.random.default_rng(1000 + self.seed)
        y, x = np.mgrid[-1 : 1 : self.shape[0] * 1j, -1 : 1 : self.shape[1] * 1j]
        bias = BIAS_ADU + rng.normal(0, 3, self.shape) + 3 * y
        current, response = rng.gamma(2.0, DARK_ADU / 2, self.shape), rng.normal(1, 0.01, self.shape)
        if kind == "bias":
            return bias
        if kind == "dark":
            return bias + current
        light: Pixels = bias + FLAT_ADU * response * (1 - 0.15 * (x**2 + y**2) - 0.03 * y)
        return light

    def exposure(self, kind: str, number: int) -> NDArray[np.uint16]:
        """Return one exposure."""
        rng = np.random.default_rng([self.seed, number, len(kind)])
        truth = self.truth(kind)
        noise = NOISE_ADU if kind != "flat" else np.sqrt(truth)
        return np.clip(np.rint(truth + rng.normal(0, 1, self.shape) * noise), 0, FULL).astype(np.uint16)

    def stack(self, kind: str, count: int = 10, *, below: float = 0.0) -> Pixels:
        """Return the mean of some exposures above a level, in ADU."""
        mean: Pixels = np.mean([self.exposure(kind, 100 + n) for n in range(count)], axis=0) - below
        return mean


def individual(detector: Detector, kind: str, number: int, **cards: object) -> bytes:
    """Return an exposure as N.I.N.A. writes it."""
    return written(detector.exposure(kind, number), {**CAMERA, "IMAGETYP": kind.upper(), **_exposed(kind), **cards})


def written(pixels: NDArray[np.generic], cards: Mapping[str, object], history: tuple[str, ...] = ()) -> bytes:
    """Write pixels and cards as FITS; a card that is None is left out."""
    header = fits.Header()
    for name, value in cards.items():
        if value is not None:
            header[name.replace("_", "-")] = value
    for line in history:
        header.add_history(line)
    out = io.BytesIO()
    fits.PrimaryHDU(pixels, header).writeto(out)
    return out.getvalue()


def _exposed(kind: str) -> dict[str, object]:
    return {"EXPTIME": {"bias": 0.0, "dark": 300.0, "flat": 2.0}[kind], **({"FILTER": "L"} if kind == "flat" else {})}


def siril(pixels: Pixels, kind: str, *, bits: int = 32, **cards: object) -> bytes:
    """Write a stack as Siril 1.0.6 does: 32 bits from 0 to 1; no IMAGETYP, SET-TEMP or READOUTM, a bias no EXPTIME."""
    own = {
        **CAMERA, "SET-TEMP": None, "STACKCNT": 10, **_exposed(kind), "LIVETIME": 3000.0, "CVF": 1.0,
        "PROGRAM": "Siril v1.0.6", "IMAGETYP": "FLAT" if kind == "flat" else None, **cards,
    }  # fmt: skip
    if kind == "bias":
        own |= {"EXPTIME": None, "LIVETIME": None}
    values = np.rint(pixels).astype(np.uint16) if bits == 16 else (pixels / FULL).astype(np.float32)
    return written(values, own)


def pixinsight(pixels: Pixels, kind: str, **cards: object) -> bytes:
    """Write a master as PixInsight does: real numbers from 0 to 1, the number of frames in HISTORY, no temperature."""
    history = (
        "Integration with ImageIntegration module version 1.5.2", "Integration with ImageIntegration process",
        "ImageIntegration.pixelCombination: Average", "ImageIntegration.outputNormalization: None",
        "ImageIntegration.numberOfImages: 10", "ImageIntegration.totalPixels: 122880",
    )  # fmt: skip
    own = {
        **CAMERA, "SET-TEMP": None, "CCD-TEMP": None, "IMAGETYP": f"Master {kind.capitalize()}", **_exposed(kind),
        **cards,
    }  # fmt: skip
    return written((pixels / FULL).astype(np.float32), own, history)


def maxim(pixels: Pixels, kind: str, *, real: bool = False, **cards: object) -> bytes:
    """Write a master as MaxIm DL does: unsigned by BZERO or real numbers in ADU, frames counted by SNAPSHOT."""
    own = {
        **CAMERA, "ROWORDER": None, "IMAGETYP": f"Master {kind.capitalize()}", **_exposed(kind), "SNAPSHOT": 10,
        "PEDESTAL": 0, "CALSTAT": "M", "CBLACK": 400, "CWHITE": 900, "FLIPSTAT": "",
        "SWCREATE": "MaxIm DL Version 6.18", **cards,
    }  # fmt: skip
    return written(pixels.astype(np.float32) if real else np.rint(pixels).astype(np.uint16), own)


def ccddata(pixels: Pixels, kind: str, *, unit: str = "adu", **cards: object) -> bytes:
    """Write a master as ccdproc scripts do: CCDData with unit, uncertainty and mask."""
    mask = np.zeros(pixels.shape, bool)
    mask[5, 7] = True
    own = {**CAMERA, "IMAGETYP": kind.upper(), **_exposed(kind), "COMBINED": True, **cards}
    data = CCDData(
        pixels.astype(np.float32), unit=units.Unit(unit), mask=mask,
        uncertainty=StdDevUncertainty(np.full(pixels.shape, 2.5, np.float32)),
        meta={name.replace("_", "-"): value for name, value in own.items() if value is not None},
    )  # fmt: skip
    out = io.BytesIO()
    data.to_hdu().writeto(out)
    return out.getvalue()


def astrophotography(pixels: Pixels, kind: str, **cards: object) -> bytes:
    """Write a master as ap_combine_darks does: inputs listed one by one, unit adu, MASTER in capitals."""
    inputs = {f"IFILE{n:03d}": f"{kind}_{n}.fits" for n in range(10)}
    own = {
        **CAMERA, "IMAGETYP": f"MASTER {kind.upper()}", **_exposed(kind), "CREATOR": "ap_combine_darks", "BUNIT": "adu",
        **inputs, **cards,
    }  # fmt: skip
    return written(pixels.astype(np.float32), own)


def saved(folder: Path, name: str, body: bytes) -> Path:
    """Write bytes into a folder."""
    path = folder / name
    path.write_bytes(body)
    return path

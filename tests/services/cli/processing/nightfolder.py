"""A small folder of a night, with known stars and a few odd files, and what a survey tells of a file."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.cli.processing.seen import Seen

SHAPE = (200, 240)
STARS = 60
EVIL = '=HYPERLINK("http://x")<script>alert(1)</script>'
EVIL_NAME = "<img src=x onerror=alert(1)>.fits"


def seen(label: str, kind: str = "light", **told: Any) -> Seen:
    """Give a file as its survey would, with one camera mode unless told otherwise."""
    description = {
        "frame_type": kind, "is_master": False, "camera": "Cam", "telescope": "Scope", "width": 320, "height": 260,
        "binning_x": 1, "binning_y": 1, "exposure_s": 60.0, "start_utc": "2026-10-12T20:00:00Z", "filter": None,
        "target_name": None, "calstat": None, "set_temp_c": -10.0, "ccd_temp_c": -10.0, "bayer": None, **told,
    }  # fmt: skip
    return Seen(label, sha256=str(told.get("sha256", label)), description=description)


def write_night(
    folder: Path, *, lights: int = 4, calibration: Sequence[str] = ("bias", "dark", "flatdark", "flat")
) -> None:
    """Write bias, darks, flat-darks, flats and lights of one camera, each few; values are whole ADU."""
    rng, shape = np.random.default_rng(11), SHAPE
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    flat = 1 - 0.3 * ((y - shape[0] / 2) ** 2 + (x - shape[1] / 2) ** 2) / (shape[0] ** 2 + shape[1] ** 2)
    hot = rng.random(shape) < 0.001
    dark = 500 + 0.2 * 60 + hot * 900.0
    for number in range(4):
        lit = 500.4 + rng.normal(25_000 * flat, np.sqrt(25_000 * flat))
        frames = {
            "bias": (500 + rng.normal(0, 5, shape), "BIAS", 0.0),
            "dark": (dark + rng.normal(0, 5, shape), "DARK", 60.0),
            "flatdark": (500.4 + rng.normal(0, 5, shape), "DARK", 2.0), "flat": (lit, "FLAT", 2.0),
        }  # fmt: skip
        for place, name in enumerate(calibration):
            pixels, kind, exposure = frames[name]
            cards = {"FILTER": "R"} if name == "flat" else {}
            _write(folder / f"{name} {number}.fits", pixels, kind, exposure, 10 * place + number, **cards)
    places, fluxes = rng.uniform(15, [shape[1] - 15, shape[0] - 15], (STARS, 2)), 10 ** rng.uniform(3.7, 5.2, STARS)
    for number in range(lights):
        sky = _sky(shape, places + rng.uniform(-4, 4, 2), fluxes) + 300
        pixels = dark + rng.normal(sky * flat, np.sqrt(sky * flat) + 5)
        _write(folder / f"light_{number}.fits", pixels, "LIGHT", 60.0, 40 + number, FILTER="R", OBJECT="M 51")


def _sky(shape: tuple[int, int], places: NDArray[np.float64], fluxes: NDArray[np.float64]) -> NDArray[np.float64]:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    image = np.zeros(shape)
    for (px, py), flux in zip(places, fluxes, strict=True):
        image += flux / (2 * np.pi * 1.3**2) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.3**2))
    return image


def _write(
    path: Path, pixels: NDArray[np.floating], kind: str, exposure: float, minute: int, **cards: str | float
) -> None:
    header = fits.Header()
    told: dict[str, str | float] = {
        "IMAGETYP": kind, "EXPTIME": exposure, "INSTRUME": "Cam", "TELESCOP": "Scope", "GAIN": 100, "EGAIN": 1.0,
        "SET-TEMP": -10.0, "CCD-TEMP": -10.0, "DATE-OBS": f"2026-10-12T20:{minute:02d}:00", **cards,
    }  # fmt: skip
    for keyword, value in told.items():
        header[keyword] = value
    fits.writeto(path, np.clip(np.rint(pixels), 0, 65535).astype(np.uint16), header, overwrite=True)


def write_other_camera(folder: Path, masters: Path) -> None:
    """Add two lights of another camera, one of them too warm for its master dark, which is packed."""
    with fits.open(folder / "light_2.fits") as units:
        for minute, (name, temperature) in enumerate((("other.fits", -10.0), ("other_warm.fits", 25.0))):
            units[0].header.update(OBJECT="M 42", INSTRUME="Cam 2")
            units[0].header["DATE-OBS"] = f"2026-10-12T21:{minute:02d}:00"
            units[0].header["SET-TEMP"] = units[0].header["CCD-TEMP"] = temperature
            units.writeto(folder / name)
    header = fits.Header({"IMAGETYP": "Master Dark", "EXPTIME": 60.0, "INSTRUME": "Cam 2", "TELESCOP": "Scope"})
    header.update({"GAIN": 100, "SET-TEMP": -10.0, "DATE-OBS": "2026-10-12T19:00:00", "NCOMBINE": 20})
    header.update({"BUNIT": "adu", "DARKBIAS": True, "BIASLVL": 500.0, "EGAIN": 1.0})
    fits.writeto(masters / "dark of Cam 2.fits.gz", np.full(SHAPE, 512, np.float32), header)


def write_odd(folder: Path) -> None:
    """Add what lies in real folders: a copy, a cut file, text, an archive with spaces in its names, hostile names."""
    first = (folder / "light_0.fits").read_bytes()
    (folder / "again").mkdir()
    (folder / "again" / "light_0.fits").write_bytes(first)
    (folder / "cut.fits").write_bytes(first[:40_000])
    (folder / "notes.txt").write_text("clouds at midnight")
    (folder / "text.fits").write_text("this is no FITS")
    with fits.open(folder / "light_1.fits") as units:
        units[0].header["OBJECT"] = EVIL
        units[0].header["DATE-OBS"] = "2026-10-12T21:30:00"
        units.writeto(folder / EVIL_NAME)
    with zipfile.ZipFile(folder / "my observation.zip", "w") as archive:
        moved = folder / "light_3.fits"
        archive.write(moved, "raw T05/light 3 of night.fit")
    moved.unlink()

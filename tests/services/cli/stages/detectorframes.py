"""A small camera's frames on disk, and the command line run on them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from tests.imaging.calibration.camera import Camera, make_camera

SIDE = 160
EGAIN = 1.5


def camera_of(seed: int = 9, *, bayer: bool = False) -> Camera:
    return make_camera(np.random.default_rng(seed), side=SIDE, egain=EGAIN, read_noise_e=6.0, bayer=bayer)


def cards(kind: str, exposure_s: float, **more: Any) -> dict[str, Any]:
    told = {
        "IMAGETYP": kind, "EXPTIME": exposure_s, "INSTRUME": "SimCam", "TELESCOP": "Scope", "GAIN": 100, "OFFSET": 50,
        "EGAIN": EGAIN, "XBINNING": 1, "YBINNING": 1, "SET-TEMP": -10.0, "CCD-TEMP": -10.0, "SWCREATE": "N.I.N.A.",
    }  # fmt: skip
    return {key: value for key, value in {**told, **more}.items() if value is not None}


def bias(camera: Camera, folder: Path, count: int = 5, name: str = "bias", **more: Any) -> list[Path]:
    return camera.write(folder, name, [camera.expose(0.0) for _ in range(count)], **cards("BIAS", 0.0, **more))


def darks(camera: Camera, folder: Path, count: int = 5, name: str = "dark", **more: Any) -> list[Path]:
    frames = [camera.expose(300.0) for _ in range(count)]
    return camera.write(folder, name, frames, **cards("DARK", 300.0, **more))


def flats(camera: Camera, folder: Path, count: int = 5, name: str = "flat", **more: Any) -> list[Path]:
    frames = [camera.expose(2.0, 30_000.0 * level) for level in np.linspace(0.8, 1.1, count)]
    return camera.write(folder, name, frames, **cards("FLAT", 2.0, FILTER="R", **more))


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def told(*words: object) -> Any:
    """Run with --json; the one document on stdout."""
    result = run(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)

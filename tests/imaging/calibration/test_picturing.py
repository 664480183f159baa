"""Pictures of masters: what is bright stays bright, what was rejected is seen, and which way is up."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from pictor.imaging.calibration.masters import Master, write_master
from pictor.imaging.calibration.picturing import EDGE, LEAST_WHITE, picture_master
from pictor.imaging.errors import ImagingError


def write(path: Path, sci: np.ndarray, nused: np.ndarray, **cards: object) -> Path:
    header = fits.Header({"NCOMBINE": 10, **cards})
    master = Master(
        sci.astype(np.float32), np.ones(sci.shape, np.float32), np.zeros(sci.shape, np.uint8), nused, header
    )
    write_master(path, master)
    return path


def pixels(path: Path | None) -> np.ndarray:
    assert path is not None
    with Image.open(path) as image:
        assert image.mode == "L"
        return np.asarray(image)


def test_a_bright_corner_is_where_the_frame_has_it(tmp_path: Path) -> None:
    sci = np.full((1000, 1500), 500.0)
    sci[:200, :300] = 600.0
    nused = np.full(sci.shape, 10, np.uint8)
    down = picture_master(write(tmp_path / "a.fits", sci, nused, ROWORDER="TOP-DOWN"), tmp_path)
    seen = pixels(down.preview)
    assert seen.shape == (1000 // 3, 1500 // 3)
    assert max(seen.shape) <= EDGE
    assert (seen[5, 5], seen[-5, 5], seen[5, -5]) == (255, 0, 0)
    up = pixels(picture_master(write(tmp_path / "b.fits", sci, nused), tmp_path).preview)
    assert (up[-5, 5], up[5, 5]) == (255, 0)
    assert (down.black, down.white) == (500.0, 600.0)


def test_rejected_frames_are_seen_and_an_even_master_is_dark(tmp_path: Path) -> None:
    sci = np.random.default_rng(3).normal(500, 5, (320, 320))
    nused = np.full(sci.shape, 10, np.uint8)
    even = picture_master(write(tmp_path / "a.fits", sci, nused), tmp_path)
    assert even.rejection_white == LEAST_WHITE
    assert pixels(even.rejection).max() == 0
    nused[100:140] = 7
    track = picture_master(write(tmp_path / "b.fits", sci, nused, ROWORDER="TOP-DOWN"), tmp_path)
    assert track.rejection_white == pytest.approx(0.3)
    assert (pixels(track.rejection)[120, 9], pixels(track.rejection)[9, 9]) == (255, 0)


def test_a_foreign_master_has_a_preview_alone(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.arange(90_000, dtype=np.float32).reshape(300, 300)).writeto(tmp_path / "m.fits")
    made = picture_master(tmp_path / "m.fits", tmp_path)
    assert pixels(made.preview).shape == (300, 300)
    assert made.rejection is None


def test_pixels_without_a_value_do_not_spoil_the_picture(tmp_path: Path) -> None:
    sci = np.full((64, 64), 100.0)
    sci[:, 32:] = 200.0
    sci[3, 3] = np.nan
    made = picture_master(write(tmp_path / "a.fits", sci, np.full(sci.shape, 10, np.uint8)), tmp_path)
    assert (made.black, made.white) == (100.0, 200.0)
    assert pixels(made.preview)[0, -1] == 255


def test_a_file_without_a_plane_is_no_master(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.zeros((2, 8, 8), np.float32)).writeto(tmp_path / "cube.fits")
    with pytest.raises(ImagingError, match=r"cube\.fits holds no image of two axes"):
        picture_master(tmp_path / "cube.fits", tmp_path)

"""The preview service's pixel work, as the child runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.errors import ImagingError
from pictor.preview.compute import render, warm


def test_a_file_becomes_products_that_json_can_carry(rng: np.random.Generator, tmp_path: Path) -> None:
    warm()
    path = tmp_path / "frame.fits"
    fits.PrimaryHDU(rng.normal(700, 20, (300, 400)).astype(np.uint16)).writeto(path)
    made = json.loads(json.dumps(render(str(path), str(tmp_path), bayer="GBRG", bayer_offset_x=1), allow_nan=False))
    assert set(made["products"]) == {"preview", "thumbnail", "tiles", "tile-index", "corners"}
    assert all(Path(product["path"]).parent == tmp_path for product in made["products"].values())
    assert made["products"]["thumbnail"]["content_type"] == "image/webp"
    assert made["parameters"]["debayered"] == "GBRG"
    assert len(made["parameters"]["channels"]) == 3


def test_a_frame_of_not_a_number_is_reported_without_not_a_number(tmp_path: Path) -> None:
    path = tmp_path / "frame.fits"
    fits.PrimaryHDU(np.full((30, 40), np.nan, np.float32)).writeto(path)
    json.dumps(render(str(path), str(tmp_path)), allow_nan=False)


def test_a_broken_file_is_the_frames_fault(tmp_path: Path) -> None:
    path = tmp_path / "frame.fits"
    path.write_bytes(b"not a frame")
    with pytest.raises(ImagingError):
        render(str(path), str(tmp_path))

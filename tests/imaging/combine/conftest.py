"""Frames on disk, as a capture program writes them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

Writer = Callable[..., list[Path]]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Write a cube (n, ny, nx) as plain unsigned 16-bit FITS and return the paths."""

    def save(cube: NDArray[np.generic], prefix: str = "f", **cards: object) -> list[Path]:
        paths = []
        for i, data in enumerate(cube):
            path = tmp_path / f"{prefix}{i:03d}.fits"
            fits.PrimaryHDU(data, fits.Header(cards)).writeto(path)
            paths.append(path)
        return paths

    return save

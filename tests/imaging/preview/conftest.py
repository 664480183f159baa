"""Fixtures of the preview tests."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture
def sky(rng: np.random.Generator) -> NDArray[np.uint16]:
    """A 600 by 900 frame of sky (1200 ADU, sigma 40) with 200 stars."""
    frame = rng.normal(1200, 40, (600, 900))
    places = zip(rng.integers(8, 592, 200), rng.integers(8, 892, 200), rng.uniform(500, 40000, 200), strict=True)
    for y, x, flux in places:
        dy, dx = np.mgrid[-8:8, -8:8]
        frame[y - 8 : y + 8, x - 8 : x + 8] += flux * np.exp(-(dy**2 + dx**2) / 6.0)
    return frame.clip(0, 65535).astype(np.uint16)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """An empty folder for products."""
    return tmp_path

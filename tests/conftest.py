"""Fixtures every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest_plugins = [
    "tests.support.hangs",
    "tests.support.sharing",
    "tests.support.servers",
    "tests.support.flow",
    "tests.support.logged",
    "tests.faults.harness.table",
]


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers with a fixed seed."""
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real frames, read in place; without it the real-frame tests say why they did not run."""
    folder = os.environ.get("PICTOR_REAL_DATA")
    if not folder:
        pytest.skip("PICTOR_REAL_DATA is not set: real frames are not here")
    return Path(folder)

"""Fixtures every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest

WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
SHARE = 12_000 // WORKERS

os.environ["PICTOR_PORTS"] = f"{20_000 + WORKER * SHARE}-{20_000 + (WORKER + 1) * SHARE - 1}"
"""Each worker has ports of its own: no other takes one while its server is restarted."""

pytest_plugins = [
    "tests.support.hangs",
    "tests.support.sharing",
    "tests.support.ordering",
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

"""F65: flats that wait for a dark are stacked once when it comes, although the stacker dies in between."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.faults.harness.deployment import Deployment, deployment
from tests.faults.harness.rows import Row, fault
from tests.support.exposures import exposure

pytestmark = pytest.mark.faults

SWEEP_S = 20
LIGHT_ADU = 22_000


@pytest.fixture
def sweeping(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path / "data", sweep_seconds=SWEEP_S) as world:
        yield world


def _flat(path: Path, number: int) -> Path:
    exposure(path, number, kind="FLAT", exposure_s=3.0)
    rng = np.random.default_rng(number)
    with fits.open(path, mode="update") as opened:
        light = rng.poisson(LIGHT_ADU, opened[0].data.shape)
        opened[0].data = np.clip(opened[0].data.astype(np.int64) + light, 0, 65535).astype(np.uint16)
        opened[0].header["FILTER"] = "L"
    return path


@fault("F65", "ten flats, then ten darks; the stacker killed in the dark's stack and in the flats'", limit_s=90)
def test_flats_wait_for_their_dark_and_are_stacked_once_although_the_stacker_dies(
    sweeping: Deployment, row: Row, tmp_path: Path
) -> None:
    world = sweeping
    for number in range(10):
        world.upload(_flat(tmp_path / "flat.fits", 6500 + number))
    world.idle(within_s=120)
    _until(world, "SELECT FROM calibration_note WHERE decision = 'defer' AND message LIKE '%deferred%'")
    assert world.sql("SELECT FROM stack_request") == []
    world.arm("stack.mid_work")
    for number in range(10):
        world.upload(exposure(tmp_path / "dark.fits", 6600 + number, kind="DARK", exposure_s=3.0))
    _until(world, "SELECT FROM master WHERE frame_type = 'dark' AND state = 'active'")
    world.arm("stack.after_put")
    row.over()
    _until(world, "SELECT FROM master WHERE frame_type = 'flat' AND state = 'active'")
    row.note(f"the flats' master was there {time.monotonic() - row._over:.1f} s after the dark's")
    row.converges(world)
    time.sleep(SWEEP_S + 2)
    stacks = world.sql("SELECT frame_type, count(*) AS times FROM stack_request GROUP BY 1 ORDER BY 1")
    assert [tuple(one) for one in stacks] == [("dark", 1), ("flat", 1)]


def _until(world: Deployment, query: str, within_s: float = 150.0) -> None:
    end = time.monotonic() + within_s
    while not world.sql(query):
        assert time.monotonic() < end, [dict(one) for one in world.sql("SELECT * FROM calibration_note")]
        time.sleep(0.1)

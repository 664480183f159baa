"""F12: a stacker killed while it calibrates a light loses nothing, and the light is made once."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault
from tests.support.exposures import exposure

pytestmark = pytest.mark.faults

EXPOSURE_S = 77.0
POINTS = ("calibrate.mid_work", "calibrate.after_put")


def _ask(world: Deployment, frame_id: str, *, within_s: float) -> dict[str, Any]:
    """Ask for a calibrated light until it is there; return which jobs were told of, and its size."""
    end, jobs = time.monotonic() + within_s, set()
    while True:
        answer = world.client.get(f"/frames/{frame_id}/calibrated")
        if answer.status_code == 200:
            return {"jobs": jobs, "bytes": len(answer.content)}
        if answer.status_code == 202:
            jobs.add(answer.json()["job_id"])
        else:
            assert answer.status_code in {429, 503}, answer.text
        assert time.monotonic() < end, world.sql("SELECT * FROM module_run WHERE module = 'calibrate'")
        time.sleep(0.5)


@fault("F12", "calibration-stacker killed while it calibrates a light, mid work and after its product", limit_s=90)
def test_a_stacker_killed_while_it_calibrates_loses_nothing(world: Deployment, row: Row, tmp_path: Path) -> None:
    for number in range(10):
        world.upload(exposure(tmp_path / "dark.fits", 7700 + number, kind="DARK", exposure_s=EXPOSURE_S))
    lights = [
        world.upload(exposure(tmp_path / "light.fits", 7750 + number, exposure_s=EXPOSURE_S))["frame_id"]
        for number in range(len(POINTS))
    ]
    world.idle(within_s=180)
    found = []
    for point, frame_id in zip(POINTS, lights, strict=True):
        world.arm(point)
        started = time.monotonic()
        found.append(_ask(world, frame_id, within_s=150))
        assert point not in world.armed()
        row.note(f"killed at {point}: the light was there after {time.monotonic() - started:.1f} s")
    row.over()
    row.converges(world)
    assert [len(one["jobs"]) for one in found] == [1, 1]
    assert all(one["bytes"] > 400 * 600 * 9 for one in found)
    runs = world.sql(
        "SELECT attempt, r.state FROM module_run r JOIN job j ON j.id = r.job_id WHERE j.frame_id = ANY($1::uuid[]) "
        "AND module = 'calibrate'", lights,
    )  # fmt: skip
    assert [tuple(one) for one in runs] == [(2, "completed"), (2, "completed")]
    kept = world.sql("SELECT frame_id FROM product WHERE kind = 'calibrated' AND frame_id = ANY($1::uuid[])", lights)
    assert len(kept) == len(lights)

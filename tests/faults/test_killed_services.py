"""A service killed with -9 in mid-job loses nothing and doubles nothing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.exposures import exposure
from tests.support.installation import Installation, installation

pytestmark = pytest.mark.faults

POINTS = {
    "ingest": "ingest.after_claim",
    "header": "header-update.after_commit",
    "preview": "preview.after_put",
    "quality": "quality.mid_work",
    "astrometry": "astrometry.mid_work",
    "calibration-stacker": "stack.after_put",
}
"""Where each service dies; the modules of the header service share one process."""

RECOVERY_S = 150.0


@dataclass
class Massacre:
    """What was sent, who was killed, and what was found afterwards."""

    flow: Installation
    before: dict[str, int]
    lights: dict[str, dict[str, Any]]
    stacks: list[dict[str, Any]]


@pytest.fixture(scope="module")
def massacre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Massacre]:
    """Arm every crash point, send one night, and wait for its end."""
    folder = tmp_path_factory.mktemp("faults")
    points = folder / "points"
    points.mkdir()
    with installation(folder / "data", "--separate", environment={"PICTOR_CRASHPOINTS": str(points)}) as flow:
        before = {service: flow.pid(service) for service in POINTS}
        for point in POINTS.values():
            (points / point).touch()
        for number in range(10):
            flow.upload(exposure(folder / f"bias-{number}.fits", number, kind="BIAS", exposure_s=0.0))
        sent = [flow.upload(exposure(folder / f"light-{number}.fits", 100 + number)) for number in range(3)]
        end = time.monotonic() + RECOVERY_S
        lights = {one["job_id"]: flow.ended(one["job_id"], within_s=end - time.monotonic()) for one in sent}
        time.sleep(2)
        flow.idle(within_s=RECOVERY_S)
        assert not list(points.iterdir()), f"never reached: {list(points.iterdir())}"
        jobs = flow.client.get("/jobs", params={"limit": 200}).raise_for_status().json()["items"]
        yield Massacre(flow, before, lights, [job for job in jobs if job["kind"] == "stack"])


@pytest.mark.parametrize("service", POINTS)
def test_a_killed_service_is_started_again(massacre: Massacre, service: str) -> None:
    assert massacre.flow.pid(service) != massacre.before[service]


@pytest.mark.parametrize("module", ["ingest", "header-update", "preview", "quality", "astrometry", "quality-headers"])
def test_every_light_passed_every_module_although_its_worker_died(massacre: Massacre, module: str) -> None:
    for job in massacre.lights.values():
        runs = {run["module"]: run for run in job["timeline"]}
        assert runs[module]["state"] in {"completed", "skipped", "failed"}
        assert runs[module]["attempt"] <= 2
    if module != "astrometry":
        assert all(
            run["state"] == "completed"
            for job in massacre.lights.values()
            for run in job["timeline"]
            if run["module"] == module
        )


def test_the_stack_was_made_once(massacre: Massacre) -> None:
    assert [job["state"] for job in massacre.stacks] == ["completed"]


def test_nothing_is_parked(massacre: Massacre) -> None:
    letters = massacre.flow.client.get("/dead-letters").raise_for_status().json()
    assert letters["total"] == 0, letters


def test_the_check_finds_nothing_lost_doubled_or_stuck(massacre: Massacre) -> None:
    massacre.flow.check(deep=True)

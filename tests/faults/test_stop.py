"""A worker asked to stop finishes or gives back its work in time, and leaves without a complaint."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pictor.contracts.modules import Service
from tests.faults.harness.deployment import Deployment

pytestmark = pytest.mark.faults

STOP_S = 30.0
"""What the settings promise."""


def test_a_worker_asked_to_stop_in_mid_work_is_gone_in_time_and_its_frame_is_finished_elsewhere(
    world: Deployment, frames: Callable[..., Path]
) -> None:
    sent = [world.upload(frames(300 + number)) for number in range(3)]
    victim, deaths = world.services.pid(Service.QUALITY), len(world.services.deaths)
    logged = len(world.services.log(Service.QUALITY))
    end = time.monotonic() + 60
    while not any(_running(world, one["job_id"], "quality") for one in sent) and time.monotonic() < end:
        time.sleep(0.02)
    asked = time.monotonic()
    os.kill(victim, signal.SIGTERM)
    while len(world.services.deaths) == deaths:
        assert time.monotonic() - asked < STOP_S, "the worker is still there"
        time.sleep(0.05)
    print(f"gone {time.monotonic() - asked:.1f} s after SIGTERM")
    assert world.services.deaths[deaths] == (Service.QUALITY, 0)
    assert "Traceback" not in world.services.log(Service.QUALITY)[logged:]
    for one in sent:
        runs = {run["module"]: run for run in world.ended(one["job_id"], within_s=120)["timeline"]}
        assert runs["quality"]["state"] == "completed"


def _running(world: Deployment, job_id: str, module: str) -> bool:
    return any(run["module"] == module and run["state"] == "running" for run in world.job(job_id)["timeline"])

"""F1 to F6: a gateway killed anywhere in an upload tells no lie, and the client's retry finds everything in order."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from pictor.contracts.modules import Service
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault

pytestmark = pytest.mark.faults
Frames = Callable[..., Path]


def test_start(world: Deployment, frames: Frames) -> None:
    one = world.upload(frames(1))
    job = world.ended(one["job_id"], within_s=60)
    print(job["state"])


@fault("F5", "crash point gateway.after_commit", limit_s=60, core=True)
def test_f5(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(5)
    world.arm("gateway.after_commit")
    with pytest.raises(httpx.TransportError):
        world.send(frame)
    row.over()
    answer = world.send_again(frame)
    assert answer.status_code == 200
    row.converges(world)

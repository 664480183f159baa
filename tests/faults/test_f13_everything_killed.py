"""F13: everything killed at once and started again in any order finds itself whole within a minute."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pictor.contracts.modules import Service
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault
from tests.support.exposures import exposure
from tests.support.installation import installation

pytestmark = pytest.mark.faults
Frames = Callable[..., Path]

ORDERS = 24
SERVERS = ("nats", "postgres", "store")


@fault("F13", f"SIGKILL of all servers and services, started in {ORDERS} random orders", limit_s=60)
@pytest.mark.parametrize("order", range(ORDERS))
def test_everything_killed_and_started_in_random_order(world: Deployment, row: Row, frames: Frames, order: int) -> None:
    sent = [world.upload(frames(1300 + 2 * order + number)) for number in range(2)]
    world.services.abandon()
    for name in SERVERS:
        getattr(world, name).kill()
    parts: list[str] = [*SERVERS, *map(str, Service)]
    dice = random.Random(order)
    dice.shuffle(parts)
    print(f"order {order}: {', '.join(parts)}")
    for part in parts:
        if part in SERVERS:
            getattr(world, part).start(wait=False)
        else:
            world.services.start(Service(part))
        time.sleep(dice.uniform(0, 0.3))
    row.over()
    world.services.wait_ready()
    for one in sent:
        world.ended(one["job_id"], within_s=row.left_s)
    row.converges(world)


@fault("F13", "SIGKILL of a whole `pictor up --separate` and everything it started, started again", limit_s=60)
def test_pictor_up_killed_with_all_it_started(row: Row, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with installation(data, "--separate") as flow:
        sent = [flow.upload(exposure(tmp_path / f"light-{number}.fits", 1390 + number)) for number in range(3)]
        flow.process.kill()
        flow.process.wait()
    row.over()
    with installation(data, "--separate") as flow:
        for one in sent:
            flow.ended(one["job_id"], within_s=row.left_s)
        row.converges(flow)

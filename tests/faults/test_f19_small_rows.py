"""F19 and F62: a flipped bit in the broker's store, and a gateway with 64 file descriptors."""

import resource
import socket
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


@fault("F19", "one bit flipped in every block of the work stream while the broker is down and orders wait", limit_s=240)
def test_orders_lost_by_a_flipped_bit_are_given_again(world: Deployment, row: Row, frames: Frames) -> None:
    world.services.stop(Service.INGEST)
    for number in range(10):
        world.upload(frames(1900 + number))
    world.nats.stop()
    blocks = [path for path in (world.data / "nats").rglob("*.blk") if "PICTOR_WORK" in str(path)]
    flipped = [_flip(path) for path in blocks if path.stat().st_size]
    assert flipped
    world.nats.start()
    world.services.start(Service.INGEST)
    row.over()
    row.note(f"a bit flipped in {len(flipped)} blocks that held 10 orders")
    row.converges(world)


def _flip(path: Path) -> int:
    with path.open("r+b") as file:
        at = path.stat().st_size // 2
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    return at


@fault("F62", "RLIMIT_NOFILE of the gateway set to 64, and 100 clients that say nothing", limit_s=60)
def test_a_gateway_without_file_descriptors_says_so_and_recovers(world: Deployment, row: Row, frames: Frames) -> None:
    pid = world.services.pid(Service.GATEWAY)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, before[1]))
    host, port = httpx.URL(world.url).host, httpx.URL(world.url).port
    idle = [socket.create_connection((host, port or 80), timeout=5) for _ in range(100)]
    answers = []
    try:
        for number in range(3):
            try:
                answers.append(str(world.send(frames(6200 + number)).status_code))
            except httpx.TransportError as error:
                answers.append(type(error).__name__)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        for one in idle:
            one.close()
    row.over()
    row.note(f"without descriptors: {', '.join(answers)}")
    assert "500" not in answers
    end = time.monotonic() + row.left_s
    while True:
        answer = world.send_again(frames(6210))
        if answer.is_success:
            break
        assert time.monotonic() < end, answer.text
    assert world.services.pid(Service.GATEWAY) == pid
    row.converges(world)

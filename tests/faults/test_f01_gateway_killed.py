"""F1 to F6: a gateway killed anywhere in an upload tells no lie, and the client's retry finds everything in order."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pictor.contracts.modules import Service
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault

pytestmark = pytest.mark.faults
Frames = Callable[..., Path]


def _killed_in(world: Deployment, frame: Path, part: float) -> None:
    """Send a part of a frame, kill the gateway, and see that nobody answers."""
    body = frame.read_bytes()

    def bytes_of_it() -> Iterator[bytes]:
        yield body[: int(part * len(body))] or b""
        time.sleep(0.3)
        world.services.kill(Service.GATEWAY)
        time.sleep(0.3)
        yield body[int(part * len(body)) :]

    with pytest.raises(httpx.TransportError):
        world.client.put(
            f"/frames/{hashlib.sha256(body).hexdigest()}",
            content=bytes_of_it(),
            headers={"Content-Length": str(len(body))},
        )


def _retried(world: Deployment, row: Row, frame: Path, status: int) -> None:
    """Let the client send it again, and see that there is one frame, one job, and that it ends."""
    row.over()
    answer = world.send_again(frame)
    assert answer.status_code == status, answer.text
    job = world.ended(answer.json()["job_id"], within_s=row.left_s)
    assert {run["module"]: run["state"] for run in job["timeline"]}["ingest"] == "completed"
    digest = hashlib.sha256(frame.read_bytes()).hexdigest()
    assert len(world.sql("SELECT FROM frame WHERE sha256 = $1", digest)) == 1
    assert len(world.sql("SELECT FROM job WHERE frame_id = $1", answer.json()["frame_id"])) == 1
    row.converges(world)


@fault("F1", "SIGKILL after the header of the request", limit_s=60)
def test_killed_before_the_first_byte(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(1)
    _killed_in(world, frame, 0.0)
    _retried(world, row, frame, 201)


@fault("F2", "SIGKILL after half of the body", limit_s=60, core=True)
def test_killed_in_the_middle_of_the_body(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(2)
    _killed_in(world, frame, 0.5)
    _retried(world, row, frame, 201)


@fault("F3", "crash point gateway.after_put on an upload by form, which is spooled to disk", limit_s=60)
def test_killed_after_the_body_was_spooled(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(3)
    world.arm("gateway.after_put")
    with pytest.raises(httpx.TransportError):
        world.client.post("/frames:upload", files={"file": ("light.fits", frame.read_bytes())})
    assert not world.armed()
    _retried(world, row, frame, 201)


@fault("F4", "crash point gateway.after_put", limit_s=60)
def test_killed_after_the_bytes_are_in_the_store(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(4)
    world.arm("gateway.after_put")
    with pytest.raises(httpx.TransportError):
        world.send(frame)
    _retried(world, row, frame, 201)


@fault("F5", "crash point gateway.after_commit", limit_s=60, core=True)
def test_killed_after_the_commit_before_the_answer(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(5)
    world.arm("gateway.after_commit")
    with pytest.raises(httpx.TransportError):
        world.send(frame)
    _retried(world, row, frame, 200)


@fault("F6", "SIGKILL the moment the answer is there", limit_s=60)
def test_killed_after_the_answer(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(6)
    answer = world.send(frame)
    world.services.kill(Service.GATEWAY)
    assert answer.status_code == 201
    _retried(world, row, frame, 200)


@fault("F7", "crash points relay.before_publish and relay.after_puback, after a broker outage", limit_s=60)
@pytest.mark.parametrize("point", ["relay.before_publish", "relay.after_puback"])
def test_relay_killed_around_its_publish(world: Deployment, row: Row, frames: Frames, point: str) -> None:
    world.nats.kill()
    sent = world.upload(frames(70 + len(point)))
    world.arm(point)
    world.nats.start()
    end = time.monotonic() + 60
    while world.armed():
        assert time.monotonic() < end, "the relay never came by"
        time.sleep(0.2)
    row.over()
    job = world.ended(sent["job_id"], within_s=row.left_s)
    assert all(run["attempt"] == 1 for run in job["timeline"]), "a message published twice was worked off twice"
    row.converges(world)

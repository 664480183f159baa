"""F33 to F36: a slow line to the store, a lost answer, clients that vanish, and clients that only pretend to send."""

import hashlib
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from pictor.contracts.modules import Service
from tests.faults.harness.clients import template, unique
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault

pytestmark = pytest.mark.faults
Frames = Callable[..., Path]

SLOW_LINE = 64 * 1024.0
SLOW_CLIENTS = 200
NORMAL = 10


@fault("F33", "the line between services and store at 64 KiB/s per connection", limit_s=180)
def test_a_slow_line_to_the_store(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(330)
    world.lines["store"].toxics.rate = SLOW_LINE
    begun = time.monotonic()
    try:
        answer = world.send(frame)
        took = time.monotonic() - begun
        begun = time.monotonic()
        world.get("/frames", limit=10)
        read = time.monotonic() - begun
    finally:
        world.lines["store"].toxics.rate = None
    row.over()
    assert answer.status_code == 201
    assert took > frame.stat().st_size / SLOW_LINE / 2, "the line was not slow"
    row.note(f"{frame.stat().st_size / 1e6:.1f} MB stored in {took:.1f} s; a read meanwhile {read:.2f} s")
    row.converges(world)


@fault("F34", "the line between client and gateway resets with the first byte of the answer", limit_s=60)
def test_an_answer_lost_after_the_commit(world: Deployment, row: Row, frames: Frames) -> None:
    frame = frames(340)
    world.lines["gateway"].toxics.cut_down_after = 0
    with world.far_client() as client, pytest.raises(httpx.TransportError):
        world.send(frame, client=client)
    world.heal()
    row.over()
    with world.far_client() as client:
        answer = world.send_again(frame, client=client)
    assert answer.status_code == 200, answer.text
    assert answer.json()["duplicate"]
    row.converges(world)


@fault("F35", "raw sockets: reset and FIN in mid body, half-closed, chunks without an end", limit_s=60)
@pytest.mark.parametrize("manner", ["reset", "close", "half-close", "endless-chunks"])
def test_a_client_that_vanishes_in_mid_body(world: Deployment, row: Row, tmp_path: Path, manner: str) -> None:
    body = unique(template(tmp_path))
    digest = hashlib.sha256(body).hexdigest()
    with _connected(world) as line:
        length = "Transfer-Encoding: chunked" if manner == "endless-chunks" else f"Content-Length: {len(body)}"
        line.sendall(_request(world, digest, length))
        half = body[: len(body) // 2]
        line.sendall(b"%x\r\n%s\r\n" % (len(half), half) if manner == "endless-chunks" else half)
        if manner == "half-close":
            line.shutdown(socket.SHUT_WR)
            line.settimeout(60)
            with suppress(OSError):
                assert not line.recv(64).startswith(b"HTTP/1.1 20"), "half a frame was accepted"
        elif manner == "reset":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        time.sleep(0.5)
    row.over()
    time.sleep(1)
    assert not world.sql("SELECT id FROM frame WHERE sha256 = $1", digest)
    assert world.client.head(f"/frames/{digest}").status_code == 404
    row.converges(world)


@fault("F36", f"{SLOW_CLIENTS} sockets that send 10 bytes per second, {NORMAL} uploads beside them", limit_s=120)
def test_two_hundred_clients_that_only_pretend_to_send(world: Deployment, row: Row, tmp_path: Path) -> None:
    light = template(tmp_path)
    before = _descriptors(world)
    alone = _uploads(world, light, tmp_path)
    slow = [_connected(world) for _ in range(SLOW_CLIENTS)]
    for line in slow:
        line.sendall(_request(world, hashlib.sha256(unique(light)).hexdigest(), f"Content-Length: {len(light)}"))
    stop = threading.Event()
    dripping = threading.Thread(target=_drip, args=(slow, light, stop))
    dripping.start()
    beside = _uploads(world, light, tmp_path)
    begun = time.monotonic()
    while any(_open(line) for line in slow):
        assert time.monotonic() - begun < 120, f"{sum(map(_open, slow))} slow clients are still there"
        time.sleep(0.5)
    cut = time.monotonic() - begun
    stop.set()
    dripping.join()
    ends = Counter(_answer_of(line) for line in slow)
    row.over()
    row.note(
        f"normal uploads {statistics.median(alone):.2f} s alone, {statistics.median(beside):.2f} s beside; "
        f"all slow ones cut {cut:.0f} s later: {dict(ends)}"
    )
    end = time.monotonic() + 30
    while _descriptors(world) > before + 20:
        assert time.monotonic() < end, f"{_descriptors(world)} descriptors are open, {before} before"
        time.sleep(0.5)
    row.converges(world)


def _connected(world: Deployment) -> socket.socket:
    return socket.create_connection(("127.0.0.1", world.services.gateway_port), timeout=30)


def _request(world: Deployment, digest: str, length: str) -> bytes:
    lines = [f"PUT /api/v1/frames/{digest} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {world.token}", length]
    return "\r\n".join([*lines, "", ""]).encode()


def _drip(lines: list[socket.socket], light: bytes, stop: threading.Event) -> None:
    at = 0
    while not stop.wait(1.0):
        for line in lines:
            with suppress(OSError):
                line.send(light[at : at + 10])
        at += 10


def _open(line: socket.socket) -> bool:
    """Tell whether the other side still listens: an answer or a reset ends it."""
    line.setblocking(False)
    try:
        line.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _answer_of(line: socket.socket) -> str:
    """Return the status a slow client was told, and hang up."""
    with line, suppress(OSError):
        return line.recv(64).split(b" ", 2)[1].decode()
    return "reset"


def _uploads(world: Deployment, light: bytes, folder: Path) -> list[float]:
    seconds = []
    for _ in range(NORMAL):
        frame = folder / "normal.fits"
        frame.write_bytes(unique(light))
        begun = time.monotonic()
        answer = world.send_again(frame)
        assert answer.status_code == 201, answer.text
        seconds.append(time.monotonic() - begun)
    return seconds


def _descriptors(world: Deployment) -> int:
    return len(list(Path(f"/proc/{world.services.pid(Service.GATEWAY)}/fd").iterdir()))

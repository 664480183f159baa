"""Observatories that upload all the time, write down what was answered, and never give a frame up."""

import hashlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.support.exposures import SHAPE, exposure
from tests.support.installation import Api

BLOCK = 2880
STARS = 40

TRANSIENT = frozenset({429, 502, 503, 504})

_numbers = itertools.count(time.time_ns() // 1000)


def template(folder: Path, kind: str = "LIGHT", *, number: int = 1, shape: tuple[int, int] = SHAPE) -> bytes:
    """Return an exposure whose copies differ in one place: ``unique`` makes them."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}.fits"
    if kind == "BIAS":
        return exposure(path, number, kind=kind, exposure_s=0.0, shape=shape).read_bytes()
    return exposure(path, number, stars=STARS, shape=shape).read_bytes()


def unique(body: bytes) -> bytes:
    """Return a frame nobody has sent before: the first pixels carry a number."""
    start = next(at for at in range(0, len(body), 80) if body[at : at + 8] == b"END     ")
    pixels = -(-start // BLOCK) * BLOCK
    return body[:pixels] + next(_numbers).to_bytes(8, "big") + body[pixels + 8 :]


@dataclass
class Flood:
    """What continuous uploads met."""

    answers: Counter[int | str] = field(default_factory=Counter)
    """Every answer by its status, or the kind of error when there was none."""
    accepted: list[str] = field(default_factory=list)
    """Jobs of accepted frames."""
    slowest_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    """Answers that may not happen: 500 and refusals of sound frames."""
    stop: threading.Event = field(default_factory=threading.Event)

    def one(self, flow: Api, client: httpx.Client, body: bytes, **parameters: str) -> str | None:
        """Send a frame until it is accepted or everything ends; returns its job."""
        digest = hashlib.sha256(body).hexdigest()
        while not self.stop.is_set():
            begun = time.monotonic()
            try:
                answer = client.put(f"/frames/{digest}", content=body, params=parameters)
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
                self.stop.wait(0.5)
                continue
            self.answers[answer.status_code] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
            if answer.is_success:
                flow.note(digest, len(body), answer)
                self.accepted.append(answer.json()["job_id"])
                return self.accepted[-1]
            if answer.status_code not in TRANSIENT:
                self.problems.append(f"{answer.status_code} {answer.text[:300]}")
                return None
            self.stop.wait(min(float(answer.headers.get("Retry-After", 1.0)), 2.0))
        return None


@contextmanager
def uploading(flow: Api, folder: Path, *, clients: int = 2, pace_s: float = 0.5) -> Iterator[Flood]:
    """Upload from several clients until the block ends; no answer may be a 500."""
    flood = Flood()
    light = template(folder)

    def client() -> None:
        headers = {"Authorization": f"Bearer {flow.token}"}
        with httpx.Client(base_url=f"{flow.url}/api/v1", headers=headers, timeout=60) as line:
            while not flood.stop.is_set():
                flood.one(flow, line, unique(light))
                flood.stop.wait(pace_s)

    threads = [threading.Thread(target=client, name=f"client-{number}") for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield flood
    finally:
        flood.stop.set()
        for thread in threads:
            thread.join()
    assert not flood.problems, flood.problems
    print(f"uploads: {dict(flood.answers)}, slowest answer {flood.slowest_s:.1f} s")

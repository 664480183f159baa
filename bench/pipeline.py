"""Whole frames through ``pictor up``: real servers, all modules, 24 megapixels."""

import asyncio
import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
from bench.clock import descendants, processor_seconds, quantile, status_mib
from bench.lights import CAMERA, exposures, make_lights
from bench.rows import Bound, Of, Row

from tests.support.installation import Installation, installation

UPLOADS = 2
POLL_S = 0.02
RARE_POLL_S = 0.25
"""While frames are counted by the minute: at 50 questions a second the answers took a tenth of the processor time."""
END_S = 300.0
Job = dict[str, Any]
ENDED = {"completed", "failed", "cancelled"}


def rows(*, quick: bool) -> list[Row]:
    """First preview, latency when idle, then throughput; each on frames never seen before."""
    with tempfile.TemporaryDirectory() as name, _started(Path(name) / "data") as running:
        lights = [path for path, _ in make_lights(Path(name), 2 if quick else 3)]
        source = exposures(lights)
        megapixels = CAMERA.nx * CAMERA.ny // 1_000_000
        first = asyncio.run(_first_preview(running, next(source)))
        waits = asyncio.run(_one_by_one(running, list(islice(source, 4 if quick else 12))))
        return [
            Row("first preview after the first upload", "s", first, bounds=(Bound(Of.OURS, 3.0),)),
            Row(
                f"upload answered to Completed when idle, {megapixels} MP, median", "s", statistics.median(waits),
                n=len(waits),
            ),
            Row(
                f"upload answered to Completed when idle, {megapixels} MP, p95", "s", quantile(waits, 0.95),
                n=len(waits), bounds=(Bound(Of.OURS, 3.0),),
            ),
            asyncio.run(_throughput(running, list(islice(source, 6 if quick else 30)))),
        ]  # fmt: skip


@contextmanager
def _started(data: Path) -> Iterator[Installation]:
    with installation(data) as running:
        yield running


async def _first_preview(running: Installation, body: bytes) -> float:
    """From the first byte of the first upload until its preview can be looked at."""
    async with _session(running) as client:
        started = time.perf_counter()
        job_id = await _upload(client, running, body)
        async with asyncio.timeout(END_S):
            while True:
                job = await _job(client, running, job_id)
                if any(run["module"] == "preview" and run["state"] == "completed" for run in job["timeline"]):
                    break
                await asyncio.sleep(POLL_S)
        taken = time.perf_counter() - started
        await _ended(client, running, job_id)
        return taken


async def _one_by_one(running: Installation, bodies: list[bytes]) -> list[float]:
    """Seconds from the answer to each upload to the end of its job, nothing else going on."""
    waits = []
    async with _session(running) as client:
        for body in bodies:
            job_id = await _upload(client, running, body)
            answered = time.perf_counter()
            job = await _ended(client, running, job_id)
            assert job["state"] == "completed", job
            waits.append(time.perf_counter() - answered)
    return waits


async def _throughput(running: Installation, bodies: list[bytes]) -> Row:
    """Frames per minute from the first byte sent to the last job ended; every frame must complete and be solved."""
    waiting = list(bodies)
    jobs: list[str] = []

    async def send(client: aiohttp.ClientSession) -> None:
        while waiting:
            jobs.append(await _upload(client, running, waiting.pop()))

    before, started = processor_seconds(running.process.pid), time.perf_counter()
    async with _session(running) as client:
        await asyncio.gather(*(send(client) for _ in range(UPLOADS)))
        found = [await _ended(client, running, job_id, poll_s=RARE_POLL_S) for job_id in jobs]
    taken = time.perf_counter() - started
    used = processor_seconds(running.process.pid)
    spent = {name: round((used[name] - before.get(name, 0.0)) / len(bodies), 3) for name in used}
    memory = sum(status_mib(pid, "VmHWM") for pid in descendants(running.process.pid)) + status_mib(
        running.process.pid, "VmHWM"
    )
    solved = sum(_state_of(job, "astrometry") == "completed" for job in found)
    completed = sum(job["state"] == "completed" for job in found)
    return Row(
        f"frames through all modules, {CAMERA.nx * CAMERA.ny // 1_000_000} MP", "1/min", 60 * len(bodies) / taken,
        n=len(bodies), rss_mib=memory, bounds=(Bound(Of.OURS, 90, least=True),),
        accuracy=(
            f"{completed} of {len(bodies)} completed, {solved} solved; {sum(spent.values()):.1f} s of processor time a "
            "frame; MiB: all processes, highest of each"
        ),
        more={"module_s": _medians(found), "cpu_s_per_frame": spent},
    )  # fmt: skip


def _medians(found: list[Job]) -> dict[str, float]:
    """Median seconds of each module by its timeline."""
    times: dict[str, list[float]] = {}
    for job in found:
        for run in job["timeline"]:
            times.setdefault(run["module"], []).append(run["duration_s"] or 0.0)
    return {module: round(statistics.median(each), 3) for module, each in times.items()}


def _state_of(job: Job, module: str) -> str | None:
    return next((run["state"] for run in job["timeline"] if run["module"] == module), None)


def _session(running: Installation) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": str(running.client.headers["Authorization"])})


async def _upload(client: aiohttp.ClientSession, running: Installation, body: bytes) -> str:
    digest = await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())
    headers = {"X-Frame-Metadata": json.dumps({"name": f"{digest[:8]}.fits"})}
    async with client.put(f"{running.url}/api/v1/frames/{digest}", data=body, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["job_id"])


async def _job(client: aiohttp.ClientSession, running: Installation, job_id: str) -> Job:
    async with client.get(f"{running.url}/api/v1/jobs/{job_id}") as answer:
        found: Job = await answer.json()
        return found


async def _ended(
    client: aiohttp.ClientSession, running: Installation, job_id: str, *, poll_s: float = POLL_S
) -> Job:  # fmt: skip
    async with asyncio.timeout(END_S):
        while True:
            job = await _job(client, running, job_id)
            if job["state"] in ENDED:
                return job
            await asyncio.sleep(poll_s)

"""Uploads through the gateway against the store's own PUT, in turns in one run; and the gateway's memory."""

import asyncio
import hashlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from bench.clock import ROOT, status_mib, stop
from bench.rows import Bound, Of, Row
from bench.store import plain_put

from pictor.cli.processes import free_port
from pictor.cli.stack import embedded_stack, environment_of, settings_for
from pictor.contracts.modules import Service
from pictor.gateway.bootstrap import bootstrap
from pictor.runtime.settings import Settings
from pictor.runtime.store import rights
from pictor.runtime.store.s3_requests import S3Config, S3Requests
from pictor.state.database import open_pool

MB = 1_000_000
SIZE_MB = 120
ROWS, COLUMNS = 5999, 10_000
AT_ONCE = 4
READY_S = 60
CARDS = (("SIMPLE", "T"), ("BITPIX", "16"), ("NAXIS", "2"), ("NAXIS1", str(COLUMNS)), ("NAXIS2", str(ROWS)))
HEAD = ("".join(f"{name:<8}= {value:>20}".ljust(80) for name, value in CARDS) + "END").ljust(2880).encode()


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway process alone on the embedded servers: nobody works on what it receives."""

    process: "subprocess.Popen[str]"
    url: str
    token: str
    store: S3Config

    async def upload(self, client: aiohttp.ClientSession, body: bytes, digest: str) -> None:
        """Send one frame."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with client.put(f"{self.url}/api/v1/frames/{digest}", data=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()


def rows(*, quick: bool) -> list[Row]:
    """Measure rate and memory."""
    return asyncio.run(_rows(3 if quick else 7))


async def _rows(repeats: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        async with _gateway(Path(name)) as gateway, aiohttp.ClientSession() as client:
            rate = await _rates(gateway, client, repeats)
            before = status_mib(gateway.process.pid, "VmRSS")
            bodies = [_frame(1000 + number) for number in range(AT_ONCE)]
            began = time.perf_counter()
            await asyncio.gather(*(gateway.upload(client, *each) for each in bodies))
            together = AT_ONCE * SIZE_MB / (time.perf_counter() - began)
            memory = status_mib(gateway.process.pid, "VmHWM")
            return [
                rate,
                Row(
                    f"{AT_ONCE} uploads of {SIZE_MB} MB at once", "MB/s", together, n=1, rss_mib=memory,
                    bounds=(Bound(Of.RSS, 150),), more={"rss_before_mib": round(before, 1)},
                ),
            ]  # fmt: skip


async def _rates(gateway: Gateway, client: aiohttp.ClientSession, repeats: int) -> Row:
    requests = S3Requests(gateway.store)
    ours: list[float] = []
    peer: list[float] = []
    for number in range(repeats + 1):
        body, digest = _frame(number)
        began = time.perf_counter()
        await gateway.upload(client, body, digest)
        between = time.perf_counter()
        await plain_put(requests, f"raw/bench/{number}", body)
        ended = time.perf_counter()
        ours.append(SIZE_MB / (between - began))
        peer.append(SIZE_MB / (ended - between))
    await requests.close()
    return Row(
        f"upload through the gateway, {SIZE_MB} MB", "MB/s", statistics.median(ours[1:]), statistics.median(peer[1:]),
        "the store's own PUT", n=repeats, bounds=(Bound(Of.RATIO, 0.8, least=True),),
        accuracy="SHA-256 checked on the way, frame and job committed",
    )  # fmt: skip


def _frame(seed: int) -> tuple[bytes, str]:
    pixels = random.Random(seed).randbytes(2 * ROWS * COLUMNS)  # noqa: S311 - a seeded frame
    body = HEAD + pixels + bytes(-len(pixels) % 2880)
    return body, hashlib.sha256(body).hexdigest()


@asynccontextmanager
async def _gateway(data: Path) -> AsyncIterator[Gateway]:
    async with embedded_stack(data, Settings()) as (_, where):
        settings = settings_for(Settings(), where, data, user=str(Service.GATEWAY))
        settings = settings.model_copy(update={"port": free_port("127.0.0.1"), "log_format": "json"})
        pool = await open_pool(settings.postgres_dsn.get_secret_value(), size=2)
        token = await bootstrap(pool)
        await pool.close()
        process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs meanwhile
            [sys.executable, "-m", "pictor.cli", "run", str(Service.GATEWAY)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
            env={**os.environ, **environment_of(settings)},
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{settings.port}"
            await _ready(url)
            keys = where.s3_keys[rights.USER_OF[Service.GATEWAY].name]
            yield Gateway(process, url, str(token), S3Config(where.s3_endpoint, *keys, where.s3_bucket))
        finally:
            await asyncio.to_thread(stop, process)


async def _ready(url: str) -> None:
    async with asyncio.timeout(READY_S), aiohttp.ClientSession() as client:
        while True:
            try:
                async with client.get(f"{url}/health/live") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)

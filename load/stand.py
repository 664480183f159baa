"""A test stand: embedded servers in this process, services as processes of their own, a client with a journal."""

import asyncio
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from pictor.cli.attach import write_settings
from pictor.cli.journal import Journal
from pictor.cli.processes import free_port
from pictor.cli.stack import OPERATOR, embedded_stack, environment_of, settings_for
from pictor.contracts.modules import Service
from pictor.gateway.bootstrap import bootstrap
from pictor.runtime.embedded.config import Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.settings import Settings
from pictor.state.database import Pool, open_pool

READY_S = 180.0
TRIES = 4

LOOSE: Mapping[str, int] = {
    "uploads_per_minute": 1_000_000, "uploads_at_once": 1000, "uploads_at_once_observatory": 1000,
    "reads_per_minute": 10_000_000, "reprocess_per_minute": 1_000_000, "quota_bytes_per_day": 0, "min_free_bytes": 0,
}  # fmt: skip
"""One token plays a whole network here: its own limits are not what is measured."""


@dataclass
class Stand:
    """Running servers and services."""

    data: Path
    settings: Settings
    embedded: Embedded
    endpoints: Endpoints
    pool: Pool
    url: str
    token: str
    client: aiohttp.ClientSession
    journal: Journal
    journal_path: Path
    processes: dict[str, Process] = field(default_factory=dict)
    broken_lines: int = 0
    """Uploads whose connection broke before their answer; they were sent again."""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def pid(self, name: str) -> int:
        """Return the process id of a service or stub."""
        return self.processes[name].pid

    async def start(self, service: Service, *, port: int = 0, **more: object) -> Process:
        """Start a service as in production."""
        own = settings_for(self.settings, self.endpoints, self.data, user=str(service))
        own = own.model_copy(update={"log_format": "json", **({"port": port} if port else {}), **more})
        return await self.spawn(str(service), ["-m", "pictor.cli", "run", str(service)], environment_of(own))

    async def spawn(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> Process:
        """Start a process of this stand; it is stopped with it."""
        log = self._stack.enter_context((self.data / "logs" / f"{name}.log").open("ab"))
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.processes[name] = process
        return process

    async def stop(self, name: str) -> None:
        """Stop a process and wait for it."""
        process = self.processes.pop(name)
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 60)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def bus_off(self) -> None:
        """Stop NATS, as a person would for its upgrade."""
        await self.embedded._keepers[ServerName.NATS].stop()

    async def bus_on(self) -> None:
        """Start NATS again."""
        await self.embedded._keepers[ServerName.NATS].start()

    async def upload(self, body: bytes, name: str) -> int:
        """Send one frame, again when the line breaks, as every client does; returns the status, writes the journal."""
        digest = hashlib.sha256(body).hexdigest()
        for tries_left in reversed(range(TRIES)):
            try:
                status, frame_id = await self._put(body, digest, name)
            except aiohttp.ClientError:
                self.broken_lines += 1
                if not tries_left:
                    raise
            else:
                if status in {200, 201}:
                    self.journal.add(
                        sha256=digest, size=len(body), frame_id=frame_id, status=status, server=self.url, name=name
                    )
                return status
        raise AssertionError

    async def _put(self, body: bytes, digest: str, name: str) -> tuple[int, str]:
        headers = {"X-Frame-Metadata": json.dumps({"name": name})}
        async with self.client.put(f"{self.url}/api/v1/frames/{digest}", data=body, headers=headers) as answer:
            found = await answer.json(content_type=None)
            return answer.status, str(found.get("frame_id", ""))

    async def open_jobs(self) -> int:
        """Count jobs that have not ended."""
        count: int = await self.pool.fetchval("SELECT count(*) FROM job WHERE state IN ('pending', 'running')")
        return count

    async def unsent(self) -> int:
        """Count messages that wait in the outbox."""
        count: int = await self.pool.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL AND parked_at IS NULL")
        return count

    async def until(self, asked: str, *, within_s: float) -> float:
        """Wait until no job is open or no message waits; returns the seconds it took."""
        began = time.monotonic()
        question = self.open_jobs if asked == "jobs" else self.unsent
        while await question():
            if time.monotonic() - began > within_s:
                return float("inf")
            await asyncio.sleep(0.1)
        return time.monotonic() - began

    async def modules_off(self, *modules: str) -> None:
        """Switch modules off for every observatory."""
        await self.pool.execute("UPDATE observatory SET modules_off = $1", list(modules))

    async def check(self, *, deep: bool = False, expect_parked: int = 0) -> str:
        """Return the verdict of ``pictor check``: ``ok``, or what it found."""
        command = ["-m", "pictor.cli", "check", "--data", str(self.data), "--json", "--journal", str(self.journal_path),
                   "--expect-parked", str(expect_parked), *(["--deep"] if deep else [])]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, complaint = await process.communicate()
        if process.returncode == 0:
            return "ok"
        try:
            found = json.loads(output)
        except ValueError:
            return f"exit {process.returncode}: {complaint.decode()[-300:]}"
        broken = [v["sentence"] for one in found.get("invariants", []) for v in one["violations"]]
        return f"exit {process.returncode}: {'; '.join(broken[:3]) or found.get('reason') or found}"


@asynccontextmanager
async def stand(*services: Service, **settings: object) -> AsyncIterator[Stand]:
    """Start servers, the gateway and some services on an empty temporary folder."""
    with tempfile.TemporaryDirectory(prefix="pictor-load-") as name:
        data = Path(name)
        wanted = Settings().model_copy(update={"data_dir": data, **LOOSE, **settings})
        async with embedded_stack(data, wanted) as (embedded, endpoints), AsyncExitStack() as stack:
            operator = settings_for(wanted, endpoints, data, user=OPERATOR)
            write_settings(operator)
            pool = await open_pool(operator.postgres_dsn.get_secret_value(), size=4, statement_timeout_ms=600_000)
            stack.push_async_callback(pool.close)
            token = str(await bootstrap(pool))
            journal = stack.enter_context(Journal(data / "journal.jsonl"))
            port = free_port("127.0.0.1")
            headers = {"Authorization": f"Bearer {token}"}
            connector = aiohttp.TCPConnector(limit=0, force_close=False)
            client = await stack.enter_async_context(aiohttp.ClientSession(headers=headers, connector=connector))
            made = Stand(
                data, wanted, embedded, endpoints, pool, f"http://127.0.0.1:{port}", token, client, journal,
                data / "journal.jsonl",
            )  # fmt: skip
            await stack.enter_async_context(made._stack)
            try:
                await made.start(Service.GATEWAY, port=port)
                for service in services:
                    await made.start(service)
                await _ready(made)
                yield made
            finally:
                await asyncio.gather(*(made.stop(one) for one in list(made.processes)))


async def _ready(made: Stand) -> None:
    """Wait until the gateway answers and every service pulls."""
    async with asyncio.timeout(READY_S):
        while True:
            try:
                async with made.client.get(f"{made.url}/api/v1/frames?limit=1") as answer:
                    if answer.status == 200:
                        break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
        for name in made.processes:
            log = made.data / "logs" / f"{name}.log"
            while name != Service.GATEWAY and b"service started" not in log.read_bytes():
                await asyncio.sleep(0.1)

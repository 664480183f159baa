"""One process per service, kept alive; nothing survives this process."""

import asyncio
import ctypes
import itertools
import os
import secrets
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import httpx
import structlog

from pictor.cli.stack import environment_of, settings_for
from pictor.contracts.modules import Service
from pictor.runtime.closing import end
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.embedded.folder import ports
from pictor.runtime.settings import Settings

log = structlog.get_logger()

PR_SET_PDEATHSIG = 1
RESTART_PAUSE_S = 1.0
READY_S = 120.0
LIVE_S = 5.0
"""Time between two looks whether a service is alive, and the time it has for its answer."""

MOST_FAILURES = 6
"""Looks in a row that find a service dead: half a minute to a minute, as in Kubernetes."""

_LIBC = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Ask the kernel to stop this process when its parent dies, however it dies."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Processes:
    """The seven services as processes of their own."""

    def __init__(self, settings: Settings, endpoints: Endpoints) -> None:
        self._settings = settings
        self._endpoints = endpoints
        self._tasks: list[asyncio.Task[None]] = []
        self._alive: dict[Service, Process] = {}
        self._health: dict[Service, int] = {}
        self._stopping = False
        self._port = 0

    async def start(self) -> int:
        """Start all services, wait until each is ready, and return the gateway's port."""
        self._port = port = self._settings.port or free_port(self._settings.host)
        for service in Service:
            self._health[service] = free_port("127.0.0.1", {port, *self._health.values()})
            self._tasks.append(asyncio.create_task(self._keep(service), name=str(service)))
        async with asyncio.timeout(READY_S):
            await asyncio.gather(*(self._ready(service) for service in Service))
        self._write_pids()
        return port

    async def stop(self) -> None:
        """Ask all services to stop, and wait for them."""
        self._stopping = True
        for process in self._alive.values():
            if process.returncode is None:
                process.terminate()
        grace = self._settings.shutdown_seconds + 5
        await asyncio.wait(self._tasks, timeout=grace)
        for process in self._alive.values():
            if process.returncode is None:
                process.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, service: Service) -> None:
        while not self._stopping:
            with (self._logs / f"{service}.log").open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "pictor.cli", "run", str(service),
                    stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                    env=self._environment(service), preexec_fn=die_with_parent,
                )  # fmt: skip
            self._alive[service] = process
            self._write_pids()
            watch = asyncio.create_task(self._watch(service, process), name=f"watch {service}")
            code = await process.wait()
            await end(watch)
            if not self._stopping:
                log.error("service died, started again", service=str(service), code=code)
                await asyncio.sleep(RESTART_PAUSE_S)

    async def _watch(self, service: Service, process: Process) -> None:
        """Kill a service that says it must be replaced, or does not answer any more."""
        url = f"http://127.0.0.1:{self._health[service]}/health/live"
        failures, seen = 0, False
        async with httpx.AsyncClient(timeout=LIVE_S) as client:
            while not self._stopping and failures < MOST_FAILURES:
                await asyncio.sleep(LIVE_S)
                good, text = await _lives(client, url)
                seen = seen or good
                failures = 0 if good or not seen else failures + 1
        if not self._stopping:
            log.error("service is not alive, killed", service=str(service), reason=text)
            process.kill()

    def _environment(self, service: Service) -> dict[str, str]:
        settings = settings_for(self._settings, self._endpoints, self._settings.data_dir, user=str(service))
        own = {
            "port": self._port,
            "health_port": self._health[service],
            "health_host": "127.0.0.1",
            "log_format": "json",
        }
        return {**os.environ, **environment_of(settings.model_copy(update=own))}

    async def _ready(self, service: Service) -> None:
        url = f"http://127.0.0.1:{self._health[service]}/health/ready"
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                try:
                    if (await client.get(url)).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)

    @property
    def _logs(self) -> Path:
        return self._settings.data_dir / "logs"

    def _write_pids(self) -> None:
        folder = self._settings.data_dir / "run"
        folder.mkdir(exist_ok=True)
        for service, process in self._alive.items():
            (folder / f"{service}.pid").write_text(f"{process.pid}\n")


async def _lives(client: httpx.AsyncClient, url: str) -> tuple[bool, str]:
    try:
        answer = await client.get(url)
    except httpx.HTTPError as error:
        return False, repr(error)
    return answer.is_success, answer.text[:200]


def free_port(host: str, taken: Collection[int] = ()) -> int:
    """Return a port that is free at this moment, and not of those the kernel gives to outgoing connections."""
    every = ports()
    first = secrets.randbelow(len(every))
    for port in itertools.chain(every[first:], every[:first]):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            if port not in taken:
                return port
    raise OSError(f"no free port between {every.start} and {every.stop - 1} on {host}")

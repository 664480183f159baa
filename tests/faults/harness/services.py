"""The seven services as production runs them: ``pictor run <service>``, started again when they die."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path

import httpx

from pictor.cli.processes import free_port
from pictor.contracts.modules import Service
from pictor.runtime.child.process import Process, Program
from tests.faults.harness.background import Background
from tests.support.processes import signal_family

RESTART_PAUSE_S = 1.0
READY_WITHIN_S = 150.0
DEATHS_AT_START = 4


class Services:
    """Processes of the services, and the supervisor that keeps them.

    Parameters
    ----------
    environment
        Gives a service its variables.
    logs
        Folder of the logs.
    gateway_port
        Where the gateway listens.
    background
        Where the supervisor runs.
    taken
        Ports that others will listen on.
    """

    def __init__(
        self, environment: Callable[[Service], Mapping[str, str]], logs: Path, gateway_port: int,
        background: Background, taken: Collection[int] = (),
    ) -> None:  # fmt: skip
        self._environment = environment
        self._logs = logs
        self._background = background
        self._processes: dict[Service, Process] = {}
        self._keepers: dict[Service, asyncio.Task[None]] = {}
        self.gateway_port = gateway_port
        self.ports: dict[Service, int] = {}
        for one in Service:
            self.ports[one] = free_port("127.0.0.1", {gateway_port, *taken, *self.ports.values()})
        """Where each service tells about its health."""
        self.deaths: list[tuple[Service, int]] = []
        """Every service that ended without being asked to, and its exit status."""
        self.extra: dict[Service, dict[str, str]] = {}
        """Variables a test gives to the next process of a service."""

    def pid(self, service: Service | str) -> int:
        """Return the process id of a service."""
        return self._processes[Service(service)].pid

    def running(self, service: Service | str) -> bool:
        """Whether a process of the service runs (frozen counts as running)."""
        process = self._processes.get(Service(service))
        return process is not None and process.returncode is None

    def start(self, *services: Service) -> None:
        """Start services, all of them by default, and keep them alive."""
        self._background.run(self._start(services or tuple(Service)))

    async def _start(self, services: tuple[Service, ...]) -> None:
        for service in services:
            if service not in self._keepers:
                self._keepers[service] = asyncio.create_task(self._keep(service))

    async def _keep(self, service: Service) -> None:
        while True:
            self._processes[service] = process = self._launch(service)
            status = await process.wait()
            await process.kill()
            self.deaths.append((service, status))
            await asyncio.sleep(RESTART_PAUSE_S)

    def _launch(self, service: Service) -> Process:
        output = os.open(self._logs / f"{service}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            own = {"PICTOR_PORT": str(self.gateway_port), "PICTOR_HEALTH_PORT": str(self.ports[service])}
            variables = {**os.environ, **self._environment(service), **own, **self.extra.get(service, {})}
            command = [sys.executable, "-m", "pictor.cli", "run", str(service)]
            return Process.start(Program(command, variables, output=output))
        finally:
            os.close(output)

    def stop(self, *services: Service) -> dict[Service, int]:
        """Ask services to end and do not start them again; returns their exit statuses."""
        return self._background.run(self._stop(services or tuple(self._keepers)))

    async def _stop(self, services: tuple[Service, ...]) -> dict[Service, int]:
        for service in services:
            self._keepers.pop(service).cancel()
        running = {service: self._processes[service] for service in services}
        ended = await asyncio.gather(*(process.stop(signal.SIGTERM, 45) for process in running.values()))
        return dict(zip(running, ended, strict=True))

    def abandon(self) -> None:
        """End all services with -9 at once, and do not start them again."""
        self._background.run(self._abandon())

    async def _abandon(self) -> None:
        for keeper in self._keepers.values():
            keeper.cancel()
        self._keepers.clear()
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        await asyncio.gather(*(process.kill() for process in self._processes.values()))

    def kill(self, service: Service | str) -> int:
        """End a service with -9; its supervisor starts it again. Returns the process id it had."""
        pid = self.pid(service)
        os.kill(pid, signal.SIGKILL)
        return pid

    def freeze(self, service: Service | str) -> int:
        """Stop a service and its children in their tracks; returns its process id."""
        signal_family(self.pid(service), signal.SIGSTOP)
        return self.pid(service)

    def thaw(self, service: Service | str) -> None:
        """Let it go on."""
        signal_family(self.pid(service), signal.SIGCONT)

    def wait_ready(self, *services: Service, within_s: float = READY_WITHIN_S) -> None:
        """Wait until services, all by default, say that they are ready."""
        self._background.together(
            *(self._ready(service, within_s) for service in services or tuple(Service)), limit_s=within_s + 10
        )

    async def _ready(self, service: Service, within_s: float) -> None:
        deaths = len(self.deaths)
        async with asyncio.timeout(within_s), httpx.AsyncClient(timeout=10) as client:
            while True:
                died = [one for one, _ in self.deaths[deaths:]].count(service)
                assert died < DEATHS_AT_START, f"{service} cannot start: {self.log(service)[-2000:]}"
                for port in (self.ports[service], self.gateway_port if service is Service.GATEWAY else 0):
                    try:
                        if (await client.get(f"http://127.0.0.1:{port}/health/ready")).is_success:
                            return
                    except httpx.TransportError:
                        pass
                await asyncio.sleep(0.1)

    def log(self, service: Service | str) -> str:
        """Return what a service logged."""
        return (self._logs / f"{service}.log").read_text(encoding="utf-8", errors="replace")

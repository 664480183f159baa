"""A process asked to stop leaves with exit code 0 within its time, though every server it needs is frozen."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest

from pictor.cli.processes import free_port
from pictor.cli.stack import embedded_stack, environment_of, settings_for
from pictor.contracts.modules import Service
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.settings import Settings
from tests.support.processes import signal_family

SHUTDOWN_S = 10
FLOOR_S = 8
"""What closing one frozen server after the other may add on a busy machine, the interpreter's own end included."""


async def _ready(port: int) -> None:
    async with httpx.AsyncClient(timeout=5) as client, asyncio.timeout(150):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/health/ready")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)


async def _waits(log: Path) -> None:
    """Wait until a service says that it waits for a server."""
    async with asyncio.timeout(60):
        while "waiting for a server" not in log.read_text():  # noqa: ASYNC240 - a test may wait for a disk
            await asyncio.sleep(0.2)


def _freeze(embedded: Embedded) -> list[int]:
    return [one for pid in embedded.pids.values() if pid for one in signal_family(pid, signal.SIGSTOP)]


async def _stopped(process: asyncio.subprocess.Process) -> tuple[int, float]:
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        code = await asyncio.wait_for(process.wait(), 60)
    except TimeoutError:
        process.kill()
        raise
    return code, time.monotonic() - begun


@pytest.mark.parametrize(
    "start_frozen",
    [pytest.param(False, id="while working"), pytest.param(True, id="while starting", marks=pytest.mark.stress)],
)
async def test_worker_and_gateway_leave_in_time_though_all_their_servers_are_frozen(
    tmp_path: Path, *, start_frozen: bool
) -> None:
    data = tmp_path / "data"
    async with embedded_stack(data, Settings()) as (embedded, endpoints):
        base = Settings().model_copy(update={"shutdown_seconds": SHUTDOWN_S, "port": free_port("127.0.0.1")})
        running: dict[Service, asyncio.subprocess.Process] = {}
        frozen = _freeze(embedded) if start_frozen else []
        for service in (Service.GATEWAY, Service.HEADER):
            port = free_port("127.0.0.1")
            settings = settings_for(base, endpoints, data, user=str(service))
            settings = settings.model_copy(update={"health_port": port})
            with (tmp_path / f"{service}.log").open("wb") as log:
                running[service] = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "pictor.cli", "run", str(service), stdout=log, stderr=log,
                    env={**os.environ, **environment_of(settings)},
                )  # fmt: skip
            await (_waits(tmp_path / f"{service}.log") if start_frozen else _ready(port))
        frozen = frozen or _freeze(embedded)
        await asyncio.sleep(1.0)
        try:
            ends = await asyncio.gather(*(_stopped(process) for process in running.values()))
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
    for service, (code, took) in zip(running, ends, strict=True):
        text = (tmp_path / f"{service}.log").read_text()
        print(f"{service}: exit {code} after {took:.1f} s of {SHUTDOWN_S}")
        assert code == 0, text
        assert took < SHUTDOWN_S + FLOOR_S
        assert "Traceback" not in text


async def test_a_clean_stop_warns_of_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with embedded_stack(data, Settings()) as (_, endpoints):
        base = Settings().model_copy(update={"port": free_port("127.0.0.1")})
        port = free_port("127.0.0.1")
        settings = settings_for(base, endpoints, data, user=str(Service.HEADER))
        environment = {**os.environ, **environment_of(settings.model_copy(update={"health_port": port}))}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pictor.cli", "run", "header", env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        await _ready(port)
        code, took = await _stopped(process)
        assert process.stdout is not None
        text = (await process.stdout.read()).decode()
    print(f"stopped in {took:.1f} s")
    assert code == 0
    assert not [line for line in text.splitlines() if "warning" in line or "error" in line.lower()], text

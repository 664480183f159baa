"""A clean stop always ends, and within the time for shutdown, whatever hangs; what would not end is named."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pictor.contracts.modules import Module
from pictor.runtime.closing import close, end
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.hosting import keeping
from pictor.runtime.step import Step
from tests.support.flow import Flow, open_flow, serving_flow

CYCLES = int(os.environ.get("PICTOR_STOP_CYCLES", "12"))
"""How often the stress test starts and stops everything; a long run is asked for by this variable."""

PAIR = (Module.INGEST, Module.PREVIEW)


class Stubborn:
    """A task that forgets its first cancellations, as the bus client does."""

    def __init__(self, forgets: int) -> None:
        self.forgets = forgets

    async def run(self) -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.forgets -= 1
                if self.forgets < 0:
                    raise


async def test_a_cancellation_that_was_lost_is_repeated() -> None:
    task = asyncio.create_task(Stubborn(3).run())
    await asyncio.sleep(0)
    assert await end(task)
    assert task.cancelled()


async def test_what_would_not_end_is_left_behind_and_named() -> None:
    stubborn = Stubborn(1000)
    task = asyncio.create_task(stubborn.run(), name="deaf one")
    await asyncio.sleep(0)
    with capture_logs() as logs:
        assert not await end(task, within_s=0.3)
    assert [(entry["task"], "run" in entry["at"]) for entry in logs] == [("deaf one", True)]
    stubborn.forgets = 0
    assert await end(task)


async def test_what_does_not_close_in_time_is_left_behind_and_named() -> None:
    with capture_logs() as logs:
        assert not await close("a frozen server", asyncio.sleep(60), within_s=0.1)
    assert [entry["what"] for entry in logs] == ["a frozen server"]


async def _work(step: Step) -> None:
    await asyncio.sleep(0.02)


@asynccontextmanager
async def everything(flow: Flow) -> AsyncIterator[None]:
    async with serving_flow(flow), keeping(flow.runtime):
        yield


async def test_a_worker_stopped_at_any_moment_always_stops(
    database_dsn: str, bus_server: Endpoints, tmp_path: Path
) -> None:
    chance = random.Random(20261121)
    longest = 0.0
    for cycle in range(CYCLES):
        async with open_flow(database_dsn, bus_server, tmp_path / "flow", slug=f"hill-{cycle}") as flow:
            flow.acts = dict.fromkeys(PAIR, _work)
            async with everything(flow):
                for _ in range(3):
                    await flow.submit(itinerary=PAIR)
                await asyncio.sleep(chance.uniform(0, 0.15))
                begun = time.monotonic()
        longest = max(longest, time.monotonic() - begun)
    print(f"{CYCLES} starts and stops with work in hand; the longest stop took {longest:.2f} s")
    assert longest < flow.runtime.settings.shutdown_seconds


@pytest.mark.parametrize("victim", [ServerName.NATS, ServerName.POSTGRES])
async def test_a_stop_while_a_server_is_frozen_takes_no_longer_than_the_time_for_shutdown(
    database_server: Endpoints, database_dsn: str, bus_server: Endpoints, tmp_path: Path, victim: ServerName
) -> None:
    async def act(step: Step) -> None:
        await step.runtime.pool.execute("SELECT pg_sleep(0.05)")

    async with Embedded(tmp_path / "frozen", EmbeddedConfig(servers=frozenset({victim}))) as embedded:
        ends = embedded.endpoints
        dsn = ends.postgres_dsns["pictor"] if victim is ServerName.POSTGRES else database_dsn
        bus = ends if victim is ServerName.NATS else bus_server
        pid = embedded.pids[victim]
        assert pid is not None
        pids = [pid, *_children(pid)]
        async with open_flow(dsn, bus, tmp_path / "flow", shutdown_seconds=10) as flow:
            flow.acts = dict.fromkeys(PAIR, act)
            async with everything(flow):
                for _ in range(20):
                    await flow.submit(itinerary=PAIR)
                await asyncio.sleep(0.1)
                for one in [pid, *_children(pid)]:
                    os.kill(one, signal.SIGSTOP)
                pids = [pid, *_children(pid)]
                await asyncio.sleep(0.5)
                flow.runtime.stopping.set()
                begun = time.monotonic()
        took = time.monotonic() - begun
        for one in pids:
            os.kill(one, signal.SIGCONT)
    print(f"stopped {took:.1f} s after the wish, {victim} being frozen")
    assert took < 13


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(text) for text in listed.split()]

"""The broker may lose, damage or take back what it keeps, freeze or forget us: all work ends, without a human."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from pictor.cli.health import serve_health
from pictor.cli.processes import free_port
from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module
from pictor.contracts.subjects import STREAM_EVENTS, STREAM_TIMERS, STREAM_WORK
from pictor.runtime import keepers
from pictor.runtime.embedded.config import EmbeddedConfig, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.health import can_work, liveness, readiness
from pictor.runtime.hosting import keeping
from pictor.runtime.provision import CALIBRATION_SWEEP, SCHEDULE_SUBJECT, differences
from pictor.runtime.step import Step
from tests.support.flow import Flow, open_flow, serving_flow

PAIR = (Module.INGEST, Module.PREVIEW)

Damage = Callable[[Path, Path], None]


def _erase(store: Path, _snapshot: Path) -> None:
    shutil.rmtree(store)


def _take_back(store: Path, snapshot: Path) -> None:
    shutil.rmtree(store)
    shutil.copytree(snapshot, store)


def _flip(store: Path, _snapshot: Path) -> None:
    for block in _blocks(store):
        body = bytearray(block.read_bytes())
        body[len(body) // 3] ^= 0x10
        block.write_bytes(bytes(body))


def _truncate(store: Path, _snapshot: Path) -> None:
    for block in _blocks(store):
        os.truncate(block, block.stat().st_size // 2)


def _blocks(store: Path) -> list[Path]:
    found = [path for path in store.rglob("*.blk") if STREAM_WORK in path.parts and path.stat().st_size]
    assert found
    return found


@asynccontextmanager
async def own_bus(dsn: str, folder: Path) -> AsyncIterator[tuple[Flow, Embedded]]:
    config = EmbeddedConfig(servers=frozenset({ServerName.NATS}))
    async with (
        Embedded(folder / "bus", config) as embedded,
        open_flow(dsn, embedded.endpoints, folder / "flow") as flow,
    ):
        yield flow, embedded


@pytest.mark.parametrize(
    "damage",
    [
        _erase,
        _flip,
        pytest.param(_take_back, marks=pytest.mark.stress),
        pytest.param(_truncate, marks=pytest.mark.stress),
    ],
)
async def test_a_broker_whose_store_is_damaged_under_load_loses_and_doubles_nothing(
    database_dsn: str, tmp_path: Path, damage: Damage
) -> None:
    async def act(step: Step) -> None:
        await asyncio.sleep(0.03)
        step.save(lambda db: db.execute("INSERT INTO effect VALUES ($1, $2)", step.order.job_id, step.order.module))

    async with own_bus(database_dsn, tmp_path) as (flow, embedded):
        flow.acts = dict.fromkeys(PAIR, act)
        await flow.runtime.pool.execute("CREATE TABLE effect (job_id uuid, module text, PRIMARY KEY (job_id, module))")
        store = next((tmp_path / "bus").rglob("jetstream"))
        jobs = [await flow.submit(itinerary=PAIR) for _ in range(40)]
        pid = embedded.pids[ServerName.NATS]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        shutil.copytree(store, tmp_path / "snapshot")
        os.kill(pid, signal.SIGCONT)
        async with serving_flow(flow), keeping(flow.runtime):
            while await flow.runtime.pool.fetchval("SELECT count(*) FROM effect") < 10:
                await asyncio.sleep(0.01)
            os.kill(pid, signal.SIGSTOP)
            damage(store, tmp_path / "snapshot")
            os.kill(pid, signal.SIGKILL)
            begun = time.monotonic()
            assert [await flow.ended(job, within_s=120) for job in jobs] == [JobState.COMPLETED] * 40
            took = time.monotonic() - begun
            print(f"40 jobs ended {took:.1f} s after {damage.__name__.strip('_')}")
            while await differences(flow.runtime.bus.js, flow.runtime.settings):
                await asyncio.sleep(0.2)
    assert took < 75


async def test_whatever_is_deleted_on_the_bus_is_made_anew_and_what_was_changed_is_put_right(flow: Flow) -> None:
    js = flow.runtime.bus.js
    config = (await js.stream_info(STREAM_EVENTS)).config
    config.max_msg_size = 1000
    await js.update_stream(config)
    info = await js.consumer_info(STREAM_WORK, "quality-live")
    assert info.config is not None
    info.config.max_ack_pending = 1
    await js.add_consumer(STREAM_WORK, info.config)
    await js.delete_consumer(STREAM_TIMERS, CALIBRATION_SWEEP)
    await js.purge_stream(STREAM_TIMERS, subject=SCHEDULE_SUBJECT)
    found = await keepers.watch_bus(flow.runtime)
    assert sorted(sentence.split()[1] for sentence in found) == [
        STREAM_EVENTS, CALIBRATION_SWEEP, "quality-live", "timer",
    ]  # fmt: skip
    assert "max_msg_size 1000 instead of 65536" in " ".join(found)
    assert await keepers.watch_bus(flow.runtime) == []


async def test_a_subscription_the_broker_forgot_is_noticed_and_made_anew(flow: Flow) -> None:
    async with serving_flow(flow):
        await asyncio.sleep(0.5)
        pulls = [pull for pull in flow.runtime.pulls if pull.durable == "quality-live"]
        for pull in pulls:
            subscription = pull._pull._sub
            await subscription._conn._send_unsubscribe(subscription._id)
        begun = time.monotonic()
        job = await flow.submit(itinerary=(Module.QUALITY,))
        assert await flow.ended(job, within_s=60) is JobState.COMPLETED
        print(f"heard again after {time.monotonic() - begun:.1f} s")
        assert liveness(flow.runtime) is None


async def test_a_worker_that_stays_deaf_or_lost_its_line_says_that_it_must_be_replaced(flow: Flow) -> None:
    settings = flow.runtime.settings.model_copy(update={"health_port": free_port("127.0.0.1")})
    page = replace(flow.runtime, settings=settings)
    live = f"http://127.0.0.1:{settings.health_port}/health/live"
    async with serving_flow(flow), serve_health(page), httpx.AsyncClient() as client:
        assert liveness(flow.runtime) is None
        assert (await client.get(live)).status_code == 200
        flow.runtime.pulls[0].renewals = 5
        answer = await client.get(live)
        assert (answer.status_code, "hears nothing from" in answer.json()["status"]) == (503, True)
        flow.runtime.pulls[0].renewals = 0
        await flow.runtime.bus.nats.close()
        assert "closed for good" in str(liveness(flow.runtime))
        parts = await readiness(flow.runtime)
        assert parts == {"database": True, "store": True, "bus": False}
        assert not can_work(flow.runtime, parts)


async def test_a_frozen_broker_makes_nobody_ready_and_nobody_dead_and_work_goes_on_afterwards(
    database_dsn: str, tmp_path: Path
) -> None:
    async with own_bus(database_dsn, tmp_path) as (flow, embedded), serving_flow(flow), keeping(flow.runtime):
        pid = embedded.pids[ServerName.NATS]
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        job = await asyncio.wait_for(flow.submit(itinerary=PAIR), 15)
        assert not (await readiness(flow.runtime))["bus"]
        assert liveness(flow.runtime) is None
        await asyncio.sleep(3)
        os.kill(pid, signal.SIGCONT)
        assert await flow.ended(job, within_s=60) is JobState.COMPLETED
        assert flow.times(job, Module.INGEST) == 1
        assert (await readiness(flow.runtime))["bus"]

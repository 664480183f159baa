"""Broker and database may be killed, restarted or erased under running work; nothing is lost or done twice."""

import asyncio
import os
import signal
import time
from pathlib import Path
from uuid import UUID

import nats
import pytest

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module
from pictor.contracts.subjects import STREAM_WORK
from pictor.runtime import keepers
from pictor.runtime.bus import connection_options
from pictor.runtime.closing import end
from pictor.runtime.embedded.config import EmbeddedConfig, Endpoints, ServerName
from pictor.runtime.embedded.stack import Embedded
from pictor.runtime.health import readiness
from pictor.runtime.hosting import keeping
from pictor.runtime.provision import provision
from pictor.runtime.settings import Settings
from pictor.runtime.step import Step
from pictor.state import invariants
from pictor.state.database import OUTAGES
from tests.support.bus import as_user, open_bus
from tests.support.flow import Flow, open_flow, serving_flow

SHORT = (Module.INGEST, Module.PREVIEW, Module.QUALITY)


async def _twenty_jobs_survive(flow: Flow, embedded: Embedded, victim: ServerName) -> None:
    async def act(step: Step) -> None:
        await asyncio.sleep(0.02)
        step.save(lambda db: db.execute("INSERT INTO effect VALUES ($1, $2)", step.order.job_id, step.order.module))

    flow.acts = dict.fromkeys(SHORT, act)
    pool = flow.runtime.pool
    await pool.execute("CREATE TABLE effect (job_id uuid, module text)")
    jobs = [await flow.submit(itinerary=SHORT) for _ in range(20)]
    async with serving_flow(flow), keeping(flow.runtime):
        while await pool.fetchval("SELECT count(*) FROM effect") < 10:
            await asyncio.sleep(0.01)
        pid = embedded.pids[victim]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        begun = time.monotonic()
        assert [await _ended(flow, job) for job in jobs] == [JobState.COMPLETED] * 20
        print(f"20 jobs ended {time.monotonic() - begun:.1f} s after {victim} was killed")
    effects = await pool.fetch("SELECT job_id, module, count(*) AS times FROM effect GROUP BY 1, 2")
    assert len(effects) == 20 * len(SHORT)
    assert {row["times"] for row in effects} == {1}
    finished = "SELECT count(*) FROM outbox WHERE subject LIKE 'pictor.event.job.finished.%'"
    assert await pool.fetchval(finished) == 20
    async with pool.acquire() as db:
        assert [found for _, _, found in await invariants.violations(db) if found] == []


async def _ended(flow: Flow, job_id: UUID) -> JobState:
    end = time.monotonic() + 80
    while time.monotonic() < end:
        try:
            return await flow.ended(job_id, within_s=80)
        except OUTAGES:
            await asyncio.sleep(0.2)
    raise AssertionError(f"job {job_id} did not end")


async def test_a_broker_killed_in_the_middle_of_twenty_jobs_loses_and_doubles_nothing(
    database_dsn: str, tmp_path: Path
) -> None:
    async with (
        Embedded(tmp_path / "bus", EmbeddedConfig(servers=frozenset({ServerName.NATS}))) as embedded,
        open_flow(database_dsn, embedded.endpoints, tmp_path / "flow") as flow,
    ):
        await _twenty_jobs_survive(flow, embedded, ServerName.NATS)
        await flow.runtime.control.pause(Module.QUALITY, paused=True)
        async with asyncio.timeout(8):
            while Module.QUALITY not in flow.runtime.control.paused:
                await asyncio.sleep(0.05)


async def test_a_database_killed_in_the_middle_of_twenty_jobs_loses_and_doubles_nothing(
    bus_server: Endpoints, tmp_path: Path
) -> None:
    config = EmbeddedConfig(servers=frozenset({ServerName.POSTGRES}))
    async with Embedded(tmp_path / "database", config) as embedded:
        dsn = embedded.endpoints.postgres_dsns["pictor"]
        async with open_flow(dsn, bus_server, tmp_path / "flow") as flow:
            await _twenty_jobs_survive(flow, embedded, ServerName.POSTGRES)


async def test_a_worker_whose_consumer_is_gone_says_so_asks_calmly_and_goes_on_later(flow: Flow) -> None:
    js = flow.runtime.bus.js
    async with serving_flow(flow):
        assert (await readiness(flow.runtime))["bus"]
        for lane in ("high", "live", "bulk"):
            await js.delete_consumer(STREAM_WORK, f"quality-{lane}")
        before = time.process_time()
        await asyncio.sleep(2)
        spent = time.process_time() - before
        print(f"{spent:.2f} s of processor time in 2 s without a consumer")
        assert spent < 1.0
        assert not (await readiness(flow.runtime))["bus"]
        await provision(js, flow.runtime.settings)
        job = await flow.submit(itinerary=(Module.QUALITY,))
        assert await flow.ended(job, within_s=10) is JobState.COMPLETED


async def test_a_service_started_before_the_setup_waits_and_makes_no_consumer(flow: Flow) -> None:
    js = flow.runtime.bus.js
    await js.delete_consumer(STREAM_WORK, "quality-live")

    async def serve() -> None:
        async with serving_flow(flow):
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await asyncio.sleep(1.5)
    assert not task.done()
    assert "quality-live" not in {info.name for info in await js.consumers_info(STREAM_WORK)}
    await provision(js, flow.runtime.settings)
    job = await flow.submit(itinerary=(Module.QUALITY,))
    assert await flow.ended(job, within_s=10) is JobState.COMPLETED
    assert await end(task, repeat_s=2.0)


async def test_an_order_whose_last_delivery_passed_without_a_word_is_given_again(flow: Flow) -> None:
    job = await flow.submit(itinerary=(Module.QUALITY,))
    js = flow.runtime.bus.js
    pull = await js.pull_subscribe_bind("quality-live", STREAM_WORK)
    for _ in range(flow.runtime.settings.max_attempts + 2):
        (message,) = await pull.fetch(1, timeout=5)
        await message.nak()
    with pytest.raises(TimeoutError):
        await pull.fetch(1, timeout=1)
    await asyncio.sleep(0.2)
    await js.purge_stream("PICTOR_ADVISORIES")
    await flow.runtime.pool.execute("UPDATE module_run SET ordered_at = now() - interval '5 min'")
    assert (await js.stream_info(STREAM_WORK)).state.messages == 1
    assert await keepers.reconcile(flow.runtime) == 1
    async with serving_flow(flow):
        assert await flow.ended(job) is JobState.COMPLETED


async def test_the_gateway_alone_makes_an_erased_broker_whole_again(tmp_path: Path) -> None:
    async with open_bus(tmp_path) as bus:
        gateway = Settings(**as_user(bus, "gateway"))
        client = await nats.connect(**connection_options(gateway, "gateway"))
        setup = await nats.connect(**connection_options(Settings(**as_user(bus, "setup")), "setup"))
        for name in await setup.jetstream().streams_info():
            await setup.jetstream().delete_stream(name.config.name or "")
        await provision(client.jetstream(timeout=2), gateway)
        consumers = await setup.jetstream().consumers_info(STREAM_WORK)
        assert len(consumers) == 3 * len(Module)
        await client.close()
        await setup.close()


async def test_the_advisory_reader_leaves_no_subscription_behind(flow: Flow) -> None:
    await flow.runtime.bus.js.delete_consumer("PICTOR_ADVISORIES", "advisory-reader")
    subscriptions = flow.runtime.bus.nats._subs
    before = len(subscriptions)
    for _ in range(3):
        with pytest.raises(nats.errors.Error):
            await keepers.read_advisories(flow.runtime)
    assert len(subscriptions) == before

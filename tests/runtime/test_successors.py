"""A worker's successor on the same machine takes over at once what the dead one had begun; the living keep theirs."""

import asyncio
import socket
import time
from dataclasses import replace
from uuid import UUID

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module, Service
from pictor.contracts.subjects import STREAM_WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime import keepers
from pictor.runtime.again import take_over
from pictor.runtime.worker import Worker, _started
from pictor.state import runs
from tests.support.flow import Flow, serving_flow

HERE = Worker.here("quality")


async def _begun_by(flow: Flow, name: str) -> UUID:
    """Let a worker of a name begin an order, holding its message, and say no more."""
    job = await flow.submit(itinerary=(Module.QUALITY,))
    pull = await flow.runtime.bus.js.pull_subscribe_bind("quality-live", STREAM_WORK)
    (message,) = await pull.fetch(1, timeout=5)
    order = WorkOrder.decode(message.data)
    async with flow.runtime.pool.acquire() as db, db.transaction():
        assert (await runs.claim(db, order, worker=name)).answer is runs.Claim.MINE
    return job


async def _dead() -> Worker:
    """A worker that lived in a process which has ended."""
    process = await asyncio.create_subprocess_exec("sleep", "60")
    worker = replace(HERE, pid=process.pid, started=str(_started(process.pid)))
    assert not HERE.outlived(str(worker))
    process.kill()
    await process.wait()
    return worker


async def test_what_a_killed_worker_had_begun_ends_seconds_after_its_successor_starts(flow: Flow) -> None:
    assert flow.runtime.service is Service.QUALITY
    job = await _begun_by(flow, str(await _dead()))
    begun = time.monotonic()
    async with serving_flow(flow):
        assert await flow.ended(job, within_s=60) is JobState.COMPLETED
    took = time.monotonic() - begun
    print(f"ended {took:.1f} s after the successor's start; lease and delivery would have held it for 30 s")
    assert took < 20
    assert flow.times(job, Module.QUALITY) == 1


async def test_leases_of_the_living_of_others_and_of_other_machines_are_left_alone(flow: Flow) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    living = replace(HERE, pid=process.pid, started=str(_started(process.pid)))
    dead = await _dead()
    others = [
        living, replace(dead, service="preview"), replace(dead, host="elsewhere/1"), replace(dead, space="1"), HERE,
    ]  # fmt: skip
    for one in others:
        await _begun_by(flow, str(one))
    assert await take_over(flow.runtime) == 0
    process.kill()
    await process.wait()
    assert await take_over(flow.runtime) == 1


async def test_a_restarted_machine_outlived_all_its_workers() -> None:
    before = replace(HERE, boot="11111111")
    assert HERE.outlived(str(before))
    assert HERE.outlived(str(replace(HERE, started="1")))
    assert not HERE.outlived(str(HERE))
    assert not HERE.outlived(f"quality@{socket.gethostname()}:12")


async def test_the_lease_of_a_machine_that_never_comes_back_is_taken_over_when_it_ends(flow: Flow) -> None:
    job = await _begun_by(flow, str(replace(HERE, host="gone/1", boot="22222222")))
    await flow.runtime.pool.execute("UPDATE module_run SET lease_until = now() - interval '1 min'")
    await flow.runtime.bus.js.purge_stream(STREAM_WORK)
    assert await keepers.reconcile(flow.runtime) == 1
    async with serving_flow(flow):
        assert await flow.ended(job) is JobState.COMPLETED

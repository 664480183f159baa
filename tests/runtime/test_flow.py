"""Every order is worked off exactly once in effect, on a real broker and a real database."""

import asyncio
import json
from uuid import uuid4

import pytest

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module, RunState
from pictor.contracts.subjects import STREAM_WORK, WORK
from pictor.contracts.work import WorkOrder
from pictor.imaging.errors import ImagingError
from pictor.runtime import keepers
from pictor.runtime.errors import FencedError, NotOursError, TransientError
from pictor.runtime.provision import provision
from pictor.runtime.step import Step, open_step
from pictor.state import invariants, jobs, outbox, parked, runs
from tests.support.flow import Flow, serving_flow


async def _violations(flow: Flow) -> list[str]:
    async with flow.runtime.pool.acquire() as db:
        return [sentence for _, _, offenders in await invariants.violations(db) for sentence in offenders]


async def _order_of(flow: Flow, job_id: object, module: Module) -> WorkOrder:
    body = await flow.runtime.pool.fetchval(
        "SELECT order_body FROM module_run WHERE job_id = $1 AND module = $2", job_id, str(module)
    )
    return WorkOrder.model_validate(body)


async def test_a_job_passes_its_whole_itinerary_once_and_closes(flow: Flow) -> None:
    async with serving_flow(flow):
        job_id = await flow.submit()
        assert await flow.ended(job_id) is JobState.COMPLETED
    assert [module for job, module in flow.seen if job == job_id] == list(LIGHT_ITINERARY)
    assert await _violations(flow) == []


async def test_the_frames_fault_fails_its_module_with_a_sentence_and_the_job_goes_on(flow: Flow) -> None:
    async def too_few(_step: Step) -> None:
        raise ImagingError("3 stars were found, 8 are needed", reason="too-few-stars")

    flow.acts[Module.ASTROMETRY] = too_few
    async with serving_flow(flow):
        job_id = await flow.submit()
        assert await flow.ended(job_id) is JobState.FAILED
    states = await flow.states(job_id)
    assert states[Module.ASTROMETRY] is RunState.FAILED
    assert states[Module.QUALITY_HEADERS] is RunState.COMPLETED
    job = await jobs.get(flow.runtime.pool, job_id, None)
    assert job is not None
    assert job.reasons == ("astrometry: 3 stars were found, 8 are needed",)
    assert flow.times(job_id, Module.ASTROMETRY) == 1


async def test_a_module_that_needs_a_failed_one_is_skipped_with_the_reason(flow: Flow) -> None:
    async def broken(_step: Step) -> None:
        raise ImagingError("every pixel is saturated", reason="saturated")

    flow.acts[Module.QUALITY] = broken
    async with serving_flow(flow):
        job_id = await flow.submit()
        assert await flow.ended(job_id) is JobState.FAILED
    assert (await flow.states(job_id))[Module.ASTROMETRY] is RunState.SKIPPED


async def test_an_order_that_always_fails_is_parked_and_the_next_frame_goes_on(flow: Flow) -> None:
    poison: list[object] = []
    met = asyncio.Event()

    async def act(step: Step) -> None:
        met.set()
        poison[:] = poison or [step.order.job_id]
        if step.order.job_id in poison:
            raise RuntimeError("a defect")

    flow.acts[Module.PREVIEW] = act
    async with serving_flow(flow):
        first = await flow.submit()
        await asyncio.wait_for(met.wait(), 10)
        second = await flow.submit()
        assert await flow.ended(second, within_s=10) is JobState.COMPLETED
        assert await flow.ended(first, within_s=40) is JobState.FAILED
    assert flow.times(first, Module.PREVIEW) == flow.runtime.settings.max_attempts
    async with flow.runtime.pool.acquire() as db:
        letters, total = await parked.page(db)
    assert total == 1
    assert letters[0].job_id == first
    assert "RuntimeError: a defect" in letters[0].message
    assert await _violations(flow) == []


async def test_garbage_on_a_work_subject_is_parked_once_and_blocks_nothing(flow: Flow) -> None:
    subject = WORK[Module.QUALITY][Lane.LIVE].name
    async with serving_flow(flow):
        for body in (b"", b"not json", b"\xff\xfe\x00", json.dumps({"observatory": "hill"}).encode()):
            await flow.runtime.bus.js.publish(subject, body)
        job_id = await flow.submit()
        assert await flow.ended(job_id) is JobState.COMPLETED
        async with asyncio.timeout(10):
            while (await parked.page(flow.runtime.pool))[1] < 4:
                await asyncio.sleep(0.05)
    info = await flow.runtime.bus.js.stream_info(STREAM_WORK)
    assert info.state.messages == 0
    letters, total = await parked.page(flow.runtime.pool)
    assert total == 4
    assert {letter.reason for letter in letters} == {"poison"}


async def test_an_order_for_a_job_that_does_not_exist_is_parked(flow: Flow) -> None:
    order = WorkOrder(
        observatory="hill", observatory_id=uuid4(), job_id=uuid4(), frame_id=uuid4(), module=Module.QUALITY
    )
    async with serving_flow(flow):
        await flow.runtime.bus.js.publish(WORK[Module.QUALITY][Lane.LIVE].name, order.encode())
        async with asyncio.timeout(10):
            while (await parked.page(flow.runtime.pool))[1] < 1:
                await asyncio.sleep(0.05)
    assert flow.seen == []


async def test_an_order_delivered_five_times_has_one_effect(flow: Flow) -> None:
    async with serving_flow(flow):
        job_id = await flow.submit()
        assert await flow.ended(job_id) is JobState.COMPLETED
        for module in LIGHT_ITINERARY:
            order = await _order_of(flow, job_id, module)
            for copy in range(5):
                await flow.runtime.bus.js.publish(
                    WORK[module][Lane.LIVE].name, order.encode(), headers={"Nats-Msg-Id": f"{module}-{copy}"}
                )
        async with asyncio.timeout(10):
            while (await flow.runtime.bus.js.stream_info(STREAM_WORK)).state.messages:
                await asyncio.sleep(0.05)
    assert len(flow.seen) == len(LIGHT_ITINERARY)
    assert await _violations(flow) == []


async def test_an_outage_is_waited_out_and_is_no_failure_of_the_frame(flow: Flow) -> None:
    outages = iter([True, True])

    async def act(_step: Step) -> None:
        if next(outages, False):
            raise TransientError("the store does not answer")

    flow.acts[Module.INGEST] = act
    async with serving_flow(flow):
        job_id = await flow.submit(itinerary=(Module.INGEST,))
        assert await flow.ended(job_id, within_s=40) is JobState.COMPLETED
    assert flow.times(job_id, Module.INGEST) == 3
    assert await flow.runtime.pool.fetchval("SELECT failures FROM module_run WHERE job_id = $1", job_id) == 1


async def test_a_frozen_worker_that_wakes_up_late_cannot_overwrite_newer_work(flow: Flow) -> None:
    job_id = await flow.submit(itinerary=(Module.QUALITY,))
    order = await _order_of(flow, job_id, Module.QUALITY)
    pool = flow.runtime.pool
    late = "UPDATE observatory SET name = 'late' WHERE id = $1"
    with pytest.raises(FencedError):
        async with open_step(flow.runtime, order) as frozen:
            frozen.save(lambda db: db.execute(late, flow.observatory_id))
            await pool.execute("UPDATE module_run SET lease_until = now() - interval '1 s' WHERE job_id = $1", job_id)
            async with open_step(flow.runtime, order) as newer:
                assert newer.attempt == frozen.attempt + 1
    assert await pool.fetchval("SELECT name FROM observatory") == "Hill"
    assert (await flow.states(job_id))[Module.QUALITY] is RunState.COMPLETED


async def test_a_run_in_progress_is_not_begun_twice(flow: Flow) -> None:
    job_id = await flow.submit(itinerary=(Module.QUALITY,))
    order = await _order_of(flow, job_id, Module.QUALITY)
    async with open_step(flow.runtime, order):
        with pytest.raises(NotOursError) as refusal:
            async with open_step(flow.runtime, order):
                pass
    assert refusal.value.claimed.answer is runs.Claim.BUSY


async def test_a_cancelled_job_stops_within_seconds_and_writes_no_result(flow: Flow) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def endless(step: Step) -> None:
        begun.set()
        await asyncio.wait_for(step.cancel.wait(), timeout=15)
        stopped.set()
        step.save(lambda db: db.execute("UPDATE observatory SET name = 'too late'"))

    flow.acts[Module.QUALITY] = endless
    async with serving_flow(flow):
        job_id = await flow.submit(itinerary=(Module.QUALITY,))
        await asyncio.wait_for(begun.wait(), timeout=10)
        async with flow.runtime.pool.acquire() as db, db.transaction():
            assert await jobs.cancel(db, job_id)
        await flow.runtime.control.cancel(job_id)
        await asyncio.wait_for(stopped.wait(), timeout=5)
    assert await flow.ended(job_id) is JobState.CANCELLED
    assert await flow.runtime.pool.fetchval("SELECT name FROM observatory") == "Hill"
    assert await _violations(flow) == []


async def test_the_whole_broker_store_may_be_lost_and_the_job_still_finishes(flow: Flow) -> None:
    job_id = await flow.submit()
    js = flow.runtime.bus.js
    await js.delete_stream(STREAM_WORK)
    await flow.runtime.pool.execute("UPDATE module_run SET ordered_at = now() - interval '5 min'")
    assert await keepers.reconcile(flow.runtime) == 1
    async with serving_flow(flow):
        assert await flow.ended(job_id) is JobState.COMPLETED
    assert len(flow.seen) == len(LIGHT_ITINERARY)


async def test_the_reconciler_leaves_orders_alone_whose_message_waits(flow: Flow) -> None:
    await flow.submit()
    await flow.runtime.pool.execute("UPDATE module_run SET ordered_at = now() - interval '5 min'")
    assert await keepers.reconcile(flow.runtime) == 0


async def test_what_a_crash_left_in_the_outbox_is_relayed(flow: Flow) -> None:
    job_id = await flow.submit()
    await flow.runtime.bus.js.purge_stream(STREAM_WORK)
    await flow.runtime.pool.execute(
        "UPDATE outbox SET sent_at = NULL, msg_id = msg_id || '/crashed', created_at = now() - interval '1 min'"
    )
    assert await outbox.unsent_count(flow.runtime.pool) == 1
    assert await keepers.relay(flow.runtime) == 1
    async with serving_flow(flow):
        assert await flow.ended(job_id) is JobState.COMPLETED


async def test_provisioning_twice_changes_nothing(flow: Flow) -> None:
    js = flow.runtime.bus.js
    before = [info.config for info in await js.consumers_info(STREAM_WORK)]
    await provision(js, flow.runtime.settings)
    after = [info.config for info in await js.consumers_info(STREAM_WORK)]
    assert before == after
    assert all(config.max_deliver == 5 and config.max_ack_pending == 256 for config in after)


async def test_a_reprocess_overtakes_a_backlog(flow: Flow) -> None:
    for _ in range(20):
        await flow.submit(itinerary=(Module.QUALITY,))
    high = await flow.submit(lane=Lane.HIGH, itinerary=(Module.QUALITY,))
    async with serving_flow(flow):
        await flow.ended(high)
        place = [job for job, _ in flow.seen].index(high)
    assert place <= 5

"""What can never succeed is parked, stopped or told; it is not taken for an outage."""

import asyncio
import math
import time

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Lane, Module, RunState
from pictor.contracts.subjects import STREAM_WORK, WORK
from pictor.imaging.errors import ImagingError
from pictor.runtime import keepers
from pictor.runtime.step import Step
from pictor.state import frames, jobs, outbox, parked, runs
from tests.support.flow import Flow, serving_flow


async def test_a_result_the_database_refuses_is_parked_and_not_tried_for_ever(flow: Flow) -> None:
    async def nan(step: Step) -> None:
        frame = await step.frame()
        step.save(frames.save_observation, frame.id, {"airmass": math.nan}, None, [])

    flow.runtime.settings = flow.runtime.settings.model_copy(update={"max_attempts": 1})
    flow.acts[Module.QUALITY] = nan
    async with serving_flow(flow):
        job_id = await flow.submit(itinerary=(Module.QUALITY,))
        assert await flow.ended(job_id, within_s=30) is JobState.FAILED
    letters, _ = await parked.page(flow.runtime.pool)
    assert [letter.job_id for letter in letters] == [job_id]


async def test_a_fault_told_with_unprintable_bytes_of_the_frame_is_still_a_sentence(flow: Flow) -> None:
    async def bad(_step: Step) -> None:
        raise ImagingError("the card \x00\ud800 cannot be read", reason="bad-card")

    flow.acts[Module.QUALITY] = bad
    async with serving_flow(flow):
        job_id = await flow.submit(itinerary=(Module.QUALITY,))
        assert await flow.ended(job_id, within_s=5) is JobState.FAILED
    (run,) = await runs.timeline(flow.runtime.pool, job_id)
    assert run.reason == "bad-card"


async def test_a_long_piece_of_garbage_is_parked_with_a_letter_that_fits_the_bus(flow: Flow) -> None:
    async with serving_flow(flow):
        await flow.runtime.bus.js.publish(WORK[Module.QUALITY][Lane.LIVE].name, b"\xff" * 60_000)
        async with asyncio.timeout(10):
            while (await parked.page(flow.runtime.pool))[1] < 1:
                await asyncio.sleep(0.05)
            while await outbox.unsent_count(flow.runtime.pool, older_than_s=0):
                await asyncio.sleep(0.05)


async def test_orders_that_wait_in_the_outbox_are_not_written_again_and_again(flow: Flow) -> None:
    await flow.submit(itinerary=(Module.QUALITY,))
    await flow.runtime.bus.js.purge_stream(STREAM_WORK)
    await flow.runtime.pool.execute("UPDATE module_run SET ordered_at = now() - interval '5 min', bus_seq = NULL")
    await flow.runtime.pool.execute("UPDATE outbox SET sent_at = NULL")
    assert await keepers.reconcile(flow.runtime) == 0


async def test_a_worker_asked_to_stop_gives_long_work_back_in_time_and_it_is_no_failure(flow: Flow) -> None:
    flow.runtime.settings = flow.runtime.settings.model_copy(update={"shutdown_seconds": 2.0})
    begun = asyncio.Event()

    async def long(_step: Step) -> None:
        begun.set()
        await asyncio.sleep(60)

    flow.acts[Module.QUALITY] = long
    async with serving_flow(flow):
        job_id = await flow.submit(itinerary=(Module.QUALITY,))
        await asyncio.wait_for(begun.wait(), timeout=10)
        asked = time.monotonic()
        flow.runtime.stopping.set()
    print(f"stopped after {time.monotonic() - asked:.1f} s")
    assert time.monotonic() - asked < 3
    (run,) = await runs.timeline(flow.runtime.pool, job_id)
    assert (run.state, run.failures) == (RunState.PENDING, 0)
    flow.runtime.stopping.clear()
    flow.acts.clear()
    async with serving_flow(flow):
        assert await flow.ended(job_id, within_s=10) is JobState.COMPLETED


async def test_a_worker_whose_module_is_paused_stops_at_once(flow: Flow) -> None:
    flow.runtime.control.paused.add(Module.QUALITY)
    async with serving_flow(flow):
        await flow.submit(itinerary=(Module.QUALITY,))
        await asyncio.sleep(0.5)
        asked = time.monotonic()
        flow.runtime.stopping.set()
    assert time.monotonic() - asked < 3
    assert flow.seen == []


async def test_cancel_and_claim_of_one_job_never_wait_for_each_other_for_ever(flow: Flow) -> None:
    job_id = await flow.submit(itinerary=(Module.QUALITY,))
    body = await flow.runtime.pool.fetchval("SELECT order_body FROM module_run WHERE job_id = $1", job_id)
    order = runs.WorkOrder.model_validate(body)
    pool = flow.runtime.pool
    async with pool.acquire() as one, pool.acquire() as two:
        async with one.transaction():
            await one.execute("UPDATE job SET state = 'cancelled' WHERE id = $1", job_id)

            async def claim() -> runs.Claim:
                async with two.transaction():
                    return (await runs.claim(two, order, worker="test")).answer

            claiming = asyncio.create_task(claim())
            await asyncio.sleep(0.2)
            await one.execute("UPDATE module_run SET state = 'cancelled' WHERE job_id = $1", job_id)
        assert await claiming is runs.Claim.CANCELLED
    assert await jobs.cancel(pool, job_id) is False


async def test_a_parked_order_put_back_completes_its_job(flow: Flow) -> None:
    async def broken(_step: Step) -> None:
        raise RuntimeError("a defect")

    flow.runtime.settings = flow.runtime.settings.model_copy(update={"max_attempts": 1})
    flow.acts[Module.QUALITY] = broken
    async with serving_flow(flow):
        job_id = await flow.submit(itinerary=(Module.QUALITY,))
        assert await flow.ended(job_id) is JobState.FAILED
        flow.acts.clear()
        letters, _ = await parked.page(flow.runtime.pool)
        order = runs.WorkOrder.model_validate_json(letters[0].body)
        async with flow.runtime.pool.acquire() as db, db.transaction():
            assert await jobs.reopen(db, job_id)
            again = await runs.again(db, order)
            assert again is not None
            outgoing = [await outbox.put(db, WORK[again.module][again.lane], again)]
        await flow.runtime.bus.publish(outgoing)
        assert await flow.ended(job_id) is JobState.COMPLETED
    (run,) = await runs.timeline(flow.runtime.pool, job_id)
    assert run.run == 2

"""The relay: each message for itself, none hides another, what can never be published is parked with its reason."""

import asyncio
import time

from nats.js.api import StreamConfig

from pictor.contracts.jobs import JobState, ModuleFinished
from pictor.contracts.modules import Module, RunState
from pictor.contracts.subjects import MODULE_FINISHED, STREAM_EVENTS, STREAM_WORK
from pictor.runtime.relaying import BATCH, relay_all, relay_once
from pictor.state import outbox, parked
from tests.support.flow import Flow, serving_flow


async def _unsent(
    flow: Flow, count: int, *, body: str = "{}", subject: str = "pictor.event.frame.measured.hill"
) -> None:
    await flow.runtime.pool.execute(
        """
        INSERT INTO outbox (subject, stream, msg_id, body, created_at)
        SELECT $1, $2, gen_random_uuid()::text, $3::text::jsonb, now() - interval '1 hour' FROM generate_series(1, $4)
        """,
        subject, STREAM_EVENTS, body, count,
    )  # fmt: skip


async def test_ten_thousand_messages_of_a_long_outage_leave_within_the_minute(flow: Flow) -> None:
    await _unsent(flow, 10_000)
    begun = time.monotonic()
    sent = 0
    while sent < 10_000:
        sent += await relay_all(flow.runtime.bus)
    took = time.monotonic() - begun
    print(f"10,000 messages relayed in {took:.1f} s: {10_000 / took:.0f} a second, every one synced to disk")
    assert await outbox.unsent_count(flow.runtime.pool) == 0
    assert (await flow.runtime.bus.js.stream_info(STREAM_EVENTS)).state.messages == 10_000
    assert took < 60


async def test_a_thousand_messages_nobody_takes_do_not_hide_the_one_behind_them(flow: Flow) -> None:
    await _unsent(flow, 2 * BATCH, subject="pictor.nowhere.at.all")
    job = await flow.submit(itinerary=(Module.QUALITY,))
    await flow.runtime.bus.js.purge_stream(STREAM_WORK)
    await flow.runtime.pool.execute(
        "UPDATE outbox SET sent_at = NULL, msg_id = msg_id || '/crashed', created_at = now() - interval '1 min' "
        "WHERE job_id = $1",
        job,
    )  # fmt: skip
    sent = [await relay_once(flow.runtime.bus) for _ in range(3)]
    assert sent == [0, 0, 1]
    async with serving_flow(flow):
        assert await flow.ended(job) is JobState.COMPLETED


async def test_a_message_too_long_for_its_stream_is_parked_with_its_size(flow: Flow) -> None:
    await _unsent(flow, 1, body=f'"{"x" * 70_000}"')
    await _unsent(flow, 1)
    assert await relay_once(flow.runtime.bus) == 1
    (letter,), total = await parked.page(flow.runtime.pool)
    assert (letter.module, letter.reason, total) == ("outbox", "unpublishable", 1)
    assert "70002 bytes" in letter.message
    assert await outbox.unsent_count(flow.runtime.pool) == 0
    assert await relay_once(flow.runtime.bus) == 0


async def test_a_message_without_a_stream_is_parked_after_a_while_only(flow: Flow) -> None:
    await _unsent(flow, 1, subject="pictor.nowhere.at.all")
    for _ in range(11):
        assert await relay_once(flow.runtime.bus) == 0
        await flow.runtime.pool.execute("UPDATE outbox SET next_try_at = NULL")
    assert (await parked.page(flow.runtime.pool))[1] == 0
    await relay_once(flow.runtime.bus)
    (letter,), _ = await parked.page(flow.runtime.pool)
    assert letter.reason == "unpublishable"


async def test_an_order_nobody_takes_waits_while_its_stream_is_gone_and_goes_out_when_it_is_back(flow: Flow) -> None:
    js = flow.runtime.bus.js
    config = (await js.stream_info(STREAM_WORK)).config
    await js.delete_stream(STREAM_WORK)
    job = await flow.submit(itinerary=(Module.QUALITY,))
    for _ in range(14):
        await flow.runtime.pool.execute("UPDATE outbox SET next_try_at = NULL, created_at = now() - interval '1 min'")
        assert await relay_once(flow.runtime.bus) == 0
    assert (await parked.page(flow.runtime.pool))[1] == 0
    assert isinstance(config, StreamConfig)
    await js.add_stream(config)
    await flow.runtime.pool.execute("UPDATE outbox SET next_try_at = NULL")
    assert await relay_once(flow.runtime.bus) == 1
    assert (await flow.states(job))[Module.QUALITY] is RunState.PENDING


async def test_two_relays_at_once_publish_every_message_once(flow: Flow) -> None:
    await _unsent(flow, 700)
    sent = await asyncio.gather(*(relay_once(flow.runtime.bus, limit=400) for _ in range(3)))
    assert sum(sent) == 700
    assert (await flow.runtime.bus.js.stream_info(STREAM_EVENTS)).state.messages == 700


async def test_a_message_published_but_not_marked_is_published_again_without_a_second_effect(flow: Flow) -> None:
    fact = ModuleFinished(
        observatory="hill", job_id=flow.observatory_id, frame_id=None, module=Module.QUALITY,
        state=RunState.COMPLETED, reason=None, message=None, duration_s=1.0, run=1,
    )  # fmt: skip
    async with flow.runtime.pool.acquire() as db:
        message = await outbox.put(db, MODULE_FINISHED, fact)
    assert isinstance(await flow.runtime.bus.attempt(message), int)
    assert await relay_once(flow.runtime.bus, older_than_s=0) == 1
    assert (await flow.runtime.bus.js.stream_info(STREAM_EVENTS)).state.messages == 1


async def test_what_ended_orders_published_is_marked_together_and_before_the_bus_is_closed(flow: Flow) -> None:
    bus, pool = flow.runtime.bus, flow.runtime.pool
    facts = [
        ModuleFinished(
            observatory="hill", job_id=flow.observatory_id, frame_id=None, module=Module.QUALITY,
            state=RunState.COMPLETED, reason=None, message=None, duration_s=1.0, run=run,
        )
        for run in range(1, 9)
    ]  # fmt: skip
    async with pool.acquire() as db:
        messages = [await outbox.put(db, MODULE_FINISHED, fact) for fact in facts]
    sent = await asyncio.gather(*(bus.publish([message], mark_soon=True) for message in messages))
    assert sum(sent) == len(facts)
    await bus.settled()
    assert await outbox.unsent_count(pool, older_than_s=0) == 0
    assert await pool.fetchval("SELECT count(DISTINCT sent_at) FROM outbox") < len(facts)

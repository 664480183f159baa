"""What nobody can work on is parked once, with its reason; put back after a mend the whole job ends well."""

import asyncio
import json

import nats.errors
import pytest
from faststream import FastStream
from faststream.nats import NatsBroker
from nats.js.errors import APIError

from pictor.contracts.jobs import JobFinished, JobState
from pictor.contracts.modules import LIGHT_ITINERARY, Module, RunState
from pictor.contracts.subjects import JOB_FINISHED, STREAM_EVENTS, STREAM_WORK
from pictor.contracts.work import WorkOrder
from pictor.gateway import desk
from pictor.runtime import consuming, keepers
from pictor.runtime.consuming import listen
from pictor.runtime.hosting import keeping, serving
from pictor.runtime.parking import order_letter, park
from pictor.runtime.provision import CALIBRATION_INGESTED, Durable
from pictor.runtime.runtime import Runtime
from pictor.state import jobs, parked
from pictor.state.parked import DeadLetter
from tests.support.flow import Flow, serving_flow

SUBJECT = "pictor.work.quality.live"


async def _letters(flow: Flow, count: int) -> list[DeadLetter]:
    async with asyncio.timeout(30):
        while (await parked.page(flow.runtime.pool))[1] < count:
            await asyncio.sleep(0.05)
    return (await parked.page(flow.runtime.pool))[0]


async def _pending(flow: Flow) -> int:
    state = (await flow.runtime.bus.js.stream_info(STREAM_WORK)).state
    return int(state.messages)


@pytest.mark.parametrize(
    "body",
    [b"\x00\xff not json", b"{}", b'{"schema_version": "next"}', b"[" * 10_000, b'"' + b"x" * 60_000 + b'"'],
    ids=["garbage", "empty", "unknown version", "deep", "long"],
)
async def test_what_is_no_order_is_parked_once_and_the_next_order_goes_on(flow: Flow, body: bytes) -> None:
    async with serving_flow(flow), keeping(flow.runtime):
        await flow.runtime.bus.js.publish(SUBJECT, body)
        job = await flow.submit(itinerary=(Module.QUALITY,))
        assert await flow.ended(job) is JobState.COMPLETED
        (letter,) = await _letters(flow, 1)
        assert (letter.module, letter.reason) == ("quality", "poison")
        await asyncio.sleep(1.0)
        assert (await parked.page(flow.runtime.pool))[1] == 1
        assert await _pending(flow) == 0


async def test_an_order_of_an_unknown_version_with_all_it_needs_is_worked_on(flow: Flow) -> None:
    job = await flow.submit(itinerary=(Module.QUALITY,))
    message = await flow.runtime.bus.js.get_last_msg(STREAM_WORK, SUBJECT)
    later = {**json.loads(message.data or b""), "schema_version": 9, "new_field": True}
    assert WorkOrder.decode(json.dumps(later).encode()).job_id == job


async def test_a_message_longer_than_allowed_is_refused_by_the_server(flow: Flow) -> None:
    with pytest.raises(APIError, match="exceeds maximum"):
        await flow.runtime.bus.js.publish(SUBJECT, b"x" * 100_000)
    with pytest.raises(nats.errors.MaxPayloadError):
        await flow.runtime.bus.js.publish(SUBJECT, b"x" * 2**20)
    assert await _pending(flow) == 0


async def test_a_parked_ingest_put_back_runs_everything_it_had_held_up(flow: Flow) -> None:
    job_id = await flow.submit()
    pool = flow.runtime.pool
    message = await flow.runtime.bus.js.get_last_msg(STREAM_WORK, "pictor.work.ingest.live")
    order = WorkOrder.decode(message.data or b"")
    dead = order_letter(order, subject=SUBJECT, reason="exhausted", text="no disk", body=order.encode(), sequence=1)
    await flow.runtime.bus.publish(await park(pool, order, dead))
    assert (await flow.states(job_id))[Module.QUALITY] is RunState.SKIPPED
    (letter,) = await _letters(flow, 1)
    async with serving_flow(flow):
        async with pool.acquire() as db, db.transaction():
            outgoing = await desk.put_back(db, letter)
        await flow.runtime.bus.publish(outgoing)
        async with asyncio.timeout(20):
            while (await flow.states(job_id)) != dict.fromkeys(LIGHT_ITINERARY, RunState.COMPLETED):
                await asyncio.sleep(0.05)
    job = await jobs.get(pool, job_id, None)
    assert job is not None
    assert (job.state, job.reasons) == (JobState.COMPLETED, ())
    assert [flow.times(job_id, module) for module in LIGHT_ITINERARY] == [1] * len(LIGHT_ITINERARY)


async def test_an_order_somebody_took_off_the_bus_by_hand_is_given_again(flow: Flow) -> None:
    job = await flow.submit(itinerary=(Module.QUALITY,))
    pull = await flow.runtime.bus.js.pull_subscribe_bind("quality-live", STREAM_WORK)
    (message,) = await pull.fetch(1, timeout=5)
    await message.term()
    async with keeping(flow.runtime), serving_flow(flow):
        assert await flow.ended(job, within_s=20) is JobState.COMPLETED


async def test_poison_the_broker_gave_up_is_parked_not_deleted(flow: Flow) -> None:
    await flow.runtime.bus.js.publish(SUBJECT, b"garbage")
    pull = await flow.runtime.bus.js.pull_subscribe_bind("quality-live", STREAM_WORK)
    for _ in range(5):
        (message,) = await pull.fetch(1, timeout=5)
        await message.nak()
    with pytest.raises(TimeoutError):
        await pull.fetch(1, timeout=1)
    async with keeping(flow.runtime):
        (letter,) = await _letters(flow, 1)
        assert (letter.module, letter.reason, letter.body) == ("quality", "poison", "garbage")
        async with asyncio.timeout(10):
            while await _pending(flow):
                await asyncio.sleep(0.05)


async def test_an_event_no_listener_can_use_is_parked_after_the_last_time(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "MAX_HEARD", 2)
    monkeypatch.setattr(consuming, "DELAYS_S", (0.1,))
    heard: list[JobFinished] = []

    async def listener(fact: JobFinished, _runtime: Runtime) -> None:
        heard.append(fact)
        raise RuntimeError("the group does not exist")

    durable = Durable(STREAM_EVENTS, CALIBRATION_INGESTED, "pictor.event.job.finished.*", max_deliver=-1)
    await flow.runtime.bus.js.delete_consumer(STREAM_EVENTS, durable.name)
    await flow.runtime.bus.js.add_consumer(STREAM_EVENTS, durable.config)

    def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
        listen(broker, runtime, JOB_FINISHED, CALIBRATION_INGESTED, listener)
        return FastStream(broker)

    job = await flow.submit(itinerary=(Module.QUALITY,))
    async with serving(flow.runtime, create_app):
        await flow.runtime.bus.js.publish("pictor.event.job.finished.hill", b"garbage")
        async with serving_flow(flow):
            await flow.ended(job)
        letters = await _letters(flow, 2)
    assert len(heard) == 2
    assert {letter.reason for letter in letters} == {"poison", "exhausted"}
    assert {letter.module for letter in letters} == {CALIBRATION_INGESTED}
    exhausted = next(letter for letter in letters if letter.reason == "exhausted")
    assert "the group does not exist" in exhausted.message
    assert desk.fact_of(exhausted) is not None


async def test_advisories_of_foreign_streams_are_nobodys_business(flow: Flow) -> None:
    advisory = {"type": "io.nats.jetstream.advisory.v1.max_deliver", "stream": "OTHER", "stream_seq": 1}
    await keepers._advised(flow.runtime, advisory)
    assert (await parked.page(flow.runtime.pool))[1] == 0

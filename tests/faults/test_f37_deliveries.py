"""However orders arrive (five times, backwards, an hour late, as garbage) every module has its effect once."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import nats.errors
import nats.js.errors
import pytest

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module
from pictor.contracts.subjects import STREAM_WORK, WORK
from pictor.contracts.work import WorkOrder
from pictor.runtime.step import Step
from tests.faults.harness.rows import Row, fault
from tests.support.pocket import Pocket, open_pocket, tiny_frame

pytestmark = pytest.mark.faults

COPIES = 5


@pytest.fixture
async def pocket(database_dsn: str, tmp_path: Path) -> AsyncIterator[Pocket]:
    async with open_pocket(database_dsn, tmp_path / "pocket") as opened:
        await opened.runtime.pool.execute("CREATE TABLE effect (job_id uuid, module text, attempt int)")
        opened.acts = dict.fromkeys(LIGHT_ITINERARY, effect)
        yield opened


async def effect(step: Step) -> None:
    """Leave one row for every time a module's results were kept."""
    order = step.order
    step.save(
        lambda db: db.execute("INSERT INTO effect VALUES ($1, $2, $3)", order.job_id, str(order.module), step.attempt)
    )


async def effects(pocket: Pocket, job_id: UUID) -> dict[str, int]:
    rows = await pocket.runtime.pool.fetch(
        "SELECT module, count(*) AS times FROM effect WHERE job_id = $1 GROUP BY module", job_id
    )
    return {row["module"]: row["times"] for row in rows}


@asynccontextmanager
async def repeated(pocket: Pocket) -> AsyncIterator[list[str]]:
    """Publish every order of the outbox four times more, newest first, while the block runs."""
    copied: list[str] = []

    async def repeat() -> None:
        while True:
            rows = await pocket.runtime.pool.fetch(
                "SELECT * FROM outbox WHERE stream = $1 AND NOT msg_id = ANY($2) ORDER BY id DESC", STREAM_WORK, copied
            )
            for row in rows:
                copied.append(row["msg_id"])
                for copy in range(1, COPIES):
                    await pocket.bus.js.publish(
                        row["subject"], json.dumps(row["body"]).encode(),
                        headers={"Nats-Msg-Id": f"{row['msg_id']}/copy-{copy}"},
                    )  # fmt: skip
            await asyncio.sleep(0.01)

    task = asyncio.create_task(repeat())
    try:
        yield copied
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def late_by_an_hour(pocket: Pocket) -> None:
    """Let everything in the database have happened an hour earlier."""
    await pocket.runtime.pool.execute(
        """
        UPDATE module_run SET ordered_at = ordered_at - interval '1 h', started_at = started_at - interval '1 h',
            finished_at = finished_at - interval '1 h', lease_until = lease_until - interval '1 h'
        """
    )


@fault("F37", "every order published five times, newest first; one a whole itinerary early", limit_s=60, core=True)
async def test_every_order_delivered_five_times_backwards_and_early_has_its_effect_once(
    pocket: Pocket, row: Row
) -> None:
    sent = [await pocket.upload(tiny_frame(number)) for number in range(6)]
    _, early = await pocket.upload(tiny_frame(200))
    await pocket.bus.js.publish(WORK[Module.QUALITY][Lane.LIVE].name, (await _quality_order(pocket, early)).encode())
    async with repeated(pocket) as copied:
        await asyncio.sleep(0.3)
        async with pocket.acting():
            for _, job_id in (*sent, (None, early)):
                assert await pocket.ended(job_id) is JobState.COMPLETED
                assert await effects(pocket, job_id) == dict.fromkeys(map(str, LIGHT_ITINERARY), 1)
            row.over()
            await asyncio.sleep(0.3)
            await pocket.whole(row)
    assert len(copied) >= 7 * len(LIGHT_ITINERARY) - 1
    row.note(f"{len(pocket.seen)} module runs from {COPIES * len(copied)} deliveries")
    assert await pocket.runtime.pool.fetchval("SELECT count(*) FROM effect") == 7 * len(LIGHT_ITINERARY)
    assert await pocket.letters() == []


async def _quality_order(pocket: Pocket, job_id: UUID) -> WorkOrder:
    """Return the order for a run in the middle of the timeline, whose turn has not come."""
    order = await pocket.order_of(job_id, Module.INGEST)
    rest = LIGHT_ITINERARY[LIGHT_ITINERARY.index(Module.QUALITY) + 1 :]
    return order.model_copy(update={"module": Module.QUALITY, "itinerary": rest})


@fault("F37", "all orders of an earlier run published again an hour later", limit_s=60)
async def test_orders_delivered_an_hour_late_change_nothing_of_a_later_run(pocket: Pocket, row: Row) -> None:
    frame_id, first = await pocket.upload(tiny_frame(100))
    async with pocket.acting():
        assert await pocket.ended(first) is JobState.COMPLETED
        await late_by_an_hour(pocket)
        answer = await pocket.post(f"/frames/{frame_id}/reprocess")
        second = UUID(answer.json()["job_id"])
        assert await pocket.ended(second) is JobState.COMPLETED
        before = await pocket.runtime.pool.fetchval("SELECT count(*) FROM effect")
        for module in reversed(LIGHT_ITINERARY):
            order = await pocket.order_of(first, module)
            await pocket.bus.js.publish(WORK[module][Lane.LIVE].name, order.encode())
        row.over()
        await asyncio.sleep(0.3)
        await pocket.whole(row)
    assert await pocket.runtime.pool.fetchval("SELECT count(*) FROM effect") == before
    assert pocket.seen.count((first, Module.QUALITY)) == 1


@fault(
    "F38",
    "garbage, a future schema and 100 KB to 1 MiB published to a work subject and to strange ones",
    limit_s=30,
    core=True,
)
async def test_garbage_unknown_versions_and_long_messages_are_put_aside_once_and_block_nothing(
    pocket: Pocket, row: Row
) -> None:
    subject = WORK[Module.QUALITY][Lane.LIVE].name
    order = WorkOrder(observatory="home", observatory_id=pocket.observatory_id, job_id=uuid4(), module=Module.QUALITY)
    future = {**order.model_dump(mode="json"), "schema_version": 99, "itinerary": "everything"}
    garbage = [b"", b"{", b"\xff\xfe\x00", b"[]", b"null", json.dumps(future).encode(), b"[" * 20_000, b"\x00" * 60_000]
    for body in garbage:
        await pocket.bus.js.publish(subject, body)
    with pytest.raises((nats.errors.Error, nats.js.errors.Error)):
        await pocket.bus.js.publish(subject, bytes(1 << 20))
    with pytest.raises(nats.js.errors.Error):
        await pocket.bus.js.publish(subject, bytes(100_000))
    for stranger in ("pictor.work.nonsense.live", "pictor.work.quality.never", "elsewhere.entirely"):
        with pytest.raises(nats.js.errors.NoStreamResponseError):
            await pocket.bus.js.publish(stranger, b"{}")
    await pocket.bus.js.publish("pictor.event.nonsense.home", b"{}")
    _, job_id = await pocket.upload(tiny_frame(300))
    async with pocket.acting():
        assert await pocket.ended(job_id) is JobState.COMPLETED
        await _letters(pocket, len(garbage))
        row.over()
        await pocket.whole(row)
        await asyncio.sleep(2.5)
    assert {letter.reason for letter in await pocket.letters()} == {"poison"}
    assert len(await pocket.letters()) == len(garbage)


async def _letters(pocket: Pocket, wanted: int, *, within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while len(await pocket.letters()) < wanted:
        assert time.monotonic() < end, await pocket.letters()
        await asyncio.sleep(0.05)


@fault("F48", "a running row with the lease of a host that does not exist", limit_s=30)
async def test_the_lease_of_a_host_that_is_gone_is_taken_over_when_it_ends(pocket: Pocket, row: Row) -> None:
    _, job_id = await pocket.upload(tiny_frame(500))
    pool = pocket.runtime.pool
    await pool.execute(
        """
        UPDATE module_run SET state = 'running', attempt = 1, failures = 1, worker = 'ingest@a-dead-host:1',
            started_at = now(), lease_until = now() + interval '3 s' WHERE job_id = $1 AND module = 'ingest'
        """,
        job_id,
    )
    await pool.execute("UPDATE job SET state = 'running', started_at = now() WHERE id = $1", job_id)
    async with pocket.acting():
        await asyncio.sleep(1.0)
        assert pocket.seen == []
        row.over()
        assert await pocket.ended(job_id) is JobState.COMPLETED
        await pocket.whole(row)
    run = (await pocket.runs(job_id))[Module.INGEST]
    assert run.attempt == 2
    assert await effects(pocket, job_id) == dict.fromkeys(map(str, LIGHT_ITINERARY), 1)

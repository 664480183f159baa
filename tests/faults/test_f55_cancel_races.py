"""F55 to F57: cancel, reprocess and revoke at any moment; one final state, and no result after the end."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pictor.contracts.frames import ProductKind
from pictor.contracts.jobs import JobKind, JobState
from pictor.contracts.modules import LIGHT_ITINERARY, Lane, Module
from pictor.contracts.work import WorkOrder
from pictor.runtime.errors import FencedError, NotOursError
from pictor.runtime.passing import give_first
from pictor.runtime.step import Step, open_step
from pictor.state import jobs
from tests.faults.harness.rows import Row, fault
from tests.support.pocket import Pocket, open_pocket, tiny_frame

pytestmark = pytest.mark.faults

EVENTS = """
    SELECT body->>'state' AS state FROM outbox
    WHERE subject LIKE 'pictor.event.job.finished.%' AND body->>'job_id' = $1
"""


@pytest.fixture
async def pocket(database_dsn: str, tmp_path: Path) -> AsyncIterator[Pocket]:
    async with open_pocket(database_dsn, tmp_path / "pocket") as opened:
        await opened.runtime.pool.execute("CREATE TABLE effect (job_id uuid, module text)")
        yield opened


def _effect(step: Step) -> None:
    job_id, module = step.order.job_id, str(step.order.module)
    step.save(lambda db: db.execute("INSERT INTO effect VALUES ($1, $2)", job_id, module))


async def _effects(pocket: Pocket, job_id: UUID) -> int:
    count: int = await pocket.runtime.pool.fetchval("SELECT count(*) FROM effect WHERE job_id = $1", job_id)
    return count


async def _announced(pocket: Pocket, job_id: UUID) -> list[str]:
    return [row["state"] for row in await pocket.runtime.pool.fetch(EVENTS, str(job_id))]


class Stop:
    """An act that waits in the middle of a module."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.called_off = False

    async def act(self, step: Step) -> None:
        self.reached.set()
        waits = [asyncio.ensure_future(one.wait()) for one in (self.go_on, step.cancel)]
        await asyncio.wait(waits, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self.called_off = step.cancel.is_set()
        _effect(step)


@fault(
    "F55", "cancelled while it waits, while its first and its last module run, and after its end", limit_s=30, core=True
)
async def test_a_job_cancelled_in_any_state_has_one_end_and_no_result_after_it(pocket: Pocket, row: Row) -> None:
    async def cancel(job_id: UUID) -> int:
        return (await pocket.post(f"/jobs/{job_id}/cancel")).status_code

    waiting = (await pocket.upload(tiny_frame(1)))[1]
    assert await cancel(waiting) == 200
    stops = {Module.INGEST: Stop(), LIGHT_ITINERARY[-1]: Stop()}
    async with pocket.acting():
        for module, stop in stops.items():
            pocket.acts = {module: stop.act}
            job_id = (await pocket.upload(tiny_frame(len(module))))[1]
            await asyncio.wait_for(stop.reached.wait(), timeout=30)
            begun = asyncio.get_running_loop().time()
            assert await cancel(job_id) == 200
            assert await pocket.ended(job_id) is JobState.CANCELLED
            async with asyncio.timeout(10):
                while not stop.called_off:
                    await asyncio.sleep(0.01)
            row.note(f"{module} called off {asyncio.get_running_loop().time() - begun:.2f} s after the wish")
            assert await _effects(pocket, job_id) == 0
            assert await _announced(pocket, job_id) == ["cancelled"]
        pocket.acts = {}
        ended = (await pocket.upload(tiny_frame(3)))[1]
        assert await pocket.ended(ended) is JobState.COMPLETED
        assert await cancel(ended) == 409
        assert await cancel(waiting) == 200
        row.over()
        await pocket.whole(row)
    assert await _announced(pocket, waiting) == ["cancelled"]
    assert not [job for job, _ in pocket.seen if job == waiting]


@pytest.mark.parametrize("number", [
    pytest.param(100, marks=fault("F55", "100 jobs cancelled at a random moment of their end", limit_s=60, core=True)),
    pytest.param(1000, marks=fault("F55", "1,000 jobs cancelled at a random moment of their end", limit_s=60)),
])  # fmt: skip
async def test_cancel_and_completion_at_the_same_moment_leave_one_final_state(
    pocket: Pocket, row: Row, number: int
) -> None:
    frame_id, first = await pocket.upload(tiny_frame(0))
    assert (await pocket.post(f"/jobs/{first}/cancel")).status_code == 200
    dice, gate = random.Random(20261121), asyncio.Semaphore(4)
    made = [await _made(pocket, frame_id) for _ in range(number)]

    async def race(order: WorkOrder) -> None:
        async with gate:
            complete_s, cancel_s = dice.random() * 0.03, dice.random() * 0.03
            await asyncio.gather(_complete(pocket, order, complete_s), _cancel(pocket, order, cancel_s))

    await asyncio.gather(*(race(order) for order in made))
    row.over()
    rows = await pocket.runtime.pool.fetch(
        """
        SELECT j.id, j.state, r.state AS run, (SELECT count(*) FROM effect e WHERE e.job_id = j.id) AS effects,
            (SELECT count(*) FROM outbox o WHERE o.subject LIKE 'pictor.event.job.finished.%'
                AND o.body->>'job_id' = j.id::text) AS announced
        FROM job j JOIN module_run r ON r.job_id = j.id WHERE j.id = ANY($1)
        """,
        [order.job_id for order in made],
    )
    assert len(rows) == number
    ends = {(one["state"], one["run"], one["effects"], one["announced"]) for one in rows}
    assert ends == {("completed", "completed", 1, 1), ("cancelled", "cancelled", 0, 1)}
    cancelled = sum(one["state"] == "cancelled" for one in rows)
    row.note(f"{cancelled} of {number} races won by the cancel")
    assert 0.05 * number < cancelled < 0.95 * number
    pocket.hollow = True
    async with pocket.acting():
        await pocket.whole(row)


async def _made(pocket: Pocket, frame_id: UUID) -> WorkOrder:
    order = WorkOrder(
        observatory="home",
        observatory_id=pocket.observatory_id,
        job_id=uuid4(),
        frame_id=frame_id,
        module=Module.QUALITY,
    )
    async with pocket.runtime.pool.acquire() as db, db.transaction():
        await jobs.create(
            db,
            order.job_id,
            pocket.observatory_id,
            frame_id=frame_id,
            kind=JobKind.UPLOAD,
            lane=Lane.LIVE,
            owner="test",
        )
        outgoing = [await give_first(db, order)]
    await pocket.runtime.bus.publish(outgoing)
    return order


async def _complete(pocket: Pocket, order: WorkOrder, after_s: float) -> None:
    await asyncio.sleep(after_s)
    try:
        async with open_step(pocket.runtime, order) as step:
            _effect(step)
    except (NotOursError, FencedError):
        return


async def _cancel(pocket: Pocket, order: WorkOrder, after_s: float) -> None:
    await asyncio.sleep(after_s)
    answer = await pocket.post(f"/jobs/{order.job_id}/cancel")
    assert answer.status_code in {200, 409}, answer.text


@fault("F56", "fifty reprocess orders at once while the frame's first run is in its third module", limit_s=30)
async def test_fifty_reprocess_orders_during_the_first_run_make_one_more_run(pocket: Pocket, row: Row) -> None:
    stop = Stop()
    pocket.acts = {Module.PREVIEW: stop.act}
    async with pocket.acting():
        frame_id, first = await pocket.upload(tiny_frame(56))
        await asyncio.wait_for(stop.reached.wait(), timeout=30)
        answers = await asyncio.gather(*(pocket.post(f"/frames/{frame_id}/reprocess") for _ in range(50)))
        assert {answer.status_code for answer in answers} <= {202, 429}
        accepted = [answer.json() for answer in answers if answer.status_code == 202]
        assert sum(not one["already_open"] for one in accepted) == 1
        (second,) = {one["job_id"] for one in accepted}
        row.note(f"{len(accepted)} of 50 answered with the same job, {50 - len(accepted)} told to slow down")
        stop.go_on.set()
        assert await pocket.ended(first) is JobState.COMPLETED
        assert await pocket.ended(UUID(second)) is JobState.COMPLETED
        row.over()
        await pocket.whole(row)
    assert await pocket.runtime.pool.fetchval("SELECT count(*) FROM job WHERE frame_id = $1", frame_id) == 2
    for module in LIGHT_ITINERARY:
        assert pocket.seen.count((first, module)) == pocket.seen.count((UUID(second), module)) == 1


@fault("F57", "the token of an upload revoked after half of its bytes", limit_s=30)
async def test_an_upload_whose_token_is_revoked_on_the_way_leaves_nothing(pocket: Pocket, row: Row) -> None:
    answer = await pocket.post("/tokens", json={"name": "rig"})
    assert answer.status_code == 201, answer.text
    token, body = answer.json(), tiny_frame(57, size=256)

    async def halves() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        revoked = await pocket.client.delete(f"/api/v1/tokens/{token['details']['id']}")
        assert revoked.status_code in {200, 204}, revoked.text
        yield body[len(body) // 2 :]

    address = f"/api/v1/frames/{hashlib.sha256(body).hexdigest()}"
    headers = {"Authorization": f"Bearer {token['token']}", "Content-Length": str(len(body))}
    refused = await pocket.client.put(address, content=halves(), headers=headers)
    assert refused.status_code == 401, refused.text
    row.over()
    await pocket.whole(row)
    assert await pocket.runtime.pool.fetchval("SELECT count(*) FROM frame") == 0
    left = [stored.key async for stored in pocket.runtime.store.list("raw/")]
    assert left == []


async def test_a_frame_deleted_while_its_orders_wait_leaves_no_dead_letter(pocket: Pocket) -> None:
    """Found by the state machine: the order of a job that was deleted with its frame was parked as poison."""
    frame_id, _ = await pocket.upload(tiny_frame(58))
    assert (await pocket.client.delete(f"/api/v1/frames/{frame_id}")).status_code == 204
    async with pocket.acting():
        await pocket.idle()
    assert await pocket.letters() == []


async def test_two_runs_of_a_frame_at_once_never_delete_each_others_products(pocket: Pocket) -> None:
    """A run that replaces a product deletes the old object; another may just have made the very same bytes again."""
    frame_id, first = await pocket.upload(tiny_frame(59))
    assert (await pocket.post(f"/jobs/{first}/cancel")).status_code == 200
    before, other, same = [await _made(pocket, frame_id) for _ in range(3)]
    async with open_step(pocket.runtime, before) as step:
        await _keep(step, b"one")
    async with open_step(pocket.runtime, same) as late:
        await _keep(late, b"one")
        async with open_step(pocket.runtime, other) as step:
            await _keep(step, b"two")
    (key,) = [row["key"] for row in await pocket.runtime.pool.fetch("SELECT key FROM product")]
    assert [stored.key async for stored in pocket.runtime.store.list("products/")] == [key]


async def _keep(step: Step, content: bytes) -> None:
    path = step.scratch / "product.bin"
    path.write_bytes(content)
    await step.keep(ProductKind.STARS, path, "application/octet-stream")

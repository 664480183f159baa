"""The JSON API of jobs: cancelling, reprocessing, dead letters, operations."""

import json

from pictor.contracts.access import Role
from pictor.contracts.modules import Lane, Module
from pictor.contracts.parked import Parked
from pictor.contracts.work import WorkOrder
from pictor.state import jobs, parked, runs
from tests.services.gateway.conftest import Api, uploaded

V1 = "/api/v1"


async def test_cancel_ends_a_pending_job_once(api: Api) -> None:
    member, stranger = await api.token(Role.MEMBER), await api.token(Role.MEMBER)
    job = (await uploaded(api, 1, member))["job_id"]
    assert (await api.post(f"{V1}/jobs/{job}/cancel", stranger)).status_code == 404
    done = await api.post(f"{V1}/jobs/{job}/cancel", member)
    assert (done.status_code, done.json()["state"]) == (200, "cancelled")
    assert {run["state"] for run in done.json()["timeline"]} == {"cancelled"}
    assert (await api.post(f"{V1}/jobs/{job}/cancel", member)).status_code == 200
    message = await api.js.get_last_msg("PICTOR_EVENTS", "pictor.event.job.finished.home")
    assert json.loads(message.data)["state"] == "cancelled"
    kept = await (await api.js.key_value("pictor_control")).get(f"cancel.{job}")
    assert kept.value == b"1"


async def test_a_finished_job_cannot_be_cancelled(api: Api) -> None:
    job = (await uploaded(api, 1))["job_id"]
    async with api.runtime.pool.acquire() as db:
        await db.execute("UPDATE module_run SET state = 'completed' WHERE job_id = $1", job)
        await jobs.close(db, job)
    assert (await api.post(f"{V1}/jobs/{job}/cancel")).status_code == 409


async def test_reprocessing_twice_makes_one_job(api: Api) -> None:
    frame = (await uploaded(api, 1))["frame_id"]
    path = f"{V1}/frames/{frame}/reprocess"
    first = await api.post(path, json={"modules": ["quality", "preview"]})
    again = await api.post(path)
    assert (first.status_code, again.status_code) == (202, 202), first.text
    assert first.json()["modules"] == ["ingest", "preview", "quality"]
    assert (first.json()["already_open"], again.json()["already_open"]) == (False, True)
    assert first.json()["job_id"] == again.json()["job_id"]
    message = await api.js.get_last_msg("PICTOR_WORK", "pictor.work.ingest.high")
    assert WorkOrder.decode(message.data).lane is Lane.HIGH
    assert (await api.post(path, json={"modules": []})).status_code == 422
    assert (await api.post(path, json={"modules": ["stack"]})).status_code == 422


async def test_a_dead_letter_goes_back_under_a_new_run(api: Api) -> None:
    frame = await uploaded(api, 1)
    async with api.runtime.pool.acquire() as db:
        body = await db.fetchval("SELECT order_body FROM module_run WHERE module = 'ingest'")
        order = WorkOrder.model_validate(body)
        await db.execute("UPDATE module_run SET state = 'failed' WHERE module = 'ingest'")
        letter = Parked(
            observatory="home", module="ingest", subject="pictor.work.ingest.live", reason="exhausted", message="no",
            job_id=order.job_id, stream_seq=1, body=order.model_dump_json(),
        )  # fmt: skip
        await parked.add(db, letter)
    listed = (await api.get(f"{V1}/dead-letters")).json()
    assert [item["module"] for item in listed["items"]] == ["ingest"]
    number = listed["items"][0]["id"]
    done = await api.post(f"{V1}/dead-letters/{number}/requeue")
    assert (done.status_code, done.json()["settled_as"]) == (200, "requeued"), done.text
    message = await api.js.get_last_msg("PICTOR_WORK", "pictor.work.ingest.live")
    assert WorkOrder.decode(message.data).run == 2
    async with api.runtime.pool.acquire() as db:
        assert (await runs.states(db, order.job_id))[Module.INGEST] == "pending"
    assert (await api.post(f"{V1}/dead-letters/{number}/discard")).status_code == 409
    assert (await api.post(f"{V1}/dead-letters/999/discard")).status_code == 404
    assert frame["job_id"] == str(order.job_id)


async def test_modules_left_out_because_of_a_dead_letter_run_after_it(api: Api) -> None:
    await uploaded(api, 1)
    async with api.runtime.pool.acquire() as db:
        job = await db.fetchval("SELECT id FROM job")
        await db.execute("UPDATE module_run SET state = 'completed'")
        await db.execute("UPDATE module_run SET state = 'failed' WHERE module = 'quality'")
        await db.execute("UPDATE module_run SET state = 'skipped' WHERE module = 'astrometry'")
        await jobs.close(db, job)
        order = WorkOrder.model_validate(await db.fetchval("SELECT order_body FROM module_run WHERE module = 'ingest'"))
        planned = (Module.ASTROMETRY, Module.QUALITY_HEADERS)
        order = order.model_copy(update={"module": Module.QUALITY, "itinerary": planned})
        letter = Parked(
            observatory="home", module="quality", subject="pictor.work.quality.live", reason="exhausted", message="no",
            job_id=job, stream_seq=1, body=order.model_dump_json(),
        )  # fmt: skip
        await parked.add(db, letter)
    number = (await api.get(f"{V1}/dead-letters")).json()["items"][0]["id"]
    assert (await api.post(f"{V1}/dead-letters/{number}/requeue")).status_code == 200
    detail = (await api.get(f"{V1}/jobs/{job}")).json()
    assert detail["state"] == "running"
    waiting = [run["module"] for run in detail["timeline"] if run["state"] == "pending"]
    assert waiting == ["quality", "astrometry", "quality-headers"]


async def test_operations_count_what_waits_and_pause_what_should_not_run(api: Api) -> None:
    await uploaded(api, 1)
    found = {one["module"]: one for one in (await api.get(f"{V1}/operations")).json()["modules"]}
    live = next(lane for lane in found["ingest"]["lanes"] if lane["lane"] == "live")
    assert (live["waiting"], found["ingest"]["waiting"], found["ingest"]["paused"]) == (1, 1, False)
    assert (await api.post(f"{V1}/operations/preview/pause")).status_code == 202
    kept = await (await api.js.key_value("pictor_control")).get("paused.preview")
    assert kept.value == b"1"
    assert (await api.post(f"{V1}/operations/preview/resume")).status_code == 202
    assert (await api.post(f"{V1}/operations/nothing/pause")).status_code == 400

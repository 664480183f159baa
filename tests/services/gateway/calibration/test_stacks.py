"""Stacking jobs: seen by administrators, tried again once, deleted when they failed."""

import asyncio
from uuid import UUID

from pictor.contracts.access import Role
from pictor.contracts.masters import MasterState
from pictor.runtime.stacking.triggers import evaluate
from pictor.state import jobs
from tests.services.gateway.conftest import Api
from tests.support.individuals import MODE, add_individuals, add_master

JOBS = "/api/v1/calibration/jobs"


async def failed_stack(api: Api) -> UUID:
    """Order a stack and let it fail."""
    pool = api.runtime.pool
    await add_individuals(pool, api.home.id, 10)
    await evaluate(api.runtime, api.home.id, MODE)
    job_id: UUID = await pool.fetchval("SELECT job_id FROM stack_request")
    await fail(api, job_id)
    return job_id


async def fail(api: Api, job_id: UUID) -> None:
    pool = api.runtime.pool
    await pool.execute(
        "UPDATE module_run SET state = 'failed', reason = 'shapes', message = 'no' WHERE job_id = $1", job_id
    )
    async with pool.acquire() as db, db.transaction():
        assert await jobs.close(db, job_id) is not None


async def test_a_failed_stack_is_listed_with_its_reason(api: Api) -> None:
    job_id = await failed_stack(api)
    listed = (await api.get(f"{JOBS}/{api.home.id}")).json()
    (item,) = listed["items"]
    assert (item["id"], item["state"], item["frames"], item["frame_type"]) == (str(job_id), "failed", 10, "dark")
    assert (item["reasons"], item["owner"], item["master_id"]) == (["stack: no"], "calibration-stacker", None)
    assert (await api.get(f"{JOBS}/{api.home.id}?state=running")).json()["items"] == []


async def test_a_failed_stack_is_tried_again_once(api: Api) -> None:
    job_id = await failed_stack(api)
    answers = await asyncio.gather(*(api.post(f"{JOBS}/{job_id}/retry") for _ in range(5)))
    assert sorted(one.status_code for one in answers) == [202, 409, 409, 409, 409]
    row = await api.runtime.pool.fetchrow("SELECT state, run FROM module_run WHERE job_id = $1", job_id)
    assert (row["state"], row["run"]) == ("pending", 2)
    assert await api.runtime.pool.fetchval("SELECT count(*) FROM outbox WHERE module = 'stack'") == 2


async def test_a_failed_stack_is_not_tried_again_while_its_group_is_stacked_anew(api: Api) -> None:
    job_id = await failed_stack(api)
    asked = {"observatory_id": str(api.home.id), "frame_type": "dark", "force": True}
    assert (await api.post("/api/v1/calibration/masters/create", json=asked)).status_code == 202
    refused = await api.post(f"{JOBS}/{job_id}/retry")
    assert refused.status_code == 409
    assert "stacked anew" in refused.json()["detail"]


async def test_a_failed_stack_is_deleted_with_its_rejected_candidate(api: Api) -> None:
    pool, job_id = api.runtime.pool, await failed_stack(api)
    bad = await add_master(pool, api.home.id, state=MasterState.REJECTED, store=api.runtime.store)
    await pool.execute("UPDATE master SET job_id = $1", job_id)
    (item,) = (await api.get(f"{JOBS}/{api.home.id}")).json()["items"]
    assert (item["master_id"], item["master_state"]) == (str(bad), "rejected")
    assert (await api.request("DELETE", f"{JOBS}/{job_id}")).status_code == 204
    assert [await api.count(table) for table in ("job", "stack_request", "master", "product")] == [0, 0, 0, 0]
    assert [one.key async for one in api.runtime.store.list()] == []
    assert await pool.fetchval("SELECT count(*) FROM audit WHERE action = 'calibration.job-delete'") == 1


async def test_only_failed_stacks_are_deleted(api: Api) -> None:
    pool = api.runtime.pool
    await add_individuals(pool, api.home.id, 10)
    await evaluate(api.runtime, api.home.id, MODE)
    job_id = await pool.fetchval("SELECT job_id FROM stack_request")
    assert (await api.request("DELETE", f"{JOBS}/{job_id}")).status_code == 409
    assert (await api.post(f"{JOBS}/{job_id}/retry")).status_code == 409
    assert await api.count("job") == 1


async def test_a_master_that_needs_review_outlives_its_deleted_job(api: Api) -> None:
    pool, job_id = api.runtime.pool, await failed_stack(api)
    await add_master(pool, api.home.id, state=MasterState.NEEDS_REVIEW)
    await pool.execute("UPDATE master SET job_id = $1", job_id)
    assert (await api.request("DELETE", f"{JOBS}/{job_id}")).status_code == 204
    assert await pool.fetchval("SELECT job_id IS NULL FROM master")


async def test_who_may_see_and_decide(api: Api) -> None:
    job_id, far = await failed_stack(api), await api.observatory("far")
    member, own = await api.token(Role.MEMBER), await api.token(Role.OBSERVATORY_ADMIN)
    foreign = await api.token(Role.OBSERVATORY_ADMIN, far)
    place = f"{JOBS}/{api.home.id}"
    assert [(await api.get(place, one)).status_code for one in (member, foreign, own)] == [403, 404, 200]
    retry = f"{JOBS}/{job_id}/retry"
    assert [(await api.post(retry, one)).status_code for one in (member, foreign)] == [403, 404]
    assert (await api.request("DELETE", f"{JOBS}/{job_id}", own)).status_code == 403
    assert (await api.post(retry, own)).status_code == 202

"""Masters asked for by hand: exactly one group, one stack at a time, never without its dark."""

import asyncio

import pytest

from pictor.contracts.access import Role
from pictor.contracts.masters import MasterState
from pictor.runtime.stacking import manual
from pictor.runtime.stacking.decide import DEFERRED
from pictor.runtime.stacking.triggers import evaluate, sweep
from tests.services.gateway.conftest import Api
from tests.support.individuals import CAMERA, MODE, add_individuals, add_master

CREATE = "/api/v1/calibration/masters/create"


def body(api: Api, **said: object) -> dict[str, object]:
    return {"observatory_id": str(api.home.id), "frame_type": "dark", **said}


async def test_a_group_at_the_threshold_is_stacked_when_asked(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 10)
    answer = await api.post(CREATE, json=body(api, camera_name=CAMERA, exposure_s=300, temp_c=-10, gain_setting=100))
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["frames"], told["already_open"]) == (10, False)
    async with api.runtime.pool.acquire() as db:
        job = await db.fetchrow("SELECT kind, lane, state, owner FROM job WHERE id = $1", told["job_id"])
        ordered = await db.fetchval("SELECT count(*) FROM outbox WHERE module = 'stack'")
        line = await db.fetchrow("SELECT object, detail FROM audit WHERE action = 'calibration.create'")
    assert (job["kind"], job["lane"], job["state"], ordered) == ("stack", "high", "pending", 1)
    assert job["owner"].startswith("token:")
    assert line["object"] == told["group_key"]


async def test_below_the_threshold_only_force_stacks(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 4)
    refused = await api.post(CREATE, json=body(api))
    assert (refused.status_code, refused.json()["detail"]) == (409, "4 of 10 frames")
    forced = await api.post(CREATE, json=body(api, force=True))
    assert (forced.status_code, forced.json()["frames"]) == (202, 4)


async def test_force_does_not_replace_a_missing_dark(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 10, kind="flat", filter_name="L", exposure_s=2.0)
    answer = await api.post(CREATE, json=body(api, frame_type="flat", filter="L", force=True))
    assert (answer.status_code, answer.json()["detail"]) == (409, DEFERRED)
    assert DEFERRED == "Flat auto-stacking deferred: no matching master dark available"
    note = await api.runtime.pool.fetchval("SELECT message FROM calibration_note")
    assert note == DEFERRED


async def test_several_groups_are_listed_with_their_keys(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 3, temp_c=-10.0)
    await add_individuals(api.runtime.pool, api.home.id, 3, temp_c=-20.0)
    answer = await api.post(CREATE, json=body(api, force=True))
    assert answer.status_code == 409
    keys = [one["field"] for one in answer.json()["errors"]]
    assert len(keys) == 2
    one = await api.post(CREATE, json={"observatory_id": str(api.home.id), "group_key": keys[1], "force": True})
    assert (one.status_code, one.json()["group_key"]) == (202, keys[1])


async def test_no_group_lists_those_there_are(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 3)
    await evaluate(api.runtime, api.home.id, MODE)
    answer = await api.post(CREATE, json=body(api, exposure_s=60))
    assert answer.status_code == 404
    assert [one["message"] for one in answer.json()["errors"]] == ["3 frames: 3 of 10 frames"]


async def test_a_second_ask_answers_the_stack_that_is_open(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 10)
    first = (await api.post(CREATE, json=body(api))).json()
    second = (await api.post(CREATE, json=body(api, force=True))).json()
    assert (second["job_id"], second["already_open"]) == (first["job_id"], True)


async def test_twenty_asks_with_trigger_and_sweep_make_one_stack(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 10)
    asks = [api.post(CREATE, json=body(api, force=True)) for _ in range(20)]
    answers = await asyncio.gather(
        *asks[:10], evaluate(api.runtime, api.home.id, MODE), sweep(api.runtime), *asks[10:]
    )  # fmt: skip
    asked = [one for one in answers if not isinstance(one, int)]
    assert {one.status_code for one in asked} == {202}
    assert len({one.json()["job_id"] for one in asked}) == 1
    assert await api.count("stack_request") == 1
    assert await api.count("job") == 1
    assert await api.runtime.pool.fetchval("SELECT count(*) FROM outbox WHERE module = 'stack'") == 1


async def test_so_many_stacks_an_hour_may_be_asked_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manual, "PER_HOUR", 6)
    for number in range(7):
        await add_individuals(api.runtime.pool, api.home.id, 2, exposure_s=10.0 * (number + 1))
    for number in range(6):
        answer = await api.post(CREATE, json=body(api, exposure_s=10.0 * (number + 1), force=True))
        assert answer.status_code == 202, answer.text
    refused = await api.post(CREATE, json=body(api, exposure_s=70.0, force=True))
    assert refused.status_code == 429
    assert 3500 < int(refused.headers["retry-after"]) <= 3600


async def test_force_stacks_what_failed_was_rejected_or_cancelled(api: Api) -> None:
    pool = api.runtime.pool
    members = await add_individuals(pool, api.home.id, 10)
    first = (await api.post(CREATE, json=body(api))).json()
    assert (await api.post(f"/api/v1/jobs/{first['job_id']}/cancel")).status_code == 200
    refused = await api.post(CREATE, json=body(api))
    assert refused.status_code == 409
    assert "failed or was cancelled" in refused.json()["detail"]
    again = await api.post(CREATE, json=body(api, force=True))
    assert again.status_code == 202
    assert (await api.post(f"/api/v1/jobs/{again.json()['job_id']}/cancel")).status_code == 200
    await add_master(pool, api.home.id, state=MasterState.REJECTED, components=members)
    assert (await api.post(CREATE, json=body(api))).status_code == 409
    assert (await api.post(CREATE, json=body(api, force=True))).status_code == 202


async def test_who_may_ask(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 10)
    far = await api.observatory("far")
    member = await api.token(Role.MEMBER)
    foreign = await api.token(Role.OBSERVATORY_ADMIN, far)
    assert (await api.post(CREATE, member, json=body(api))).status_code == 403
    assert (await api.post(CREATE, foreign, json=body(api))).status_code == 404
    assert (await api.post(CREATE, await api.token(Role.OBSERVATORY_ADMIN), json=body(api))).status_code == 202


async def test_a_request_says_which_group(api: Api) -> None:
    answer = await api.post(CREATE, json={"observatory_id": str(api.home.id)})
    assert answer.status_code == 400
    assert "group_key" in answer.json()["detail"]
    assert (await api.post(CREATE, json=body(api, frame_type="light"))).status_code == 400


async def test_a_key_that_contradicts_the_rest_names_no_group(api: Api) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 10)
    key = (await api.post(CREATE, json=body(api))).json()["group_key"]
    wrong = {"observatory_id": str(api.home.id), "group_key": key, "frame_type": "flat"}
    assert (await api.post(CREATE, json=wrong)).status_code == 404
    assert (await api.post(CREATE, json={**wrong, "frame_type": "dark"})).status_code == 202

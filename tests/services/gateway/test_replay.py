"""Idempotency-Key: the same request gets the same answer, and is done once."""

import asyncio
from dataclasses import replace

import httpx

from pictor.contracts.access import Role
from pictor.gateway.app import create_app
from tests.services.gateway.conftest import Api, client_of, tiny_frame


async def rig(api: Api, key: str, name: str = "second", token: str | None = None) -> httpx.Response:
    body = {"name": name, "observatory_id": str(api.home.id)}
    return await api.post("/api/v1/rigs", token, json=body, headers={"Idempotency-Key": key})


async def rigs(api: Api) -> int:
    return await api.count("rig")


async def test_the_same_request_under_a_key_is_done_once_and_answered_alike(api: Api) -> None:
    before = await rigs(api)
    first, again = await rig(api, "k1"), await rig(api, "k1")
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await rigs(api) == before + 1


async def test_a_key_belongs_to_one_request(api: Api) -> None:
    await rig(api, "k2")
    other = await rig(api, "k2", "another")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")
    elsewhere = await api.post("/api/v1/tokens", json={"name": "second"}, headers={"Idempotency-Key": "k2"})
    assert elsewhere.json()["code"] == "idempotency-mismatch"


async def test_a_key_belongs_to_one_caller(api: Api) -> None:
    other = await api.token(Role.OBSERVATORY_ADMIN)
    assert (await rig(api, "k3", "mine")).status_code == 201
    assert (await rig(api, "k3", "yours", other)).status_code == 201


async def test_a_refused_request_leaves_its_key_free(api: Api) -> None:
    key = {"Idempotency-Key": "k4"}
    assert (await api.post("/api/v1/rigs", json={"nme": "x"}, headers=key)).status_code == 400
    assert (await rig(api, "k4")).status_code == 201


async def test_the_same_request_at_once_is_done_once(api: Api) -> None:
    before = await rigs(api)
    answers = await asyncio.gather(*(rig(api, "k5", "at-once") for _ in range(5)))
    assert await rigs(api) == before + 1
    for answer in answers:
        assert answer.status_code == 201 or answer.json()["code"] == "idempotency-in-flight"
    assert any(answer.status_code == 201 for answer in answers)


async def test_an_answer_with_a_secret_is_not_kept(api: Api) -> None:
    key = {"Idempotency-Key": "k6"}
    first = await api.post("/api/v1/tokens", json={"name": "a"}, headers=key)
    again = await api.post("/api/v1/tokens", json={"name": "a"}, headers=key)
    assert (first.status_code, again.status_code, again.json()["code"]) == (201, 409, "conflict")
    async with api.runtime.pool.acquire() as db:
        rows = await db.fetch("SELECT * FROM idempotency")
    assert first.json()["token"] not in str([dict(row) for row in rows])
    assert first.json()["token"].split("_")[2].encode() not in b"".join(row["body"] for row in rows)


async def test_reprocessing_under_a_key_starts_one_job(api: Api) -> None:
    frame = (await api.upload(tiny_frame(900))).json()["frame_id"]
    key = {"Idempotency-Key": "k7"}
    answers = [await api.post(f"/api/v1/frames/{frame}/reprocess", headers=key) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert await api.count("job") == 2


async def test_a_key_is_visible_ascii(api: Api) -> None:
    for key in ("", "a b", "k" * 256):
        answer = await api.post("/api/v1/rigs", json={"name": "x"}, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-request"), key


async def test_a_stranger_cannot_use_keys(api: Api) -> None:
    answer = await rig(api, "k8", token="no-token")
    assert answer.status_code == 401
    assert await api.count("idempotency") == 0


async def test_rates_are_told_and_kept(api: Api) -> None:
    settings = api.runtime.settings.model_copy(update={"reads_per_minute": 3, "reprocess_per_minute": 1})
    async with client_of(create_app(replace(api.runtime, settings=settings))) as client:
        answers = [await client.get("/api/v1/me", headers=api.as_(api.admin)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"3"}
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_the_uploads_and_reprocesses_of_a_token_are_limited(api: Api) -> None:
    settings = api.runtime.settings.model_copy(update={"uploads_per_minute": 1, "reprocess_per_minute": 1})
    async with client_of(create_app(replace(api.runtime, settings=settings))) as client:
        headers = api.as_(api.admin)
        frame = (await api.upload(tiny_frame(901))).json()["frame_id"]
        path = f"/api/v1/frames/{frame}/reprocess"
        assert [(await client.post(path, headers=headers)).status_code for _ in range(2)] == [202, 429]
        body = tiny_frame(902)
        uploads = [await client.put(f"/api/v1/frames/{'0' * 64}", content=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in uploads] == [422, 429]

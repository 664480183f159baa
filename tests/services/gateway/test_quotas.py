"""Room: what an observatory may send and keep, what the store's disk holds, and bytes that became no frame."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from pictor.contracts.access import Role
from pictor.gateway.app import create_app
from pictor.gateway.files import disposition, span_of
from pictor.gateway.problems import Problem
from pictor.runtime.store.errors import StoreUnavailable
from pictor.runtime.store.file import FileStore
from pictor.runtime.store.protocol import StoredObject
from pictor.state import tokens
from tests.services.gateway.conftest import Api, client_of, sha, tiny_frame


async def objects(api: Api) -> list[str]:
    return [stored.key async for stored in api.runtime.store.list("raw/")]


async def set_quota(api: Api, **limits: int | None) -> None:
    answer = await api.request("PUT", f"/api/v1/observatories/{api.home.id}/quota", json=limits)
    assert answer.status_code == 200, answer.text


async def test_an_observatory_without_quota_may_send_anything(api: Api) -> None:
    quota = (await api.get(f"/api/v1/observatories/{api.home.id}/quota")).json()
    assert quota == {"bytes_per_day": 0, "bytes_total": 0, "own": False, "received_today": 0, "kept": 0}


async def test_a_frame_beyond_the_quota_is_refused_before_it_is_sent(api: Api) -> None:
    body = tiny_frame(800)
    await set_quota(api, bytes_total=len(body) - 1)
    answer = await api.upload(body)
    assert (answer.status_code, answer.json()["code"]) == (403, "quota-exceeded")
    assert await objects(api) == []
    await set_quota(api, bytes_total=len(body))
    assert (await api.upload(body)).status_code == 201
    assert (await api.upload(body)).status_code == 200


async def test_a_frame_of_unknown_length_beyond_the_quota_leaves_no_bytes(api: Api) -> None:
    body = tiny_frame(801)
    await set_quota(api, bytes_per_day=len(body) - 1)

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    answer = await api.request("PUT", f"/api/v1/frames/{sha(body)}", content=chunks())
    assert (answer.status_code, answer.json()["code"]) == (403, "quota-exceeded")
    assert int(answer.headers["retry-after"]) <= 86_400
    assert await objects(api) == []
    assert await api.count("frame") == 0


async def test_uploads_at_once_do_not_slip_past_the_quota(api: Api) -> None:
    bodies = [tiny_frame(810 + number) for number in range(6)]
    await set_quota(api, bytes_total=3 * len(bodies[0]))
    answers = await asyncio.gather(*(api.upload(body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [403] * 3
    assert len(await objects(api)) == 3
    quota = (await api.get(f"/api/v1/observatories/{api.home.id}/quota")).json()
    assert quota["kept"] == quota["received_today"] == 3 * len(bodies[0])


async def test_deleting_makes_room_but_gives_nothing_of_the_day_back(api: Api) -> None:
    body = tiny_frame(820)
    frame = (await api.upload(body)).json()["frame_id"]
    assert (await api.request("DELETE", f"/api/v1/frames/{frame}")).status_code == 204
    quota = (await api.get(f"/api/v1/observatories/{api.home.id}/quota")).json()
    assert (quota["kept"], quota["received_today"]) == (0, len(body))


async def test_quotas_are_shown_to_administrators_and_set_by_the_servers(api: Api) -> None:
    path = f"/api/v1/observatories/{api.home.id}/quota"
    member, admin = await api.token(Role.MEMBER), await api.token(Role.OBSERVATORY_ADMIN)
    assert [(await api.get(path, token)).status_code for token in (member, admin)] == [403, 200]
    assert (await api.request("PUT", path, admin, json={"bytes_total": 5})).status_code == 403
    assert (await api.request("PUT", path, json={"bytes_total": -1})).status_code == 400
    other = await api.observatory("other")
    assert (await api.get(f"/api/v1/observatories/{other}/quota", admin)).status_code == 404


async def test_a_store_without_room_takes_no_frame(api: Api) -> None:
    settings = api.runtime.settings.model_copy(update={"min_free_bytes": 1 << 60})
    async with client_of(create_app(replace(api.runtime, settings=settings))) as client:
        body = tiny_frame(821)
        answer = await client.put(f"/api/v1/frames/{sha(body)}", content=body, headers=api.as_(api.admin))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]


async def test_a_token_revoked_during_the_upload_leaves_no_bytes(api: Api) -> None:
    token = await api.token(Role.PLUGIN)
    body = tiny_frame(822)

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:3000]
        async with api.runtime.pool.acquire() as db:
            await tokens.revoke(db, token.split("_")[1])
        yield body[3000:]

    answer = await api.request("PUT", f"/api/v1/frames/{sha(body)}", token, content=chunks())
    assert answer.status_code == 401
    assert (await objects(api), await api.count("frame"), await api.count("job")) == ([], 0, 0)


async def test_an_observatory_removed_during_the_upload_leaves_no_bytes(api: Api) -> None:
    place = await api.observatory("gone")
    body = tiny_frame(823)

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:3000]
        async with api.runtime.pool.acquire() as db:
            await db.execute("DELETE FROM rig WHERE observatory_id = $1", place)
            await db.execute("DELETE FROM observatory WHERE id = $1", place)
        yield body[3000:]

    answer = await api.request("PUT", f"/api/v1/frames/{sha(body)}?observatory=gone", content=chunks())
    assert answer.status_code in {401, 404}, answer.text
    assert (await objects(api), await api.count("frame")) == ([], 0)


async def test_a_frame_whose_bytes_are_gone_is_repaired_by_sending_it_again(api: Api) -> None:
    body = tiny_frame(824)
    first = (await api.upload(body)).json()
    for key in await objects(api):
        await api.runtime.store.delete(key)
    asked = await api.request("HEAD", f"/api/v1/frames/{sha(body)}")
    again = await api.upload(body)
    assert (asked.status_code, again.status_code) == (404, 200)
    assert again.json()["frame_id"] == first["frame_id"]
    assert len(await objects(api)) == 1
    assert (await api.request("HEAD", f"/api/v1/frames/{sha(body)}")).status_code == 200


async def test_a_content_digest_is_checked_wherever_it_is_sent(api: Api) -> None:
    body = tiny_frame(825)
    good = {"Content-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:, md5=:AAAA:"}
    assert (await api.upload(body, headers=good)).status_code == 201
    small = b'{"name": "x"}'
    wrong = {"Content-Digest": good["Content-Digest"], "Content-Type": "application/json"}
    answer = await api.post("/api/v1/tokens", content=small, headers=wrong)
    assert (answer.status_code, answer.json()["code"]) == (422, "digest-mismatch")


class FrozenStore(FileStore):
    """A store that does not answer about what it has."""

    async def stat(self, key: str) -> StoredObject:
        await asyncio.sleep(3600)
        raise AssertionError(key)


class LostStore(FileStore):
    """A store that takes bytes and then is gone."""

    async def put_stream(self, key: str, chunks: object, size: int | None, *_: object, **__: object) -> StoredObject:
        raise StoreUnavailable(f"gone with {key}, {chunks}, {size}")


async def test_an_outage_of_the_store_is_503_and_no_false_201(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pictor.gateway.arrival.STORE_S", 0.2)
    body, known = tiny_frame(826), tiny_frame(827)
    await api.upload(known)
    for store, sent in ((LostStore(tmp_path / "lost"), body), (FrozenStore(tmp_path / "frozen"), known)):
        async with client_of(create_app(replace(api.runtime, store=store))) as client:
            answer = await client.put(f"/api/v1/frames/{sha(sent)}", content=sent, headers=api.as_(api.admin))
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"]
    assert await api.count("frame") == 1


async def test_a_database_without_free_connections_is_503(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pictor.state.pooling.ACQUIRE_S", 0.3)
    pool = api.app.state.runtime.pool
    held = [await pool.acquire(timeout=10) for _ in range(pool.get_max_size())]
    try:
        body = tiny_frame(828)
        answer = await api.upload(body)
    finally:
        for connection in held:
            await pool.release(connection)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
    assert (await api.upload(body)).status_code == 201


@pytest.mark.parametrize(
    "name",
    [
        'a"; filename="x.html', "a" * 4000, "nul\x00.fits", "  spaces  ", "CON", "..\\..\\x", "ü\u202egnp.fits",
        "a\r\nX-Evil: 1",
    ],
)  # fmt: skip
def test_a_download_is_named_so_that_no_name_breaks_out_of_its_header(name: str) -> None:
    header = disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert header.split("filename*=UTF-8''")[1].isascii()
    assert ";" not in header.split('"')[1]


@pytest.mark.parametrize("name", ['a"; filename="x.html', "nul\x00.fits", "..\\..\\x.fits", "a\r\nX-Evil: 1.fits"])
async def test_a_hostile_name_is_harmless_from_upload_to_download(api: Api, name: str) -> None:
    frame = await api.upload(tiny_frame(829), params={"name": name} if "\x00" not in name and "\r" not in name else {})
    answer = await api.get(f"/api/v1/frames/{frame.json()['frame_id']}/fits")
    assert answer.status_code == 200
    assert "x-evil" not in answer.headers
    assert "\\" not in frame.json()["name"]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("bytes=0-9", (0, 10)), ("bytes=-10", (90, 100)), ("bytes=90-", (90, 100)), ("bytes=0-999", (0, 100)),
        ("bytes=", None), ("lines=0-9", None), ("bytes=0-" + "9" * 5000, None), ("bytes=-", None),
    ],
)  # fmt: skip
def test_one_range_is_read_and_what_nobody_can_read_is_ignored(text: str, span: tuple[int, int] | None) -> None:
    assert span_of(text, 100) == span


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=5-4", "bytes=" + ",".join(["0-"] * 1000), "bytes=0-1,3-4"])
def test_ranges_outside_the_file_or_more_than_one_are_refused(text: str) -> None:
    with pytest.raises(Problem) as refusal:
        span_of(text, 100)
    assert refusal.value.status == 416

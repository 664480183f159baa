"""Uploads through the gateway: nothing lost, nothing doubled, nothing kept that is not a frame."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx

from pictor.contracts.access import Role
from pictor.contracts.subjects import STREAM_EVENTS, STREAM_WORK
from pictor.contracts.work import WorkOrder
from pictor.gateway.app import create_app
from pictor.runtime.bus import Bus
from pictor.state import tokens
from tests.services.gateway.conftest import Api, client_of, served, sha, tiny_frame


async def objects(api: Api) -> list[str]:
    return [stored.key async for stored in api.runtime.store.list("raw/")]


async def test_a_new_frame_is_stored_registered_and_ordered_before_201(api: Api) -> None:
    body = tiny_frame(1)
    answer = await api.upload(body, headers={"X-Frame-Metadata": json.dumps({"name": "M31_001.fits"})})
    assert answer.status_code == 201, answer.text
    got = answer.json()
    assert got["duplicate"] is False
    assert got["name"] == "M31_001.fits"
    assert await objects(api) == [f"raw/{api.home.id}/{sha(body)[:2]}/{sha(body)}"]
    async with api.runtime.pool.acquire() as db:
        assert await db.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 0
    message = await api.js.get_last_msg(STREAM_WORK, "pictor.work.ingest.live")
    order = WorkOrder.decode(message.data)
    assert str(order.frame_id) == got["frame_id"]
    assert str(order.job_id) == got["job_id"]
    event = await api.js.get_last_msg(STREAM_EVENTS, "pictor.event.frame.received.home")
    assert json.loads(event.data)["sha256"] == sha(body)


async def test_the_same_bytes_again_are_no_error_and_no_second_job(api: Api) -> None:
    first = await api.upload(tiny_frame(2))
    again = await api.upload(tiny_frame(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["duplicate"] is True
    assert again.json()["frame_id"] == first.json()["frame_id"]
    assert again.json()["job_id"] == first.json()["job_id"]
    assert (await api.count("frame"), await api.count("job")) == (1, 1)


async def test_the_same_bytes_sent_at_once_make_one_frame(api: Api) -> None:
    answers = await asyncio.gather(*(api.upload(tiny_frame(3)) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 200, 201]
    assert len({answer.json()["frame_id"] for answer in answers}) == 1
    assert (await api.count("frame"), await api.count("job"), len(await objects(api))) == (1, 1, 1)


async def test_bytes_that_are_not_those_announced_are_not_kept(api: Api) -> None:
    answer = await api.request("PUT", f"/api/v1/frames/{'0' * 64}", content=tiny_frame(4))
    assert answer.status_code == 422
    assert answer.json()["code"] == "digest-mismatch"
    assert await objects(api) == []
    assert await api.count("frame") == 0


async def test_an_empty_body_is_refused(api: Api) -> None:
    answer = await api.upload(b"")
    assert (answer.status_code, answer.json()["code"]) == (422, "empty-body")


async def test_what_cannot_be_a_frame_is_refused_by_its_first_bytes(api: Api) -> None:
    for body in (b"hello, this is text " * 200, b"\xff\xd8\xff\xe0 JPEG" * 500, b"PK\x03\x04" + bytes(5000), b"SIM"):
        answer = await api.upload(body)
        assert (answer.status_code, answer.json()["code"]) == (415, "not-a-frame"), body[:8]
    assert await objects(api) == []
    assert await api.count("frame") == 0


async def test_a_frame_over_the_limit_is_refused_whether_announced_or_not(api: Api) -> None:
    body = tiny_frame(5) + bytes(1_000_000)
    announced = await api.upload(body)
    assert (announced.status_code, announced.json()["code"]) == (413, "too-large")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    unannounced = await api.request("PUT", f"/api/v1/frames/{sha(body)}", content=chunks())
    assert (unannounced.status_code, unannounced.json()["code"]) == (413, "too-large")
    assert await objects(api) == []


async def test_a_body_without_length_is_accepted(api: Api) -> None:
    body = tiny_frame(6)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100):
            yield body[start : start + 100]

    answer = await api.request("PUT", f"/api/v1/frames/{sha(body)}", content=chunks())
    assert answer.status_code == 201


async def test_a_frame_that_is_truncated_already_is_refused_and_not_kept(api: Api) -> None:
    answer = await api.upload(tiny_frame(7)[:3000])
    assert (answer.status_code, answer.json()["code"]) == (422, "data-truncated")
    assert "ends 8 bytes too early; send the file again" in answer.json()["detail"]
    assert await objects(api) == []
    assert await api.count("frame") == 0


async def test_a_truncated_frame_of_unannounced_length_is_refused_and_not_kept(api: Api) -> None:
    body = tiny_frame(7)[:3000]

    async def chunks() -> AsyncIterator[bytes]:
        yield body

    answer = await api.request("PUT", f"/api/v1/frames/{sha(body)}", content=chunks())
    assert (answer.status_code, answer.json()["code"]) == (422, "data-truncated")
    assert await objects(api) == []


async def test_a_hostile_header_is_refused_with_the_card_that_is_wrong(api: Api) -> None:
    body = tiny_frame(7).replace(f"NAXIS   = {2:>20}".encode(), f"NAXIS   = {338069165:>20}".encode())
    answer = await api.upload(body)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-naxis")
    assert "NAXIS is 338069165; a frame has 2 axes, or 3 with colour." in answer.json()["detail"]


async def test_a_form_with_a_broken_frame_is_refused(api: Api) -> None:
    answer = await api.post("/api/v1/frames:upload", files={"file": ("a.fits", tiny_frame(7)[:2900])})
    assert (answer.status_code, answer.json()["code"]) == (422, "data-truncated")
    assert await objects(api) == []


async def test_asking_first_tells_whether_to_send(api: Api) -> None:
    body = tiny_frame(8)
    before = await api.request("HEAD", f"/api/v1/frames/{sha(body)}")
    await api.upload(body)
    after = await api.request("HEAD", f"/api/v1/frames/{sha(body)}")
    assert (before.status_code, after.status_code) == (404, 200)


async def test_a_name_from_anywhere_becomes_harmless(api: Api) -> None:
    metadata = json.dumps({"name": "..\\..\\a\tb/../x<img src=x>.fits"})
    answer = await api.upload(tiny_frame(9), headers={"X-Frame-Metadata": metadata})
    assert answer.json()["name"] == "x<img src=x>.fits"
    nothing = await api.upload(tiny_frame(10), headers={"X-Frame-Metadata": '{"name": "../"}'})
    assert nothing.json()["name"].startswith("frame-")


async def test_metadata_that_is_no_json_is_refused_before_the_body_is_read(api: Api) -> None:
    for bad in ("{", '{"size": -1}', '{"name": 1e999}', '{"a": 1, "a": 2}', "[" * 40 + "]" * 40):
        answer = await api.upload(tiny_frame(11), headers={"X-Frame-Metadata": bad})
        assert answer.status_code == 400, bad
        assert answer.json()["code"] in {"bad-metadata", "bad-json"}
    assert await objects(api) == []


async def test_bulk_uploads_wait_on_their_own_lane(api: Api) -> None:
    answer = await api.upload(tiny_frame(12), headers={"X-Frame-Metadata": '{"lane": "bulk"}'})
    job = await api.get(f"/api/v1/jobs/{answer.json()['job_id']}")
    assert job.json()["lane"] == "bulk"


async def test_a_form_brings_frame_and_metadata(api: Api) -> None:
    body = tiny_frame(13)
    files = {"file": ("night.fits", body), "metadata": (None, '{"target": "M 31"}')}
    first = await api.post("/api/v1/frames:upload", files=files)
    again = await api.post("/api/v1/frames:upload", files=files)
    assert (first.status_code, again.status_code) == (201, 200), first.text
    assert first.json()["sha256"] == sha(body)
    assert first.json()["name"] == "night.fits"
    detail = await api.get(f"/api/v1/frames/{first.json()['frame_id']}")
    assert detail.json()["metadata"] == {"target": "M 31", "name": "night.fits"}


async def test_a_form_without_a_frame_is_refused_and_leaves_no_file(api: Api) -> None:
    cases = {
        "empty-body": {"file": ("a.fits", b"")},
        "not-a-frame": {"file": ("a.fits", b"just some text")},
        "digest-mismatch": {"file": ("a.fits", tiny_frame(14)), "sha256": (None, "0" * 64)},
        "too-large": {"file": ("a.fits", tiny_frame(14) + bytes(1_000_000))},
    }
    for code, files in cases.items():
        answer = await api.post("/api/v1/frames:upload", files=files)
        assert answer.json()["code"] == code, answer.text
    assert await objects(api) == []
    assert list((api.runtime.settings.scratch / "forms").iterdir()) == []


async def test_modules_switched_off_are_not_planned(api: Api) -> None:
    path = f"/api/v1/observatories/{api.home.id}/processing-settings"
    changed = await api.request("PUT", path, json={"modules": {"astrometry": False}})
    assert changed.json()["modules"]["astrometry"] is False
    job = (await api.upload(tiny_frame(15))).json()["job_id"]
    timeline = (await api.get(f"/api/v1/jobs/{job}")).json()["timeline"]
    assert [run["module"] for run in timeline] == [
        "ingest", "header-update", "preview", "quality", "quality-headers",
    ]  # fmt: skip


async def test_a_lost_connection_stores_nothing(api: Api) -> None:
    body = tiny_frame(16, size=400)
    async with served(api) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            f"PUT /api/v1/frames/{sha(body)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {api.admin}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body[:200_000])
        await writer.drain()
        await asyncio.sleep(0.3)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.5)
        assert await objects(api) == []
        assert await api.count("frame") == 0
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            again = await client.put(f"/api/v1/frames/{sha(body)}", content=body, headers=api.as_(api.admin))
        assert again.status_code == 201


async def test_an_outage_of_the_bus_loses_nothing(api: Api) -> None:
    bus = await Bus.connect(api.runtime.settings, api.runtime.pool, name="gateway")
    await bus.close()
    async with client_of(create_app(replace(api.runtime, bus=bus))) as client:
        body = tiny_frame(17)
        answer = await client.put(f"/api/v1/frames/{sha(body)}", content=body, headers=api.as_(api.admin))
    assert answer.status_code == 201
    async with api.runtime.pool.acquire() as db:
        waiting = await db.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL")
    assert waiting == 2


async def test_a_token_revoked_during_the_upload_registers_nothing(api: Api) -> None:
    token = await api.token(Role.PLUGIN)
    body = tiny_frame(18)

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:3000]
        async with api.runtime.pool.acquire() as db:
            await tokens.revoke(db, token.split("_")[1])
        yield body[3000:]

    answer = await api.request("PUT", f"/api/v1/frames/{sha(body)}", token, content=chunks())
    assert answer.status_code == 401
    assert await api.count("frame") == 0

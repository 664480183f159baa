"""Uploads through the gateway: nothing lost, nothing doubled, nothing kept that is not a frame."""

import asyncio
import json

from pictor.contracts.subjects import STREAM_EVENTS, STREAM_WORK
from pictor.contracts.work import WorkOrder
from tests.services.gateway.conftest import Api, sha, tiny_frame


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
    message = await api.runtime.bus.js.get_last_msg(STREAM_WORK, "pictor.work.ingest.live")
    order = WorkOrder.decode(message.data)
    assert str(order.frame_id) == got["frame_id"]
    assert str(order.job_id) == got["job_id"]
    event = await api.runtime.bus.js.get_last_msg(STREAM_EVENTS, "pictor.event.frame.received.home")
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

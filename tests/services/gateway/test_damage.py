"""A frame whose stored bytes were damaged is whole again once it is sent again; sound bytes never make way."""

from uuid import UUID

from pictor.state import frames
from tests.services.gateway.conftest import Api, sha, tiny_frame


async def stored(api: Api, body: bytes) -> tuple[UUID, str]:
    """Upload a frame; returns its id and the key of its bytes."""
    answer = await api.upload(body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["frame_id"]), f"raw/{api.home.id}/{sha(body)[:2]}/{sha(body)}"


async def read(api: Api, key: str) -> bytes:
    return b"".join([chunk async for chunk in api.runtime.store.open_range(key)])


async def flag(api: Api, frame_id: UUID) -> None:
    """Do what a worker does that found the bytes damaged."""
    async with api.runtime.pool.acquire() as db:
        await frames.flag_source(db, frame_id, reason="corrupt-source", message="not the bytes that were sent")


async def test_the_same_bytes_sent_again_replace_damaged_ones(api: Api) -> None:
    body = tiny_frame(700)
    frame_id, key = await stored(api, body)
    (path,) = api.runtime.settings.data_dir.rglob(f"{sha(body)}.object")
    path.write_bytes(body[:-1] + b"x")
    await flag(api, frame_id)
    shown = (await api.get(f"/api/v1/frames/{frame_id}")).json()
    assert shown["reason"] == "corrupt-source"
    again = await api.upload(body)
    assert (again.status_code, again.json()["frame_id"], again.json()["duplicate"]) == (200, str(frame_id), True)
    assert await read(api, key) == body


async def test_sound_bytes_do_not_make_way_for_a_false_alarm(api: Api) -> None:
    body = tiny_frame(701)
    frame_id, key = await stored(api, body)
    (path,) = api.runtime.settings.data_dir.rglob(f"{sha(body)}.object")
    before = path.stat().st_ino
    await flag(api, frame_id)
    assert (await api.upload(body)).status_code == 200
    assert path.stat().st_ino == before
    assert await read(api, key) == body


async def test_other_bytes_never_replace_damaged_ones(api: Api) -> None:
    body = tiny_frame(702)
    frame_id, key = await stored(api, body)
    await flag(api, frame_id)
    answer = await api.request("PUT", f"/api/v1/frames/{sha(body)}", content=tiny_frame(703))
    assert answer.status_code == 422
    assert await read(api, key) == body

"""The event stream: live, resumable, and only one's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from pictor.contracts.access import Role
from tests.services.gateway.conftest import Api, served, tiny_frame

EVENTS = "/api/v1/events"


@asynccontextmanager
async def following(port: int, token: str, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """Open the stream; yields its events."""
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
        client.stream("GET", EVENTS, headers={"Authorization": f"Bearer {token}", **headers}) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        yield events_of(stream)


async def events_of(stream: httpx.Response) -> AsyncIterator[dict[str, str]]:
    event: dict[str, str] = {}
    async for line in stream.aiter_lines():
        name, _, value = line.partition(": ")
        if line == "" and "data" in event:
            yield event
        event = {} if line == "" else {**event, name: value}


async def test_events_arrive_live_and_resume_after_the_last_one_seen(api: Api) -> None:
    async with served(api) as port:
        async with following(port, api.admin) as events:
            first = (await api.upload(tiny_frame(1))).json()
            seen = await asyncio.wait_for(anext(events), 5)
        assert seen["event"] == "frame.received"
        assert json.loads(seen["data"])["frame_id"] == first["frame_id"]
        missed = [(await api.upload(tiny_frame(number))).json()["frame_id"] for number in (2, 3)]
        headers = {"Last-Event-ID": seen["id"]}
        async with following(port, api.admin, **headers) as events:
            later = [json.loads((await asyncio.wait_for(anext(events), 5))["data"])["frame_id"] for _ in missed]
    assert later == missed


async def test_an_observatory_hears_nothing_of_another(api: Api) -> None:
    hill = await api.token(Role.MEMBER, await api.observatory("hill"))
    async with served(api) as port, following(port, hill) as events:
        await api.upload(tiny_frame(1))
        own = (await api.upload(tiny_frame(2), hill)).json()["frame_id"]
        heard = json.loads((await asyncio.wait_for(anext(events), 5))["data"])
    assert (heard["observatory"], heard["frame_id"]) == ("hill", own)


async def test_a_revoked_token_ends_its_stream_within_some_seconds(api: Api) -> None:
    made = (await api.post("/api/v1/tokens", json={"name": "x", "role": "member"})).json()
    async with served(api) as port, following(port, made["token"]) as events:
        await api.request("DELETE", f"/api/v1/tokens/{made['details']['id']}")
        ended = [event async for event in _within(events, 8)]
    assert ended == []


async def _within(events: AsyncIterator[dict[str, str]], seconds: float) -> AsyncIterator[dict[str, str]]:
    async with asyncio.timeout(seconds):
        async for event in events:
            yield event


async def test_only_the_kinds_asked_for_are_sent(api: Api) -> None:
    assert (await api.get(f"{EVENTS}?types=nonsense")).status_code == 422
    assert (await api.get(EVENTS, headers={"Last-Event-ID": "abc"})).status_code == 422
    assert (await api.get(EVENTS, await api.token(Role.PLUGIN))).status_code == 403

"""Bodies from strangers: read only while they come, and only JSON with one meaning."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from litestar import Request

from pictor.gateway.bodies import MIN_RATE, check_json, chunks_of
from pictor.gateway.problems import Http, Problem

EVENT = {"type": "http.request", "body": b"x", "more_body": True}


def request_of(events: AsyncIterator[dict[str, object]]) -> Http:
    async def receive() -> dict[str, object]:
        return await anext(events)

    return Request({"type": "http", "headers": []}, receive=receive)


async def test_a_body_that_stops_is_given_up() -> None:
    async def events() -> AsyncIterator[dict[str, object]]:
        yield EVENT
        await asyncio.sleep(5)

    with pytest.raises(Problem, match="Nothing came") as refusal:
        _ = [chunk async for chunk in chunks_of(request_of(events()), silence_s=0.05)]
    assert refusal.value.status == 408


async def test_a_body_that_dribbles_is_given_up_after_a_time_of_grace() -> None:
    now = [0.0]

    async def events() -> AsyncIterator[dict[str, object]]:
        while True:
            now[0] += 1.0
            yield EVENT

    read = 0
    with pytest.raises(Problem, match="bytes per second"):
        async for _ in chunks_of(request_of(events()), clock=lambda: now[0]):
            read += 1
    assert read == 11


async def test_a_slow_but_steady_body_is_read_to_its_end() -> None:
    now = [0.0]

    async def events() -> AsyncIterator[dict[str, object]]:
        for number in range(60):
            now[0] += 1.0
            yield {"type": "http.request", "body": bytes(MIN_RATE + 1), "more_body": number < 59}

    chunks = [chunk async for chunk in chunks_of(request_of(events()), clock=lambda: now[0])]
    assert sum(map(len, chunks)) == 60 * (MIN_RATE + 1)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"nul", b"\xff", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1, "a": 1}', b'["\\ud800"]',
        b'["\\u0000"]', b"[" * 33 + b"]" * 33, b"1" * 5000, b'{"a":' * 100_000,
    ],
)  # fmt: skip
def test_json_with_traps_is_refused(raw: bytes) -> None:
    with pytest.raises(Problem) as refusal:
        check_json(raw)
    assert (refusal.value.code, refusal.value.status) == ("bad-json", 400)


def test_brackets_within_text_do_not_count_as_depth() -> None:
    deep = '"' + "[" * 100 + '\\"' + "{" * 100 + '"'
    assert check_json(f'{{"a": {deep}}}'.encode()) == {"a": "[" * 100 + '"' + "{" * 100}

"""Bodies from strangers: read only while they come, and only JSON with one meaning."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pictor.gateway.bodies import check_json
from pictor.gateway.pace import PacedBody, Patience
from pictor.gateway.problems import Problem

EVENT = {"type": "http.request", "body": b"x", "more_body": True}
RATE = 16 * 1024


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def paced(events: AsyncIterator[dict[str, object]], clock: Clock | None = None, **limits: float) -> PacedBody:
    async def receive() -> dict[str, object]:
        return await anext(events)

    patience = Patience(**limits)
    return PacedBody(receive, patience, whole=False, **({} if clock is None else {"clock": clock}))


async def test_a_body_that_stops_is_given_up() -> None:
    async def events() -> AsyncIterator[dict[str, object]]:
        yield EVENT
        await asyncio.sleep(5)

    body = paced(events(), silence_s=0.05)
    await body.receive()
    with pytest.raises(Problem, match="Nothing came") as refusal:
        await body.receive()
    assert refusal.value.status == 408
    assert refusal.value.headers["Connection"] == "close"


async def test_a_body_that_dribbles_is_given_up_after_a_time_of_grace() -> None:
    clock = Clock()

    async def events() -> AsyncIterator[dict[str, object]]:
        while True:
            clock.now += 1.0
            yield EVENT

    body = paced(events(), clock)
    read = 0
    with pytest.raises(Problem, match="bytes per second"):
        while True:
            await body.receive()
            read += 1
    assert read == 10


async def test_a_slow_but_steady_body_is_read_to_its_end() -> None:
    clock = Clock()

    async def events() -> AsyncIterator[dict[str, object]]:
        for number in range(60):
            clock.now += 1.0
            yield {"type": "http.request", "body": bytes(RATE + 1), "more_body": number < 59}

    body = paced(events(), clock)
    while not body.whole:
        await body.receive()


async def test_the_time_a_slow_store_takes_does_not_count_against_the_client() -> None:
    clock = Clock()

    async def events() -> AsyncIterator[dict[str, object]]:
        for number in range(10):
            yield {"type": "http.request", "body": b"x", "more_body": number < 9}

    body = paced(events(), clock)
    while not body.whole:
        await body.receive()
        clock.now += 30.0


async def test_no_body_may_take_for_ever() -> None:
    clock = Clock()

    async def events() -> AsyncIterator[dict[str, object]]:
        while True:
            clock.now += 10.0
            yield {"type": "http.request", "body": bytes(20 * RATE), "more_body": True}

    body = paced(events(), clock)
    with pytest.raises(Problem, match="within 900 s"):
        while True:
            await body.receive()
    assert clock.now == pytest.approx(910.0)


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

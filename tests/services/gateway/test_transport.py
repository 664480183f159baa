"""Connections of strangers: bounded in time and number, and whatever they say is answered with a problem."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from pictor.cli.web import affordable, serve
from pictor.gateway.shield import shield
from pictor.runtime.settings import Settings
from tests.support.raw import Answer, line, read_answer, request, say

GET = request("GET", "/")


def quick(**said: Any) -> Settings:
    short = {"head_seconds": 0.4, "body_grace_seconds": 0.4, "body_silence_seconds": 0.4, "stall_seconds": 0.4}
    return Settings(host="127.0.0.1", port=0, **(short | said))


@asynccontextmanager
async def echoing(settings: Settings, app: Callable[..., Awaitable[None]] | None = None) -> AsyncIterator[int]:
    """Serve an application that reads the body and tells its length."""
    async with serve(shield(app or echo, settings), settings) as port:
        yield port


async def echo(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message["body"])
        more = message.get("more_body", False)
    told = str(size).encode()
    headers = [(b"content-length", str(len(told)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told, "more_body": False})


async def deaf(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer without reading the body."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer
    told = answer.json()
    assert told["status"] == status
    assert told["type"] == f"/problems/{code}"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


def files_open() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not read


async def back_to(count: int) -> None:
    end = time.monotonic() + 20
    while files_open() > count and time.monotonic() < end:
        await asyncio.sleep(0.1)
    assert files_open() <= count


HEADS = {
    "two lengths": (request("PUT", "/", [("Content-Length", "1"), ("content-length", "1")], b"x"), 400, "bad-request"),
    "other lengths": (request("PUT", "/", [("Content-Length", "1, 2")], b"x"), 400, "bad-request"),
    "length and chunks": (
        request("PUT", "/", [("Content-Length", "1"), ("Transfer-Encoding", "chunked")], b"0\r\n\r\n"),
        400, "bad-request",
    ),
    "negative length": (request("PUT", "/", [("Content-Length", "-5")], b"x"), 400, "bad-request"),
    "length of 5,000 digits": (request("PUT", "/", [("Content-Length", "9" * 5000)]), 400, "bad-request"),
    "gzip, chunked": (request("PUT", "/", [("Transfer-Encoding", "gzip, chunked")]), 400, "bad-request"),
    "bad chunk": (request("PUT", "/", [("Transfer-Encoding", "chunked")], b"zz\r\n"), 400, "bad-request"),
    "folded header": (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: 1\r\n 2\r\n\r\n", 400, "bad-request"),
    "bare line feeds": (b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n", 400, "bad-request"),
    "NUL in a header": (request("GET", "/", [("X-A", b"1\x002")]), 400, "bad-request"),
    "space before the colon": (b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", 400, "bad-request"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "bad-request"),
    "two hosts": (request("GET", "/", [("Host", "127.0.0.1"), ("Host", "evil")]), 400, "bad-request"),
    "evil host": (request("GET", "/", [("Host", "evil")]), 400, "bad-host"),
    "host with a user": (request("GET", "/", [("Host", "127.0.0.1@evil")]), 400, "bad-host"),
    "two tokens": (request("GET", "/", [("Authorization", "a"), ("Authorization", "b")]), 400, "bad-request"),
    "another host's address": (b"GET http://evil/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400, "bad-request"),
    "TRACE": (request("TRACE", "/"), 405, "method-not-allowed"),
    "CONNECT": (b"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n", 405, "method-not-allowed"),
    "reading with a body": (request("GET", "/", [("Content-Length", "1")], b"x"), 405, "method-not-allowed"),
    "100 kB address": (request("GET", "/" + "a" * 100_000), 414, "uri-too-long"),
    "200 kB headers": (request("GET", "/", [(f"X-{n}", "v" * 2000) for n in range(99)]), 431, "headers-too-large"),
    "5,000 headers": (request("GET", "/", [(f"X-{n}", "v") for n in range(5000)]), 431, "headers-too-large"),
    "one endless header": (request("GET", "/", [("X-A", "v" * 200_000)]), 431, "headers-too-large"),
    "NUL in the path": (request("GET", "/a%00b"), 400, "bad-request"),
    "no UTF-8 in the path": (request("GET", "/a%ff%feb"), 400, "bad-request"),
    "raw bytes in the path": (request("GET", b"/a\xff"), 400, "bad-request"),
    "line end in the path": (request("GET", "/a%0d%0aX-Evil:1"), 400, "bad-request"),
    "no UTF-8 in the query": (request("GET", "/?a=%c0%80"), 400, "bad-request"),
    "upwards": (request("GET", "/static/../../etc/passwd"), 404, "not-found"),
    "upwards in disguise": (request("GET", "/static/%2f..%2f..%2fetc/passwd"), 404, "not-found"),
    "upwards as dots": (request("GET", "/static/%2e%2e/etc"), 404, "not-found"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad-request"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405, "method-not-allowed"),
    "HTTP/9": (b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 400, "bad-request"),
}  # fmt: skip


@pytest.fixture(scope="module")
async def echo_port() -> AsyncIterator[int]:
    async with echoing(quick()) as port:
        yield port


@pytest.mark.parametrize("name", HEADS)
async def test_a_request_that_reads_in_two_ways_is_refused_with_a_problem(name: str, echo_port: int) -> None:
    raw, status, code = HEADS[name]
    refused(await say(echo_port, raw), status, code)
    assert (await say(echo_port, GET)).status == 200


async def test_ordinary_requests_are_answered_on_one_connection(echo_port: int) -> None:
    async with line(echo_port) as (reader, writer):
        for body in (b"", b"abc", b"x" * 100_000):
            writer.write(request("PUT", "/", [("Content-Length", str(len(body)))], body))
            assert (await read_answer(reader)).body == str(len(body)).encode()
        writer.write(GET + GET)
        assert [(await read_answer(reader)).status for _ in range(2)] == [200, 200]


async def test_forwarded_headers_of_strangers_change_nothing(echo_port: int) -> None:
    forged = [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Host", "evil"), ("X-Forwarded-Proto", "https")]
    assert (await say(echo_port, request("GET", "/", forged))).status == 200


async def test_a_head_that_dribbles_is_answered_408(echo_port: int) -> None:
    begun = time.monotonic()
    answer = await say(echo_port, *[bytes([one]) for one in GET * 3], pause_s=0.05)
    refused(answer, 408, "too-slow")
    assert answer.headers["connection"] == "close"
    print(f"dribbled head refused after {time.monotonic() - begun:.1f} s")


async def test_a_connection_that_says_nothing_is_closed(echo_port: int) -> None:
    async with line(echo_port) as (reader, _):
        assert await asyncio.wait_for(reader.read(), 20) == b""


async def test_a_body_that_dribbles_or_stops_is_answered_408_and_its_connection_closes(echo_port: int) -> None:
    head = request("PUT", "/", [("Content-Length", "100000")])
    for parts in ([head, b"a" * 10], [head, *[b"a"] * 200]):
        answer = await say(echo_port, *parts, pause_s=0.02)
        refused(answer, 408, "too-slow")
        assert answer.headers["connection"] == "close"


async def test_a_body_nobody_reads_does_not_keep_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pictor.gateway.transport.LINGER_S", 1.0)
    async with echoing(quick(), deaf) as port, line(port) as (reader, writer):
        writer.write(request("PUT", "/", [("Content-Length", "1000000")]))
        assert (await read_answer(reader)).status == 403
        with pytest.raises(ConnectionError):
            for _ in range(300):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)


async def test_the_answer_reaches_a_client_that_is_still_sending() -> None:
    async with echoing(quick(), deaf) as port:
        answer = await say(port, request("PUT", "/", [("Content-Length", str(32 << 20))]), *[bytes(1 << 20)] * 32)
        assert answer.status == 403
        crooked = request("PUT", "/", [("Content-Length", str(8 << 20)), ("Content-Length", "1")])
        refused(await say(port, crooked, *[bytes(1 << 20)] * 8), 400, "bad-request")


async def test_a_client_that_waits_to_be_asked_is_not_mistaken_for_another_request() -> None:
    async with echoing(quick(), deaf) as port, line(port) as (reader, writer):
        writer.write(request("PUT", "/", [("Content-Length", "5"), ("Expect", "100-continue")]))
        answer = await read_answer(reader)
        assert (answer.status, answer.headers["connection"]) == (403, "close")
        assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_an_answer_nobody_fetches_is_given_up() -> None:
    async def large(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(1000):
                await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with echoing(quick(), large) as port:
        before = files_open()
        async with line(port) as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(GET)
            await back_to(before + 1)


async def test_an_answer_that_does_not_come_is_503() -> None:
    async def hanging(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(60)

    async with echoing(quick(answer_seconds=0.3), hanging) as port:
        answer = await say(port, GET)
        refused(answer, 503, "unavailable")
        assert answer.headers["retry-after"]


async def test_what_breaks_before_an_answer_is_still_a_problem() -> None:
    async def broken(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            raise ZeroDivisionError

    async with echoing(quick(), broken) as port:
        refused(await say(port, GET), 500, "internal-error")


async def test_when_connections_run_out_those_without_a_request_make_room() -> None:
    async with echoing(quick(max_connections=8, head_seconds=30)) as port, AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(line(port)) for _ in range(8)]
        for _, writer in idle:
            writer.write(b"GET / HT")
        await asyncio.sleep(0.2)
        for _ in range(4):
            assert (await say(port, GET)).status == 200


async def test_when_all_connections_are_at_work_the_next_is_503() -> None:
    async def working(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(3)

    async with echoing(quick(max_connections=4), working) as port, AsyncExitStack() as stack:
        for _ in range(4):
            (await stack.enter_async_context(line(port)))[1].write(GET)
        await asyncio.sleep(0.3)
        answer = await say(port, GET)
        refused(answer, 503, "unavailable")
        assert answer.headers["retry-after"]


@pytest.mark.parametrize("count", [200, 1000])
async def test_a_thousand_dribblers_slow_nobody_down_and_leave_no_file_open(count: int) -> None:
    async with echoing(quick(head_seconds=2.0)) as port:
        assert affordable(2000) >= 1000
        before = files_open()
        async with AsyncExitStack() as stack:
            writers = [(await stack.enter_async_context(line(port)))[1] for _ in range(count)]
            waits = []
            for number in range(20):
                for writer in writers[number::20]:
                    writer.write(b"GET / HTTP/1.1\r\nX")
                begun = time.monotonic()
                assert (await say(port, GET)).status == 200
                waits.append(time.monotonic() - begun)
            waits.sort()
            print(f"{count} dribblers: healthy GET p50 {waits[10] * 1e3:.1f} ms, slowest {waits[-1] * 1e3:.1f} ms")
            await back_to(before + count)
        await back_to(before)


async def test_the_process_takes_no_more_connections_than_it_has_files_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    assert affordable(2000) == 16


async def test_refused_and_dribbling_connections_do_not_delay_the_end() -> None:
    async with AsyncExitStack() as stack:
        async with echoing(quick(head_seconds=60, body_silence_seconds=60, shutdown_seconds=4)) as port:
            for raw in (b"GET / HT", request("PUT", "/", [("Content-Length", "5")], b"x"), b"nonsense\r\n\r\n", GET):
                (await stack.enter_async_context(line(port)))[1].write(raw)
            broken = request("PUT", "/", [("Transfer-Encoding", "chunked")], b"zz\r\n")
            (await stack.enter_async_context(line(port)))[1].write(broken)
            await asyncio.sleep(0.3)
            begun = time.monotonic()
        print(f"ended after {time.monotonic() - begun:.1f} s")
        assert time.monotonic() - begun < 30


async def test_a_gateway_that_stood_still_blames_no_client_for_its_own_silence() -> None:
    loop = asyncio.get_running_loop()
    body = b"x" * 1000
    head = f"PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    async with echoing(quick()) as port:
        answers = []
        for cut in (20, len(head), len(head) + 100):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.setblocking(False)
                await loop.sock_sendall(client, (head + body)[:cut])
                await asyncio.sleep(0.1)
                client.send((head + body)[cut:])
                time.sleep(2.0)  # noqa: ASYNC251 - the whole process stands still
                async with asyncio.timeout(20):
                    answers.append(await loop.sock_recv(client, 200))
    assert [answer[:15] for answer in answers] == [b"HTTP/1.1 200 OK"] * 3

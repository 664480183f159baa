"""What only a store across a network can do: be away, be slow, be full of memory."""

# ruff: noqa: ASYNC220, ASYNC240 - tests look at small files and start programs while nothing else runs

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.embedded.folder import free_port
from pictor.runtime.store.errors import ObjectMissing, StoreUnavailable
from pictor.runtime.store.protocol import StoredObject
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config
from tests.support.servers import s3_config

MIB = 1 << 20


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


@asynccontextmanager
async def listening(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """Run a store of our own making; gives its address."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def listed(store: S3Store) -> list[StoredObject]:
    return [stored async for stored in store.list("raw/")]


async def every_call_is_unavailable(store: S3Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    calls = [
        store.health(),
        store.put_stream("raw/frame", pieces(b"data"), 4),
        store.put_stream("raw/frame", pieces(b"data"), None),
        store.put_file("raw/frame", tmp_path / "file"),
        store.get_to_file("raw/frame", tmp_path / "out"),
        store.stat("raw/frame"),
        store.delete("raw/frame"),
    ]
    answers = await asyncio.gather(*calls, listed(store), return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers), answers
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
    await store.close()


async def test_a_store_that_is_away_is_unavailable_at_once(tmp_path: Path) -> None:
    started = time.monotonic()
    address = f"127.0.0.1:{free_port(set())}"
    await every_call_is_unavailable(S3Store(S3Config(address, "user", "secret", "bucket")), tmp_path)
    assert time.monotonic() - started < 1


async def test_a_store_that_is_silent_is_unavailable_after_its_limit(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(say_nothing) as address:
        config = S3Config(address, "user", "secret", "bucket", silence_timeout_s=0.2)
        started = time.monotonic()
        await every_call_is_unavailable(S3Store(config), tmp_path)
        assert time.monotonic() - started < 4


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Slow Down", "507 Insufficient Storage", "403 No"])
async def test_a_store_that_refuses_is_unavailable_and_says_why(tmp_path: Path, status: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<Error><Code>Trouble</Code><Message>the disk is full</Message></Error>"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with listening(refuse) as address:
        store = S3Store(S3Config(address, "user", "secret", "bucket"))
        with pytest.raises(StoreUnavailable, match=f"{status[:3]} Trouble the disk is full"):
            await store.get_to_file("raw/frame", tmp_path / "out")
        await every_call_is_unavailable(store, tmp_path)


async def test_a_refusal_names_the_clocks_when_they_are_apart() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 403 Forbidden\r\nDate: Fri, 21 Nov 2025 10:00:00 GMT\r\nContent-Length: 0\r\n"
        writer.write(head + b"Connection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with listening(refuse) as address:
        store = S3Store(S3Config(address, "user", "secret", "bucket"))
        for call in (store.health(), store.stat("raw/frame")):
            with pytest.raises(StoreUnavailable, match=r"our clock and its clock are \d+ s apart"):
                await call
        await store.close()


async def test_a_store_that_stops_taking_bytes_is_unavailable_after_its_limit() -> None:
    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(MIB)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    async with listening(stall) as address:
        store = S3Store(S3Config(address, "user", "secret", "bucket", silence_timeout_s=0.3))
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"took nothing of raw/frame for 0\.3 s"):
            await store.put_stream("raw/frame", pieces(bytes(60 * MIB)), 60 * MIB)
        assert time.monotonic() - started < 2
        await store.close()


@pytest.mark.parametrize("announced", [True, False])
async def test_a_slow_uploader_is_not_the_fault_of_the_store(
    store_server: Endpoints, new_key: Callable[[str], str], *, announced: bool
) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(MIB)
            await asyncio.sleep(0.7)

    store = S3Store(replace(s3_config(store_server), silence_timeout_s=0.5))
    stored = await store.put_stream(new_key("raw.fits"), slow(), 3 * MIB if announced else None)
    assert stored.size == 3 * MIB
    await store.close()


async def test_bytes_are_not_blamed_when_the_store_hangs_up_in_the_middle() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(MIB)
        writer.close()

    async with listening(hang_up) as address:
        store = S3Store(S3Config(address, "user", "secret", "bucket"))
        with pytest.raises(StoreUnavailable):
            await store.put_stream("raw/frame", pieces(bytes(20 * MIB)), 20 * MIB)
        await store.close()


async def test_a_missing_bucket_is_not_a_missing_object(store_server: Endpoints) -> None:
    store = S3Store(replace(s3_config(store_server), bucket="another-bucket"))
    with pytest.raises(StoreUnavailable):
        await store.health()
    with pytest.raises(StoreUnavailable):
        _ = [chunk async for chunk in store.open_range("raw/frame")]
    await store.close()


async def test_a_download_that_breaks_off_is_unavailable_and_leaves_no_file(tmp_path: Path) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(500))
        await writer.drain()
        writer.close()

    async with listening(break_off) as address:
        store = S3Store(S3Config(address, "user", "secret", "bucket"))
        with pytest.raises(StoreUnavailable):
            await store.get_to_file("raw/frame", tmp_path / "out")
        assert list(tmp_path.iterdir()) == []
        await store.close()


async def test_a_listing_goes_beyond_one_page(s3_store: S3Store, new_key: Callable[[str], str]) -> None:
    prefix = new_key("many")
    names = {f"{prefix}/{number:05d}" for number in range(1100)}
    for start in range(0, 1100, 100):
        batch = sorted(names)[start : start + 100]
        await asyncio.gather(*(s3_store.put_stream(name, pieces(b"x"), 1) for name in batch))
    assert {stored.key async for stored in s3_store.list(f"{prefix}/")} == names


async def test_what_was_written_half_is_not_there_after_the_writer_died(
    store_server: Endpoints, s3_store: S3Store, new_key: Callable[[str], str]
) -> None:
    key = new_key("raw.fits")
    program = WRITER.format(config=asdict(s3_config(store_server)), key=key, size=40 * MIB, stop_at=20 * MIB)
    program = program.replace("ANNOUNCED", str(40 * MIB))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        await asyncio.to_thread(writer.stdout.readline)
        writer.kill()
    await asyncio.sleep(0.5)
    with pytest.raises(ObjectMissing):
        await s3_store.stat(key)
    assert (await s3_store.put_stream(key, pieces(b"again"), 5)).created


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_of_any_size_takes_at_most_16_mib(
    store_server: Endpoints, new_key: Callable[[str], str], *, announced: bool
) -> None:
    size = 150 * MIB
    program = WRITER.format(config=asdict(s3_config(store_server)), key=new_key("raw"), size=size, stop_at=size)
    program = program.replace("ANNOUNCED", str(size) if announced else "None")
    grown = int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout) / 1024
    print(f"\na 150 MiB upload takes {grown:.1f} MiB of memory")
    assert grown < 16


WRITER = """
import asyncio, re
from pathlib import Path
from pictor.runtime.store.s3 import S3Store
from pictor.runtime.store.s3_requests import S3Config

def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))

async def chunks():
    block = b"x" * 262144
    sent = 0
    while sent < {stop_at}:
        piece = block[: {size} - sent]
        sent += len(piece)
        yield piece
    if sent < {size}:
        print("half", flush=True)
        await asyncio.sleep(60)

async def main():
    store = S3Store(S3Config(**{config!r}))
    await store.health()
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    await store.put_stream({key!r}, chunks(), ANNOUNCED)
    await store.close()
    print(memory("VmHWM") - before, flush=True)

asyncio.run(main())
"""

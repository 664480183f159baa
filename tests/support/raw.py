"""HTTP written byte by byte, for what no client library would send."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 when the connection ended without an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """Code of a problem; None for any other answer."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        code: str = self.json()["code"]
        return code


@asynccontextmanager
async def line(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection and close it hard at the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def say(port: int, *parts: bytes, pause_s: float = 0.0, shut: bool = False) -> Answer:
    """Send parts one after the other and read one answer; a peer that stops listening is no error."""
    async with line(port) as (reader, writer):
        reading = asyncio.create_task(read_answer(reader))
        for number, part in enumerate(parts):
            if number and pause_s:
                await asyncio.wait({reading}, timeout=pause_s)
            try:
                writer.write(part)
            except (ConnectionError, RuntimeError):
                break
            draining = asyncio.create_task(_drained(writer))
            await asyncio.wait({draining, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() or not await draining:
                draining.cancel()
                break
        if shut and writer.can_write_eof():
            writer.write_eof()
        return await asyncio.wait_for(reading, ANSWER_S)


async def _drained(writer: asyncio.StreamWriter) -> bool:
    """Wait until what was written is on its way; False when the peer is gone."""
    try:
        await writer.drain()
    except ConnectionError:
        return False
    return True


async def read_answer(reader: asyncio.StreamReader, *, to_head: bool = False) -> Answer:
    """Read one answer, passing over 100 Continue."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):
            head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(0)
    lines = head.decode("latin-1").split("\r\n")
    pairs = (one.partition(":") for one in lines[1:] if one)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = b"" if to_head else await _body(reader, headers)
    return Answer(int(lines[0].split()[1]), headers, body)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    try:
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readline() or b"0", 16):
                body += await reader.readexactly(size)
                await reader.readline()
            return body
        return await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def request(
    method: str, path: str | bytes, headers: Sequence[tuple[str, str | bytes]] = (), body: bytes = b""
) -> bytes:
    """Write a request; nothing is checked or added but a Host where none is given."""
    target = path if isinstance(path, bytes) else path.encode("latin-1")
    named = {name.lower() for name, _ in headers}
    lines = [method.encode() + b" " + target + b" HTTP/1.1"]
    if "host" not in named:
        lines.append(b"Host: 127.0.0.1")
    lines += [
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode("latin-1"))
        for name, value in headers
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body

"""An HTTP line that answers every n-th request itself: 503 SlowDown, as a busy S3 store does."""

import asyncio
import contextlib
from dataclasses import dataclass, field

SLOW_DOWN = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
)
ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nRetry-After: 1\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(SLOW_DOWN), SLOW_DOWN)
)


@dataclass(eq=False)
class BusyLine:
    """A port in front of an HTTP server; one request per connection, every n-th refused.

    Parameters
    ----------
    host, port
        The server behind.
    every
        Which requests are refused: 3 refuses every third.
    """

    host: str
    port: int
    every: int = 3
    listening: int = 0
    requests: int = 0
    refused: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> int:
        """Listen on a free port of the loopback address; returns it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.listening or None)
        self.listening = self._server.sockets[0].getsockname()[1]
        return self.listening

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            if self.requests % self.every == 0:
                self.refused += 1
                writer.write(ANSWER)
                await writer.drain()
            else:
                await self._pass_on(head, reader, writer)
        writer.close()

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send the request on as the only one of its connection."""
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        behind_reader, behind_writer = await asyncio.open_connection(self.host, self.port)
        behind_writer.write(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]))
        up = asyncio.create_task(_pump(reader, behind_writer))
        await _pump(behind_reader, writer)
        up.cancel()
        behind_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(64 * 1024):
            writer.write(piece)
            await writer.drain()

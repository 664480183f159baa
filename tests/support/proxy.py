"""A TCP line that misbehaves on request: latency, rate, black hole, cut, reset, half-close (as in Toxiproxy)."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field

CHUNK = 64 * 1024
HELD = 64 * 1024
"""Bytes the kernel holds for us per connection: more, and a slow line would swallow megabytes at once."""
RESET = struct.pack("ii", 1, 0)
"""Linger for no time at all: closing sends RST instead of FIN."""


@dataclass
class Toxics:
    """What is wrong with the line now; changes count at once, for open connections too."""

    latency_s: float = 0.0
    """Delay of every piece, either way."""
    rate: float | None = None
    """Bytes per second and connection, either way."""
    black_hole: bool = False
    """Everything is swallowed, nothing is answered, nobody is told."""
    refuse: bool = False
    """New connections are reset at once."""
    cut_up_after: int | None = None
    """Reset a connection after so many bytes to the server."""
    cut_down_after: int | None = None
    """Reset a connection after so many bytes to the client: 0 loses the answer."""
    half_close_after: int | None = None
    """End the direction to the server with FIN after so many bytes; the other stays open."""


@dataclass(eq=False)
class Line:
    """One proxied port; use it from the event loop that started it, but set ``toxics`` from anywhere.

    Parameters
    ----------
    host, port
        The server behind the line.
    """

    host: str
    port: int
    toxics: Toxics = field(default_factory=Toxics)
    listening: int = 0
    connections: int = 0
    """Connections ever taken."""
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> int:
        """Listen on a free port of the loopback address; returns it."""
        listener = _narrow(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.listening))
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=CHUNK)
        self.listening = self._server.sockets[0].getsockname()[1]
        return self.listening

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def cut(self) -> int:
        """Reset all open connections; returns how many."""
        count = len(self._open)
        for writer in list(self._open):
            _reset(writer)
        return count

    def heal(self) -> None:
        """Take all toxics away; swallowed bytes stay lost, so their connections have to be cut as well."""
        self.toxics = Toxics()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.toxics.refuse:
            _reset(writer)
            return
        try:
            behind_reader, behind_writer = await self._behind()
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, behind_writer}
        try:
            await asyncio.gather(
                self._pump(reader, behind_writer, writer, up=True),
                self._pump(behind_reader, writer, behind_writer, up=False),
            )
        finally:
            for one in (writer, behind_writer):
                self._open.discard(one)
                one.close()

    async def _behind(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raw = _narrow(socket.socket())
        try:
            await asyncio.get_running_loop().sock_connect(raw, (self.host, self.port))
        except OSError:
            raw.close()
            raise
        return await asyncio.open_connection(sock=raw, limit=CHUNK)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: asyncio.StreamWriter, *, up: bool
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while piece := await reader.read(CHUNK if self.toxics.rate is None else 4096):
                toxics = self.toxics
                limit = toxics.cut_up_after if up else toxics.cut_down_after
                if limit is not None and passed + len(piece) > limit:
                    writer.write(piece[: limit - passed] if limit > passed else b"")
                    _reset(writer)
                    _reset(other)
                    return
                if toxics.black_hole:
                    continue
                await self._hold_back(toxics, len(piece))
                writer.write(piece)
                await writer.drain()
                passed += len(piece)
                if up and toxics.half_close_after is not None and passed > toxics.half_close_after:
                    break
            if writer.can_write_eof():
                writer.write_eof()

    async def _hold_back(self, toxics: Toxics, size: int) -> None:
        if toxics.latency_s:
            await asyncio.sleep(toxics.latency_s)
        if toxics.rate:
            await asyncio.sleep(size / toxics.rate)


def _narrow(raw: socket.socket) -> socket.socket:
    """Let the kernel hold little; to be set before a connection is made."""
    raw.setblocking(False)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD)
    return raw


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()

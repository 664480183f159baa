"""Connections from a hostile network: bounded in number, in time and in what they may say.

uvicorn speaks the protocol; it knows no limit for the time a head takes, for a body nobody reads any more, nor for an
answer nobody fetches, and it answers what it cannot read in plain text.
"""

import asyncio
import math
import secrets
from asyncio import AbstractEventLoop, Transport
from collections.abc import Iterable
from typing import Any

import h11
import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.server import ServerState

from pictor.gateway.heads import StrictConnection
from pictor.gateway.pace import SUSPENDED_S, Patience
from pictor.gateway.problems import RETRY_AFTER_S, Problem, details
from pictor.gateway.shield import HEADERS, requests_total

log = structlog.get_logger()

LINGER_S = 30.0
"""What a client still sends after it was refused is read this long, so that it sees the refusal instead of a reset."""

LINGER_SILENCE_S = 5.0
LOOK_S = 0.5
"""Time between two looks at all connections; no limit is kept to a finer grain."""


class GuardedProtocol(H11Protocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        patience: Patience,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn: StrictConnection = StrictConnection()
        self._patience = patience
        self._spoken = False
        self._heading_since: float | None = None
        self._stalled_since: float | None = None
        self._parting_since: float | None = None
        self._heard = 0.0
        self._refused = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a connection, or make room for it among those that never sent a whole request."""
        super().connection_made(transport)
        self._heading_since = self._heard = self.loop.time()
        if len(self.connections) > self._patience.connections and not self._make_room():
            self.refuse(
                Problem(
                    "unavailable",
                    "There are too many connections; try again shortly.",
                    headers={"Retry-After": str(RETRY_AFTER_S)},
                )
            )

    def _make_room(self) -> bool:
        """Drop the connection that has waited longest with its head incomplete; False when there is none."""
        waiting = [
            other
            for other in self.connections
            if isinstance(other, GuardedProtocol) and other is not self and other.waits_for_head
        ]
        if not waiting:
            return False
        min(waiting, key=lambda one: one.heading_since).transport.abort()
        return True

    @property
    def heading_since(self) -> float:
        """When the head began that is not whole yet; never, where none began."""
        return math.inf if self._heading_since is None else self._heading_since

    @property
    def waits_for_head(self) -> bool:
        """Whether no request of this connection is being answered."""
        return not self._refused and (self.cycle is None or self.cycle.response_complete)

    def data_received(self, data: bytes) -> None:
        """Read what came; after a refusal it is thrown away."""
        self._spoken = True
        self._heard = self.loop.time()
        if self._refused:
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._heading_since = None
        elif self._heading_since is None:
            self._heading_since = self._heard

    def eof_received(self) -> None:
        """Close; a client that ends its body early and still listens is told so."""
        if self.conn.their_state is h11.SEND_BODY and not self._refused and not self._leftover:
            self.refuse(Problem("incomplete-body", "The connection was half closed before the body was complete."))

    def _unsupported_upgrade_warning(self) -> None:
        """Answer in HTTP/1.1, as a server may that knows no other protocol."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the signature is uvicorn's
        """Answer what cannot be read with a problem."""
        self.refuse(self.conn.refusal)

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem, stop listening, and part when the client has seen it."""
        self._refused = True
        self._unset_keepalive_if_required()
        begun = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if begun or self.transport.is_closing():
            self.transport.abort()
            return
        self.transport.write(_written(problem))
        self._parting_since = self._heard = self.loop.time()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        requests_total.labels("-", problem.status).inc()
        told = log.debug if problem.code in {"too-slow", "unavailable"} else log.info
        told("refused", address=self.client[0] if self.client else "-", status=problem.status, code=problem.code)

    def shutdown(self) -> None:
        """End for good, or after the answer that is under way."""
        if self._refused:
            self.transport.abort()
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """Remember since when the client does not read."""
        self._stalled_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on, the client reads."""
        self._stalled_since = None
        super().resume_writing()

    def forgive(self, seconds: float) -> None:
        """Shift every clock: for so long nobody was heard because nobody listened."""
        for name in ("_stalled_since", "_heading_since", "_parting_since", "_heard"):
            since = getattr(self, name)
            if since is not None:
                setattr(self, name, since + seconds)

    def look(self, now: float) -> None:
        """End what has taken too long."""
        if self.transport.is_closing() or self._refused or self._leftover:
            self._part(now)
        elif self._stalled_since is not None and now - self._stalled_since > self._patience.stall_s:
            self.transport.abort()
        elif self._heading_since is not None and now - self._heading_since > self._patience.head_s:
            self._give_up()
        else:
            self._parting_since = None

    @property
    def _leftover(self) -> bool:
        """Whether a body still comes whose request is answered."""
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _part(self, now: float) -> None:
        if self._parting_since is None:
            self._parting_since = self._heard = now
        if now - self._parting_since > LINGER_S or now - self._heard > LINGER_SILENCE_S:
            self.transport.abort()

    def _give_up(self) -> None:
        if self._spoken:
            self.refuse(Problem("too-slow", f"A request's head must be here within {self._patience.head_s:g} s."))
        else:
            self.transport.abort()


def _written(problem: Problem) -> bytes:
    """Write a refusal without an application."""
    trace = secrets.token_hex(8)
    body = details(problem, instance="", trace=trace).model_dump_json().encode()
    headers = [
        (b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"), *HEADERS, (b"x-request-id", trace.encode()),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
    ]  # fmt: skip
    head = b"".join(b"%s: %s\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (problem.status, STATUS_PHRASES[problem.status], head, body)


async def watch(connections: Iterable[asyncio.Protocol], *, every_s: float = LOOK_S) -> None:
    """Look at all connections again and again; time this process did not run counts against nobody."""
    loop = asyncio.get_running_loop()
    before = loop.time()
    while True:
        await asyncio.sleep(every_s)
        now = loop.time()
        lost, before = now - before - every_s, now
        for connection in list(connections):
            if isinstance(connection, GuardedProtocol):
                if lost > SUSPENDED_S:
                    connection.forgive(lost)
                else:
                    connection.look(now)

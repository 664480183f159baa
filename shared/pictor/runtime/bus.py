"""The connection to NATS: patient, observable, and the only place that publishes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import nats
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from pictor.runtime import crashpoints
from pictor.runtime.closing import FLUSH_S, close, close_client
from pictor.runtime.settings import Settings
from pictor.state import outbox
from pictor.state.database import OUTAGES, Pool, with_all_rows
from pictor.state.outbox import Outgoing

log = structlog.get_logger()

PUBLISH_TIMEOUT_S = 5.0

CLOSING_S = 0.2
"""A line that breaks is told of unless it was we who closed it, which the client says right afterwards."""

BUS_OUTAGES = (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError)
"""Failures of the bus itself: what could not be published stays in the outbox."""


def inbox(name: str) -> str:
    """Return the prefix of a user's inboxes, the only ones it may read."""
    return f"_INBOX_{name}".replace("-", "_")


def _listeners(name: str) -> dict[str, Callable[..., Awaitable[None]]]:
    """Tell of a line that breaks and of one that is mended, not of one that we close."""

    async def on_error(error: Exception) -> None:
        log.debug("bus error", reason=str(error) or type(error).__name__)

    async def on_reconnect() -> None:
        log.info("bus reconnected", service=name)

    warnings: list[asyncio.TimerHandle] = []

    async def on_disconnect() -> None:
        warn = partial(log.warning, "bus disconnected", service=name)
        warnings[:] = [asyncio.get_running_loop().call_later(CLOSING_S, warn)]

    async def on_closed() -> None:
        for warning in warnings:
            warning.cancel()

    return {
        "error_cb": on_error, "reconnected_cb": on_reconnect, "disconnected_cb": on_disconnect, "closed_cb": on_closed,
    }  # fmt: skip


def connection_options(settings: Settings, name: str) -> dict[str, Any]:
    """Options every connection uses: reconnect for ever, quietly."""
    options: dict[str, Any] = {
        "servers": [settings.nats_url],
        "name": f"pictor-{name}",
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.5,
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "connect_timeout": 5,
        "inbox_prefix": inbox(name),
        **_listeners(name),
    }
    if settings.nats_user:
        options["user"] = settings.nats_user
        options["password"] = settings.nats_password.get_secret_value() if settings.nats_password else ""
    return options


GATHER_S = 0.1
"""What is marked without anybody waiting is gathered for so long: far less than the relay waits for."""


class _Marks:
    """Remembers in the database what the bus has taken; publishers at the same time share one statement."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sent: list[tuple[int, int]] = []
        self._running: asyncio.Task[None] | None = None
        self._coming: asyncio.Task[None] | None = None

    async def add(self, sent: list[tuple[int, int]]) -> None:
        """Return when these messages (id, stream sequence) are marked."""
        await asyncio.shield(self._mark(sent, gather_s=0.0))

    def add_soon(self, sent: list[tuple[int, int]]) -> None:
        """Have messages marked, together with those of the next moments."""
        shared = self._coming is not None
        task = self._mark(sent, gather_s=GATHER_S)
        if not shared:
            task.add_done_callback(_told)

    async def settled(self) -> None:
        """Return when nothing waits to be marked."""
        if left := {task for task in (self._running, self._coming) if task is not None}:
            await asyncio.wait(left)

    def _mark(self, sent: list[tuple[int, int]], *, gather_s: float) -> asyncio.Task[None]:
        self._sent += sent
        if self._coming is None:
            self._coming = asyncio.create_task(self._after(self._running, gather_s), name="marks")
        return self._coming

    async def _after(self, running: asyncio.Task[None] | None, gather_s: float) -> None:
        await asyncio.sleep(gather_s)
        if running is not None:
            await asyncio.wait({running})
        self._running, self._coming = self._coming, None
        sent, self._sent = self._sent, []
        async with with_all_rows(self._pool) as db:
            await outbox.mark_sent(db, sent)


def _told(task: asyncio.Task[None]) -> None:
    """Tell of messages that were published and not marked: the relay publishes them again, which changes nothing."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("published but not marked", reason=repr(error))


@dataclass(slots=True)
class Bus:
    """One NATS connection and the outbox it empties."""

    nats: Client
    js: JetStreamContext
    pool: Pool
    published: int = field(default=0)
    reconnects: int = field(default=0)
    _marks: _Marks = field(init=False)

    def __post_init__(self) -> None:
        self._marks = _Marks(self.pool)

    @classmethod
    async def connect(cls, settings: Settings, pool: Pool, *, name: str) -> "Bus":
        """Connect, waiting for a server that appears later."""
        client = await nats.connect(allow_reconnect=True, **connection_options(settings, name))
        return cls(client, client.jetstream(timeout=PUBLISH_TIMEOUT_S), pool)

    @property
    def connected(self) -> bool:
        """Whether the server answers at this moment."""
        return bool(self.nats.is_connected)

    def came_back(self) -> bool:
        """Whether the line broke and was mended since this was last asked: the broker may have lost something."""
        before, self.reconnects = self.reconnects, self.nats.stats["reconnects"]
        return bool(self.reconnects != before)

    async def publish(self, messages: list[Outgoing], *, mark_soon: bool = False) -> int:
        """Publish committed outbox rows and mark them sent, a moment later if so asked; what fails the relay sends."""
        if not messages or not self.connected:
            return 0
        crashpoints.crashpoint("bus.before_publish")
        answers = await asyncio.gather(*(self.attempt(message) for message in messages))
        crashpoints.crashpoint("bus.after_puback")
        sent = [(one.id, answer) for one, answer in zip(messages, answers, strict=True) if isinstance(answer, int)]
        if sent and mark_soon:
            self._marks.add_soon(sent)
        elif sent:
            try:
                await self._marks.add(sent)
            except OUTAGES as error:
                log.warning("published but not marked", reason=repr(error))
        self.published += len(sent)
        return len(sent)

    async def attempt(self, message: Outgoing) -> int | Exception:
        """Publish one message; return its sequence, or why the bus did not take it."""
        headers = {**message.headers, "Nats-Msg-Id": message.msg_id}
        try:
            ack = await self.js.publish(
                message.subject, message.body, timeout=PUBLISH_TIMEOUT_S, stream=message.stream, headers=headers
            )
        except BUS_OUTAGES as error:
            log.debug("publish failed, left in the outbox", subject=message.subject, reason=repr(error))
            return error
        return int(ack.seq)

    async def settled(self) -> None:
        """Return when everything this bus has published is marked, or cannot be."""
        await self._marks.settled()

    async def close(self) -> None:
        """Close the connection at once; nothing unpublished is lost."""
        await close("marks", self.settled(), within_s=FLUSH_S)
        await close_client(self.nats, "bus")

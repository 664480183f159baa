"""Pulling from a durable consumer: patient while it is gone, renewed when it is deaf, silent once this worker stops."""

import asyncio
import time
from contextlib import suppress

import structlog
from nats import errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo

from pictor.runtime.bus import BUS_OUTAGES

log = structlog.get_logger()

PAUSE_S = 1.0
"""A consumer that does not exist answers at once; asking it without a pause would be a busy loop."""

SILENT = 2
"""Questions in a row to which nothing came, not even that there is nothing: the answers go elsewhere."""

IDLE_S = 20.0
"""Orders that wait so long while a worker waits for orders do not reach it."""

LOOK_S = 5.0

MOST_RENEWALS = 4
"""Subscriptions made anew in vain; then only a new process helps."""


class PatientPull:
    """A pull subscription whose every failure is a pause, and whose health can be read."""

    def __init__(
        self, pull: JetStreamContext.PullSubscription, stream: str, durable: str, stopping: asyncio.Event
    ) -> None:
        self._pull = pull
        self.stream = stream
        self.durable = durable
        self._stopping = stopping
        self.deaf = False
        self.closed = False
        self.silent = 0
        self.renewals = 0
        self.waiting_since = time.monotonic()

    @property
    def dead(self) -> bool:
        """Whether nothing but a new process helps."""
        return self.closed or self.renewals > MOST_RENEWALS

    async def fetch(self, batch: int = 1, timeout: float | None = 5.0) -> list[Msg]:  # noqa: ASYNC109 - nats-py's name
        """Return messages, or raise nats-py's TimeoutError whatever went wrong."""
        if self._stopping.is_set():
            await asyncio.sleep(0.1)
            raise errors.TimeoutError
        heard = self._pull.delivered
        pull = self._pull
        try:
            messages: list[Msg] = await pull.fetch(batch, timeout=timeout)
        except errors.TimeoutError:
            self._answered(nothing=pull.delivered == heard)
            raise
        except (errors.Error, OSError) as error:
            await self._failed(error)
            raise errors.TimeoutError from error
        self._answered(nothing=False)
        self.waiting_since = time.monotonic()
        if not self._stopping.is_set():
            return messages
        for message in messages:
            await message.nak()
        raise errors.TimeoutError

    def _answered(self, *, nothing: bool) -> None:
        self.deaf = False
        self.silent = self.silent + 1 if nothing else 0
        if not nothing:
            self.renewals = 0

    async def _failed(self, error: Exception) -> None:
        if not self.deaf:
            log.warning("consumer does not answer", durable=self.durable, reason=repr(error))
        self.deaf = True
        self.closed = isinstance(error, errors.ConnectionClosedError)
        await asyncio.sleep(PAUSE_S)

    def needs_renewal(self, info: ConsumerInfo) -> bool:
        """Whether the broker's view of the consumer shows that this subscription hears nothing."""
        idle = info.num_pending and not info.num_waiting and time.monotonic() - self.waiting_since > IDLE_S
        return self.silent >= SILENT or bool(idle)

    async def renew(self, js: JetStreamContext, prefix: bytes) -> None:
        """Subscribe anew, with an inbox nobody has lost yet."""
        old = self._pull
        self._pull = await js.pull_subscribe_bind(self.durable, self.stream, inbox_prefix=prefix)
        self.silent = 0
        self.renewals += 1
        self.waiting_since = time.monotonic()
        log.warning("subscription was deaf, made anew", durable=self.durable, times=self.renewals)
        with suppress(errors.Error, OSError):
            await old.unsubscribe()

    async def unsubscribe(self) -> None:
        """Stop pulling; without a broker there is nothing left to stop."""
        with suppress(errors.Error, OSError):
            await self._pull.unsubscribe()


async def keep_hearing(pulls: list[PatientPull], js: JetStreamContext, prefix: bytes) -> None:
    """Look at the broker's view of every consumer and renew what is deaf; until cancelled."""
    while True:
        await asyncio.sleep(LOOK_S)
        for durable in {pull.durable for pull in pulls}:
            mine = [pull for pull in pulls if pull.durable == durable and not pull.deaf]
            with suppress(*BUS_OUTAGES):
                await _look(mine, js, prefix)


async def _look(mine: list[PatientPull], js: JetStreamContext, prefix: bytes) -> None:
    if not mine:
        return
    info = await js.consumer_info(mine[0].stream, mine[0].durable)
    for pull in mine:
        if pull.needs_renewal(info):
            await pull.renew(js, prefix)

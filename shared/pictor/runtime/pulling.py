"""Pulling from a durable consumer: patient while it is gone, silent once this worker stops."""

import asyncio
from contextlib import suppress

import structlog
from nats import errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext

log = structlog.get_logger()

PAUSE_S = 1.0
"""A consumer that does not exist answers at once; asking it without a pause would be a busy loop."""


class PatientPull:
    """A pull subscription whose every failure is a pause, and whose health can be read."""

    def __init__(self, pull: JetStreamContext.PullSubscription, durable: str, stopping: asyncio.Event) -> None:
        self._pull = pull
        self._durable = durable
        self._stopping = stopping
        self.deaf = False
        self.closed = False

    async def fetch(self, batch: int = 1, timeout: float | None = 5.0) -> list[Msg]:  # noqa: ASYNC109 - nats-py's name
        """Return messages, or raise nats-py's TimeoutError whatever went wrong."""
        if self._stopping.is_set():
            await asyncio.sleep(0.1)
            raise errors.TimeoutError
        try:
            messages: list[Msg] = await self._pull.fetch(batch, timeout=timeout)
        except errors.TimeoutError:
            self.deaf = False
            raise
        except (errors.Error, OSError) as error:
            await self._failed(error)
            raise errors.TimeoutError from error
        self.deaf = False
        if not self._stopping.is_set():
            return messages
        for message in messages:
            await message.nak()
        raise errors.TimeoutError

    async def _failed(self, error: Exception) -> None:
        if not self.deaf:
            log.warning("consumer does not answer", durable=self._durable, reason=repr(error))
        self.deaf = True
        self.closed = isinstance(error, errors.ConnectionClosedError)
        await asyncio.sleep(PAUSE_S)

    async def unsubscribe(self) -> None:
        """Stop pulling; without a broker there is nothing left to stop."""
        with suppress(errors.Error, OSError):
            await self._pull.unsubscribe()

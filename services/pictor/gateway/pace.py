"""How long clients may take: for the head, for the body, for reading the answer."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from litestar.types import HTTPReceiveMessage, Receive, WebSocketReceiveMessage

from pictor.gateway.problems import Problem
from pictor.runtime.settings import Settings

SUSPENDED_S = 1.0
"""A timer this late means that this process stood still: what clients sent meanwhile is not read yet."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Times in seconds, and the least rate of a body in bytes per second."""

    head_s: float = 10.0
    body_s: float = 900.0
    silence_s: float = 30.0
    grace_s: float = 10.0
    rate: int = 16 * 1024
    answer_s: float = 60.0
    stall_s: float = 30.0
    connections: int = 2000

    @classmethod
    def of(cls, settings: Settings) -> "Patience":
        """Read the settings."""
        return cls(
            head_s=settings.head_seconds, body_s=settings.body_seconds, silence_s=settings.body_silence_seconds,
            grace_s=settings.body_grace_seconds, rate=settings.body_rate, answer_s=settings.answer_seconds,
            stall_s=settings.stall_seconds, connections=settings.max_connections,
        )  # fmt: skip


class PacedBody:
    """The body of a request as it arrives; one that stops or dribbles raises, and its connection closes.

    Only the time spent waiting for the client counts against its rate: a slow store is not its fault, nor is a timer
    that comes late because this process stood still.
    """

    def __init__(
        self, receive: Receive, patience: Patience, *, whole: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._receive = receive
        self._patience = patience
        self._clock = clock
        self._begun: float | None = None
        self._waited = 0.0
        self._stood_still = 0.0
        self._size = 0
        self.whole = whole
        """Whether nothing of it is outstanding."""
        self.asked = False
        """Whether anybody wanted it."""

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        """Return the next message of the body."""
        if self.whole:
            return await self._receive()
        self.asked = True
        before = self._clock()
        self._begun = before if self._begun is None else self._begun
        message = await self._next(before - self._begun)
        self._waited += max(0.0, self._clock() - before - self._stood_still)
        self._stood_still = 0.0
        if message["type"] == "http.request":
            self._size += len(message["body"])
            self.whole = not message.get("more_body", False)
        else:
            self.whole = True
        if not self.whole:
            self._check(self._clock() - self._begun)
        return message

    async def _next(self, passed: float) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        limits = self._patience
        wait = max(0.0, min(limits.silence_s, limits.body_s - passed, self._until_too_slow()))
        while True:
            asked = self._clock()
            try:
                async with asyncio.timeout(wait):
                    return await self._receive()
            except TimeoutError as error:
                late = self._clock() - asked - wait
                if late < SUSPENDED_S:
                    raise _too_slow(f"Nothing came for {wait:.1f} s; send it again.") from error
                self._stood_still += late + wait

    def _until_too_slow(self) -> float:
        """Return how long nothing may come before the average is below the least rate, grace included."""
        if not self._patience.rate:
            return self._patience.silence_s
        return max(self._patience.grace_s, self._size / self._patience.rate) - self._waited + 0.1

    def _check(self, passed: float) -> None:
        limits = self._patience
        if self._waited > limits.grace_s and self._size < limits.rate * self._waited:
            raise _too_slow(f"A body must bring {limits.rate} bytes per second; send it over a better line.")
        if passed > limits.body_s:
            raise _too_slow(f"A body must be here within {limits.body_s:g} s.")


def _too_slow(detail: str) -> Problem:
    return Problem("too-slow", detail, headers={"Connection": "close"})

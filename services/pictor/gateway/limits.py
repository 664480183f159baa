"""How much one token may ask for: rates and parallel uploads, each counted in this process."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pictor.gateway.problems import Problem

READS_PER_MINUTE = 6000
"""Reads of one token: a night page with zooming stays far below."""

UPLOADS_PER_MINUTE = 600
"""Uploads of one token: forty one-second flats in a minute are normal, and so is an import at ten a second."""

LOGINS_PER_MINUTE = 10
"""Failed log-ins of one address."""

REFUSALS_PER_MINUTE = 120
"""Dead or mistyped tokens from one address: nobody guesses 256 random bits, but each try costs a look-up."""

UPLOADS_AT_ONCE = 8
"""Parallel uploads of one token."""

UPLOADS_AT_ONCE_OBSERVATORY = 16
"""Parallel uploads of one observatory."""

STREAMS_AT_ONCE = 16
"""Event streams one token may hold open."""


@dataclass(slots=True)
class Rate:
    """A bucket per key that refills steadily."""

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, key: str) -> None:
        """Take one from a key's bucket; raises when it is empty."""
        now = self.clock()
        level, since = self._buckets.get(key, (float(self.per_minute), now))
        level = min(self.per_minute, level + (now - since) * self.per_minute / 60)
        if level < 1:
            wait = math.ceil((1 - level) * 60 / self.per_minute)
            self._buckets[key] = (level, now)
            raise Problem(
                "too-many-requests", f"At most {self.per_minute} of these per minute; try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )  # fmt: skip
        self._buckets[key] = (level - 1, now)
        if len(self._buckets) > 10_000:
            self._forget(now)

    def _forget(self, now: float) -> None:
        full = [key for key, (_, since) in self._buckets.items() if now - since > 60]
        for key in full:
            del self._buckets[key]


@dataclass(slots=True)
class AtOnce:
    """How many of something a key holds at the same time."""

    limit: int
    what: str
    _held: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        """Hold one; raises when the key holds too many."""
        if self._held[key] >= self.limit:
            raise Problem(
                "too-many-requests", f"At most {self.limit} {self.what} at once; wait for one to end.",
                headers={"Retry-After": "1"},
            )  # fmt: skip
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]


@dataclass(slots=True)
class GatewayLimits:
    """All counters of one gateway process."""

    reads: Rate = field(default_factory=lambda: Rate(READS_PER_MINUTE))
    uploads: Rate = field(default_factory=lambda: Rate(UPLOADS_PER_MINUTE))
    logins: Rate = field(default_factory=lambda: Rate(LOGINS_PER_MINUTE))
    refusals: Rate = field(default_factory=lambda: Rate(REFUSALS_PER_MINUTE))
    uploading: AtOnce = field(default_factory=lambda: AtOnce(UPLOADS_AT_ONCE, "uploads of one token"))
    receiving: AtOnce = field(default_factory=lambda: AtOnce(UPLOADS_AT_ONCE_OBSERVATORY, "uploads of one observatory"))
    streams: AtOnce = field(default_factory=lambda: AtOnce(STREAMS_AT_ONCE, "event streams of one token"))

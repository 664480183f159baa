"""How much one token may ask for: rates and parallel uploads, each counted in this process."""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from pictor.gateway.problems import Problem
from pictor.runtime.settings import Settings

LOGINS_PER_MINUTE = 10
"""Failed log-ins of one address."""

LOGINS_PER_NAME = 30
"""Failed log-ins of one name: more than one address has, so that a single stranger locks nobody out."""

LOGINS_AT_ONCE = 4
"""Log-ins of one address at the same time: each costs memory and time, and is counted only when it has failed."""

REFUSALS_PER_MINUTE = 120
"""Dead or mistyped tokens from one address: nobody guesses 256 random bits, but each try costs a look-up."""

STREAMS_AT_ONCE = 16
"""Event streams one token may hold open."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a rate, as answers tell it."""

    limit: int
    remaining: int
    reset_s: int
    """Seconds until the whole rate is there again."""

    def headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Write it as headers of an answer."""
        yield b"ratelimit-limit", b"%d" % self.limit
        yield b"ratelimit-remaining", b"%d" % self.remaining
        yield b"ratelimit-reset", b"%d" % self.reset_s

    def named(self) -> dict[str, str]:
        """Return the same headers by name."""
        return {name.decode(): value.decode() for name, value in self.headers()}


@dataclass(slots=True)
class Rate:
    """A bucket per key that refills steadily."""

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, key: str) -> Allowance:
        """Take one from a key's bucket; raises when it is empty."""
        now = self.clock()
        level, since = self._buckets.get(key, (float(self.per_minute), now))
        level = min(self.per_minute, level + (now - since) * self.per_minute / 60)
        if level < 1:
            self._buckets[key] = (level, now)
            self._refuse(level)
        self._buckets[key] = (level - 1, now)
        if len(self._buckets) > 10_000:
            self._forget(now)
        return self._allowance(level - 1)

    def check(self, key: str) -> None:
        """Raise when a key's bucket is empty; takes nothing."""
        now = self.clock()
        level, since = self._buckets.get(key, (float(self.per_minute), now))
        level = min(self.per_minute, level + (now - since) * self.per_minute / 60)
        if level < 1:
            self._refuse(level)

    def _allowance(self, level: float) -> Allowance:
        return Allowance(self.per_minute, int(level), math.ceil((self.per_minute - level) * 60 / self.per_minute))

    def _refuse(self, level: float) -> NoReturn:
        wait = math.ceil((1 - level) * 60 / self.per_minute)
        raise Problem(
            "too-many-requests", f"At most {self.per_minute} of these per minute; try again in {wait} s.",
            headers={"Retry-After": str(wait), **self._allowance(level).named()},
        )  # fmt: skip

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

    reads: Rate
    uploads: Rate
    reprocesses: Rate
    uploading: AtOnce
    receiving: AtOnce
    logins: Rate = field(default_factory=lambda: Rate(LOGINS_PER_MINUTE))
    names: Rate = field(default_factory=lambda: Rate(LOGINS_PER_NAME))
    entering: AtOnce = field(default_factory=lambda: AtOnce(LOGINS_AT_ONCE, "log-ins of one address"))
    refusals: Rate = field(default_factory=lambda: Rate(REFUSALS_PER_MINUTE))
    streams: AtOnce = field(default_factory=lambda: AtOnce(STREAMS_AT_ONCE, "event streams of one token"))

    @classmethod
    def of(cls, settings: Settings) -> "GatewayLimits":
        """Read the settings."""
        return cls(
            reads=Rate(settings.reads_per_minute),
            uploads=Rate(settings.uploads_per_minute),
            reprocesses=Rate(settings.reprocess_per_minute),
            uploading=AtOnce(settings.uploads_at_once, "uploads of one token"),
            receiving=AtOnce(settings.uploads_at_once_observatory, "uploads of one observatory"),
        )

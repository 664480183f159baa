"""Passwords: argon2id at rest, the same work whether or not there is such a user, and only a few at a time."""

import asyncio
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pictor.gateway.problems import Problem

MEMORY_KIB = 19 * 1024
ROUNDS = 2
"""With 19 MiB the parameters OWASP names for argon2id."""

AT_ONCE = 2
WAITING = 20
"""Log-ins that may wait for their turn; more are told to come back: memory stays bounded whoever knocks."""

SHORTEST = 12
LONGEST = 200


def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=ROUNDS, memory_cost=MEMORY_KIB, parallelism=1)


@dataclass(slots=True)
class Passwords:
    """Hashes and verifies, in threads."""

    _hasher: PasswordHasher = field(default_factory=_hasher)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _waiting: int = 0
    _nobody: str | None = None

    async def hashed(self, password: str) -> str:
        """Return the hash to keep."""
        return await self._in_turn(password, None)

    async def fits(self, stored: str | None, password: str) -> bool:
        """Say whether a password is the right one; without a stored hash it takes as long to say no."""
        if stored is None and self._nobody is None:
            self._nobody = self._hasher.hash("nobody has this password")
        answer = await self._in_turn(password[:LONGEST], stored or self._nobody)
        return stored is not None and answer == "fits"

    async def _in_turn(self, password: str, stored: str | None) -> str:
        if self._waiting >= WAITING:
            raise Problem(
                "too-many-requests", "Too many log-ins at this moment; try again shortly.", headers={"Retry-After": "2"}
            )
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(self._work, password, stored)
        finally:
            self._waiting -= 1

    def _work(self, password: str, stored: str | None) -> str:
        if stored is None:
            return self._hasher.hash(password)
        try:
            return "fits" if self._hasher.verify(stored, password) else "differs"
        except (VerificationError, InvalidHashError):
            return "differs"


def check_password(password: str, name: str) -> None:
    """Refuse a password that is easy to guess.

    Raises
    ------
    Problem
        If it is short, the name itself, or a few characters again and again.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise Problem("invalid-value", f"A password has {SHORTEST} to {LONGEST} characters; this has {len(password)}.")
    if name.lower() in password.lower() and len(password) < len(name) + SHORTEST:
        raise Problem("invalid-value", "Choose a password that is more than the name.")
    if len(set(password)) < 5:
        raise Problem("invalid-value", "Choose a password with more different characters.")

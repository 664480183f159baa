"""Whose rows the statements of this task may see: the second net below the filters of every query.

Every connection a pool lends tells Postgres which observatories exist for the task that borrows it (setting
``app.observatories``); row-level security does the rest. Workers and the gateway's own work see everything. A request
begins with nothing in sight, and who asks decides what there is. It is no first net: a role that runs our statements
could choose any observatory itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

SETTING = "app.observatories"

EVERYTHING = "*"
"""Rows of all observatories."""

NOTHING = ""

_scope: ContextVar[str] = ContextVar("pictor_observatories", default=EVERYTHING)


def visible() -> str:
    """Return the scope of this task as Postgres takes it: ``*``, nothing, or ids joined by commas."""
    return _scope.get()


def see(observatories: list[UUID] | None) -> None:
    """Let the rest of this task see the rows of some observatories (None: of all)."""
    _scope.set(_text(observatories))


@contextmanager
def seeing(observatories: list[UUID] | None) -> Iterator[None]:
    """Let the block see the rows of some observatories (None: of all), and whoever comes after it what was before."""
    before = _scope.get()
    _scope.set(_text(observatories))
    try:
        yield
    finally:
        _scope.set(before)


@contextmanager
def seeing_everything() -> Iterator[None]:
    """Let the block see all rows."""
    with seeing(None):
        yield


@contextmanager
def seeing_nothing() -> Iterator[None]:
    """Let the block see no rows until it says whose: the beginning of every request."""
    with seeing([]):
        yield


def _text(observatories: list[UUID] | None) -> str:
    return EVERYTHING if observatories is None else ",".join(sorted(str(one) for one in observatories))

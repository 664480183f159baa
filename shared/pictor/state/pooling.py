"""Connections lent to one task at a time: each sees its task's rows, none carries traces of the task before."""

import re
from functools import lru_cache
from typing import Any

import asyncpg

from pictor.state import tenancy

ACQUIRE_S = 4.0
"""A connection that does not come free in this time is not there: the caller answers 503 or tries again later."""

_TRACES = re.compile(
    r"^\s*(SET|RESET|LISTEN|DECLARE|LOAD|DISCARD|CREATE\s+TEMP)\b|\bset_config\s*\(|\bpg_(try_)?advisory_lock",
    re.IGNORECASE,
)


@lru_cache(maxsize=2048)
def leaves_traces(query: str) -> bool:
    """Whether a statement changes the session beyond its transaction, so that the next user would notice."""
    return any(_TRACES.search(statement) for statement in query.split(";"))


class TidyConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that knows whether it must be cleaned before somebody else uses it."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.untidy = False
        self.scope: str | None = None

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:  # noqa: ASYNC109
        """Run a statement."""
        self.untidy |= leaves_traces(query)
        status: str = await super().execute(query, *args, timeout=timeout)
        return status

    async def _execute(self, query: str, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - asyncpg's answer
        self.untidy |= leaves_traces(query)
        return await super()._execute(query, *args, **kwargs)

    async def show(self, scope: str) -> None:
        """Let the session see the rows of some observatories: ids, commas and ``*`` only."""
        if self.scope != scope:
            self.scope = None
            await super().execute(f"SET {tenancy.SETTING} = '{scope}'")
            self.scope = scope

    async def tidied(self) -> None:
        """Forget what a statement left behind; most leave nothing and cost nothing here."""
        if self.untidy:
            self.scope = None
            await super().execute(self.get_reset_query())
            self.untidy = False


class PatientPool(asyncpg.Pool):  # type: ignore[misc]
    """A pool nobody waits for without an end."""

    def acquire(self, *, timeout: float | None = None) -> Any:  # noqa: ANN401 - asyncpg's own signature
        """Lend a connection; raises ``TimeoutError`` when none comes free in time."""
        return super().acquire(timeout=ACQUIRE_S if timeout is None else timeout)


async def _show_own_rows(connection: Any) -> None:  # noqa: ANN401 - asyncpg's proxy of a TidyConnection
    try:
        await connection.show(tenancy.visible())
    except BaseException:
        connection.terminate()  # asyncpg would close it politely, and wait for a server that does not answer
        raise


async def _tidied(connection: TidyConnection) -> None:
    await connection.tidied()


def make_pool(dsn: str, *, size: int, **options: Any) -> asyncpg.Pool:  # noqa: ANN401 - asyncpg's
    """Make a pool that is not yet connected.

    Parameters
    ----------
    dsn
        Where the database is and who we are there.
    size
        Connections at most.
    **options
        More of asyncpg's own.
    """
    return PatientPool(
        dsn,
        min_size=1,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        setup=_show_own_rows,
        reset=_tidied,
        loop=None,
        connection_class=TidyConnection,
        record_class=asyncpg.Record,
        **options,
    )

"""Module runs: claim with a lease, fence by attempt, end exactly once."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pictor.contracts.modules import Module, RunState
from pictor.contracts.work import WorkOrder
from pictor.state.database import Connection

LEASE_S = 30.0
"""A worker that does not renew its claim for this long is taken for dead."""


class Claim(StrEnum):
    """What became of the wish to run a module."""

    MINE = "mine"
    BUSY = "busy"
    DONE = "done"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer to a claim: its fence (attempt) and how often it failed before."""

    answer: Claim
    attempt: int = 0
    failures: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ModuleRun:
    """One line of a job's timeline."""

    module: Module
    position: int
    run: int
    state: RunState
    attempt: int
    failures: int
    started_at: datetime | None
    finished_at: datetime | None
    duration_s: float | None
    reason: str | None
    message: str | None


async def plan(db: Connection, job_id: UUID, itinerary: tuple[Module, ...]) -> None:
    """Write the timeline of a job: one pending run per module."""
    await db.executemany(
        "INSERT INTO module_run (job_id, module, position) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(job_id, str(module), position) for position, module in enumerate(itinerary)],
    )


async def drop_from_plan(db: Connection, job_id: UUID, modules: list[Module]) -> None:
    """Take modules off a job's timeline that its frame does not need."""
    await db.execute(
        "DELETE FROM module_run WHERE job_id = $1 AND module = ANY($2) AND state = 'pending'",
        job_id, [str(module) for module in modules],
    )  # fmt: skip


async def _lock_job(db: Connection, order: WorkOrder) -> None:
    """Take job before run, as a cancel does, so that the two wait for each other instead of for ever."""
    await db.execute("SELECT FROM job WHERE id = $1 FOR NO KEY UPDATE", order.job_id)


async def claim(db: Connection, order: WorkOrder, *, worker: str) -> Claimed:
    """Claim a run before any work; the attempt number fences all that follows.

    One statement: job before run, as a cancel locks them, so that the two wait for each other instead of for ever.
    Rows that others changed while it waited are looked at again as they are then.
    """
    row = await db.fetchrow(
        """
        WITH held AS MATERIALIZED (SELECT id, state FROM job WHERE id = $1 FOR NO KEY UPDATE),
        mine AS (
            UPDATE module_run r SET state = 'running', attempt = attempt + 1, failures = failures + 1, worker = $4,
                lease_until = now() + make_interval(secs => $5), started_at = now(),
                ordered_at = coalesce(ordered_at, now())
            FROM held j
            WHERE r.job_id = j.id AND r.job_id = $1 AND r.module = $2 AND r.run = $3
                AND j.state IN ('pending', 'running')
                AND (r.state = 'pending' OR (r.state = 'running' AND r.lease_until < now()))
            RETURNING r.attempt, r.failures
        ), begun AS (
            UPDATE job SET state = 'running', started_at = now()
            WHERE id = $1 AND state = 'pending' AND EXISTS (SELECT FROM mine)
        )
        SELECT attempt, failures FROM mine
        """,
        order.job_id, str(order.module), order.run, worker, LEASE_S,
    )  # fmt: skip
    if row is None:
        return await _why_not(db, order)
    return Claimed(Claim.MINE, attempt=row["attempt"], failures=row["failures"])


async def _why_not(db: Connection, order: WorkOrder) -> Claimed:
    row = await db.fetchrow(
        """
        SELECT r.state, r.run, j.state AS job_state, extract(epoch FROM r.lease_until - now()) AS wait
        FROM module_run r JOIN job j ON j.id = r.job_id WHERE r.job_id = $1 AND r.module = $2
        """,
        order.job_id, str(order.module),
    )  # fmt: skip
    if row is None:
        return Claimed(Claim.UNKNOWN)
    if row["job_state"] == "cancelled":
        return Claimed(Claim.CANCELLED)
    open_run = row["state"] in {"pending", "running"}  # pending: given back since the claim was tried
    if open_run and row["run"] == order.run and row["job_state"] in {"pending", "running"}:
        return Claimed(Claim.BUSY, wait_s=max(1.0, float(row["wait"] or 0)))
    return Claimed(Claim.DONE)


async def renew(db: Connection, order: WorkOrder, attempt: int) -> bool:
    """Renew a lease; False when the run is no longer ours (cancelled, or claimed by another worker)."""
    answer = await db.fetchval(
        """
        UPDATE module_run r SET lease_until = now() + make_interval(secs => $4)
        FROM job j
        WHERE r.job_id = $1 AND r.module = $2 AND r.attempt = $3 AND r.state = 'running'
            AND j.id = r.job_id AND j.state = 'running'
        RETURNING true
        """,
        order.job_id, str(order.module), attempt, LEASE_S,
    )  # fmt: skip
    return bool(answer)


async def end(
    db: Connection, order: WorkOrder, attempt: int, *, state: RunState, reason: str | None, message: str | None
) -> float | None:
    """End a run; None when the fence says that another attempt or a cancel came first."""
    row = await db.fetchrow(
        """
        WITH held AS MATERIALIZED (SELECT id, state FROM job WHERE id = $1 FOR NO KEY UPDATE)
        UPDATE module_run r SET state = $4, reason = $5, message = $6, finished_at = now(), lease_until = NULL,
            duration_s = extract(epoch FROM now() - r.started_at)
        FROM held j
        WHERE r.job_id = $1 AND r.module = $2 AND r.attempt = $3 AND r.state = 'running'
            AND j.id = r.job_id AND j.state = 'running'
        RETURNING r.duration_s
        """,
        order.job_id, str(order.module), attempt, str(state), reason, message,
    )  # fmt: skip
    return None if row is None else float(row["duration_s"])


async def end_waiting(
    db: Connection, job_id: UUID, modules: list[Module], *, state: RunState, reason: str, message: str
) -> None:
    """End runs that were never started."""
    await db.execute(
        """
        UPDATE module_run SET state = $3, reason = $4, message = $5, finished_at = now()
        WHERE job_id = $1 AND module = ANY($2) AND state = 'pending'
        """,
        job_id, [str(module) for module in modules], str(state), reason, message,
    )  # fmt: skip


async def timeline(db: Connection, job_id: UUID) -> list[ModuleRun]:
    """Return a job's runs in order."""
    rows = await db.fetch("SELECT * FROM module_run WHERE job_id = $1 ORDER BY position", job_id)
    return [_run(row) for row in rows]


def _run(row: Any) -> ModuleRun:  # noqa: ANN401 - an asyncpg record
    return ModuleRun(
        module=Module(row["module"]),
        position=row["position"],
        run=row["run"],
        state=RunState(row["state"]),
        attempt=row["attempt"],
        failures=row["failures"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        duration_s=row["duration_s"],
        reason=row["reason"],
        message=row["message"],
    )


async def states(db: Connection, job_id: UUID) -> dict[Module, RunState]:
    """Return the state of every module of a job."""
    rows = await db.fetch("SELECT module, state FROM module_run WHERE job_id = $1", job_id)
    return {Module(row["module"]): RunState(row["state"]) for row in rows}


async def again(db: Connection, order: WorkOrder) -> WorkOrder | None:
    """Open a failed or parked run once more under the next run number."""
    row = await db.fetchrow(
        """
        UPDATE module_run SET state = 'pending', run = run + 1, failures = 0, reason = NULL, message = NULL,
            finished_at = NULL, lease_until = NULL
        WHERE job_id = $1 AND module = $2 AND state IN ('failed', 'pending') RETURNING run
        """,
        order.job_id, str(order.module),
    )  # fmt: skip
    return None if row is None else order.model_copy(update={"run": row["run"]})


async def failures(db: Connection, order: WorkOrder) -> int:
    """Return how often a run was begun without an outage to blame."""
    count: int | None = await db.fetchval(
        "SELECT failures FROM module_run WHERE job_id = $1 AND module = $2", order.job_id, str(order.module)
    )
    return count or 0


async def release(db: Connection, order: WorkOrder, attempt: int, *, blameless: bool) -> None:
    """Give a run back untouched; an outage does not count as a failure of the frame."""
    await db.execute(
        """
        UPDATE module_run SET state = 'pending', lease_until = NULL, worker = NULL, ordered_at = now(),
            failures = failures - CASE WHEN $4 THEN 1 ELSE 0 END
        WHERE job_id = $1 AND module = $2 AND attempt = $3 AND state = 'running'
        """,
        order.job_id, str(order.module), attempt, blameless,
    )  # fmt: skip


async def end_open(db: Connection, order: WorkOrder, *, state: RunState, reason: str, message: str) -> bool:
    """End a run whoever holds it; False when it had ended before."""
    await _lock_job(db, order)
    answer = await db.fetchval(
        """
        UPDATE module_run r SET state = $3, reason = $4, message = $5, finished_at = now(), lease_until = NULL,
            attempt = attempt + 1
        FROM job j
        WHERE r.job_id = $1 AND r.module = $2 AND r.run = $6 AND r.state IN ('pending', 'running')
            AND j.id = r.job_id AND j.state IN ('pending', 'running')
        RETURNING true
        """,
        order.job_id, str(order.module), str(state), reason, message, order.run,
    )  # fmt: skip
    return bool(answer)


async def is_open(db: Connection, order: WorkOrder) -> bool:
    """Say whether a run still waits for its end."""
    answer: bool = await db.fetchval(
        """
        SELECT EXISTS (
            SELECT FROM module_run r JOIN job j ON j.id = r.job_id
            WHERE r.job_id = $1 AND r.module = $2 AND r.run = $3 AND r.state IN ('pending', 'running')
                AND j.state IN ('pending', 'running')
        )
        """,
        order.job_id, str(order.module), order.run,
    )  # fmt: skip
    return answer

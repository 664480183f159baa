"""Statements of a repair: each says whether it changed anything, and changes nothing the second time."""

from typing import Any
from uuid import UUID

from pictor.contracts.modules import Module, RunState
from pictor.contracts.work import WorkOrder
from pictor.state.database import Connection


async def release_lease(db: Connection, job_id: UUID, module: str) -> bool:
    """Give back a run whose worker let its lease end long ago; the fence refuses that worker from then on."""
    answer = await db.fetchval(
        """
        UPDATE module_run SET state = 'pending', lease_until = NULL, worker = NULL, attempt = attempt + 1
        WHERE job_id = $1 AND module = $2 AND state = 'running'
            AND coalesce(lease_until, started_at, '-infinity') < now() - interval '2 min' RETURNING true
        """,
        job_id, module,
    )  # fmt: skip
    return bool(answer)


async def end_runs(db: Connection, job_id: UUID) -> list[str]:
    """End the open runs of an ended job; returns their modules."""
    rows = await db.fetch(
        """
        UPDATE module_run r SET state = 'cancelled', finished_at = now(), lease_until = NULL, reason = 'job-ended',
            message = 'the job had ended before', attempt = attempt + 1
        FROM job j WHERE r.job_id = $1 AND j.id = r.job_id AND j.state IN ('completed', 'failed', 'cancelled')
            AND r.state IN ('pending', 'running') RETURNING r.module
        """,
        job_id,
    )
    return [row["module"] for row in rows]


async def close_request(db: Connection, job_id: UUID) -> bool:
    """Close the request of an ended stack."""
    answer = await db.fetchval(
        """
        UPDATE stack_request s SET open = false FROM job j
        WHERE s.job_id = $1 AND j.id = s.job_id AND s.open AND j.state IN ('completed', 'failed', 'cancelled')
        RETURNING true
        """,
        job_id,
    )
    return bool(answer)


async def next_order(db: Connection, job_id: UUID) -> WorkOrder | None:
    """Return the order an open job lacks: its first open run, then the ones after it; None when one is ordered."""
    rows = await db.fetch(
        """
        SELECT r.module, r.run, r.ordered_at, r.state, j.lane, j.frame_id, j.observatory_id, o.slug
        FROM module_run r JOIN job j ON j.id = r.job_id JOIN observatory o ON o.id = j.observatory_id
        WHERE r.job_id = $1 AND j.state IN ('pending', 'running') AND r.state IN ('pending', 'running')
        ORDER BY r.position FOR UPDATE OF j
        """,
        job_id,
    )
    if not rows or any(row["ordered_at"] is not None for row in rows):
        return None
    return _order(job_id, rows)


async def order_of(db: Connection, job_id: UUID, module: str) -> WorkOrder | None:
    """Return the order of an open run, to be given again."""
    body: dict[str, Any] | None = await db.fetchval(
        """
        SELECT r.order_body FROM module_run r JOIN job j ON j.id = r.job_id
        WHERE r.job_id = $1 AND r.module = $2 AND j.state IN ('pending', 'running') AND NOT EXISTS (
            SELECT FROM outbox o WHERE o.job_id = r.job_id AND o.module = r.module
                AND o.sent_at IS NULL AND o.parked_at IS NULL
        ) AND (r.state = 'pending' OR (r.state = 'running' AND r.lease_until < now())) FOR UPDATE OF r
        """,
        job_id, module,
    )  # fmt: skip
    return None if body is None else WorkOrder.model_validate(body)


def _order(job_id: UUID, rows: list[Any]) -> WorkOrder:
    first = rows[0]
    return WorkOrder(
        observatory=first["slug"], observatory_id=first["observatory_id"], job_id=job_id, frame_id=first["frame_id"],
        module=Module(first["module"]), lane=first["lane"], run=first["run"],
        itinerary=tuple(Module(row["module"]) for row in rows[1:] if row["state"] == RunState.PENDING),
    )  # fmt: skip


async def open_runs_left(db: Connection, job_id: UUID) -> int:
    """Count the open runs of a job."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM module_run WHERE job_id = $1 AND state IN ('pending', 'running')", job_id
    )
    return count


async def place_of(db: Connection, job_id: UUID) -> tuple[str, UUID, UUID | None]:
    """Return slug and id of a job's observatory, and its frame."""
    row = await db.fetchrow(
        "SELECT o.slug, o.id, j.frame_id FROM job j JOIN observatory o ON o.id = j.observatory_id WHERE j.id = $1",
        job_id,
    )
    return row["slug"], row["id"], row["frame_id"]

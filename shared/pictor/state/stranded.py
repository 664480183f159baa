"""Runs whose message or worker may be gone: what the reconciler and a worker's successor look for."""

from pictor.contracts.work import WorkOrder
from pictor.state.database import Connection


async def stale(
    db: Connection, *, older_than_s: float, lease_over_s: float = 15.0, limit: int = 5000
) -> list[tuple[WorkOrder, int | None]]:
    """Return orders of open runs that nothing has touched for a while, with their place on the bus."""
    rows = await db.fetch(
        """
        SELECT r.order_body, r.bus_seq FROM module_run r JOIN job j ON j.id = r.job_id
        WHERE j.state IN ('pending', 'running') AND r.order_body IS NOT NULL
            AND ((r.state = 'pending' AND r.ordered_at < now() - make_interval(secs => $1))
                OR (r.state = 'running' AND r.lease_until < now() - make_interval(secs => $3)))
            AND NOT EXISTS (
                SELECT FROM outbox o
                WHERE o.sent_at IS NULL AND o.parked_at IS NULL AND o.job_id = r.job_id AND o.module = r.module
            )
        ORDER BY r.ordered_at LIMIT $2
        """,
        older_than_s, limit, lease_over_s,
    )  # fmt: skip
    return [(WorkOrder.model_validate(row["order_body"]), row["bus_seq"]) for row in rows]


async def by_place(db: Connection, sequence: int) -> WorkOrder | None:
    """Return the order of the open run whose message had this place on the bus."""
    body = await db.fetchval(
        """
        SELECT r.order_body FROM module_run r JOIN job j ON j.id = r.job_id
        WHERE r.bus_seq = $1 AND r.state = 'pending' AND j.state IN ('pending', 'running')
        """,
        sequence,
    )
    return None if body is None else WorkOrder.model_validate(body)


async def workers(db: Connection, kin: str) -> list[str]:
    """Return the workers that hold leases and whose names begin like this."""
    rows = await db.fetch(
        "SELECT DISTINCT worker FROM module_run WHERE state = 'running' AND starts_with(worker, $1)", kin
    )
    return [row["worker"] for row in rows]


async def release_of(db: Connection, dead: list[str]) -> list[WorkOrder]:
    """End the leases of dead workers; the begun attempts stay counted. Returns the orders to give again."""
    rows = await db.fetch(
        """
        UPDATE module_run r SET state = 'pending', lease_until = NULL, worker = NULL
        FROM job j
        WHERE r.worker = ANY($1) AND r.state = 'running' AND j.id = r.job_id AND j.state = 'running'
        RETURNING r.order_body
        """,
        dead,
    )
    return [WorkOrder.model_validate(row["order_body"]) for row in rows if row["order_body"] is not None]

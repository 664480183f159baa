"""Runs opened again after an earlier one of the same job was put back by hand."""

from uuid import UUID

from pictor.contracts.modules import Module
from pictor.state.database import Connection


async def reopen(db: Connection, job_id: UUID, modules: tuple[Module, ...]) -> None:
    """Let ended runs wait for a new order, as if they had never begun."""
    await db.execute(
        """
        UPDATE module_run SET state = 'pending', failures = 0, reason = NULL, message = NULL, started_at = NULL,
            finished_at = NULL, duration_s = NULL, lease_until = NULL, ordered_at = NULL, order_body = NULL
        WHERE job_id = $1 AND module = ANY($2) AND state IN ('completed', 'failed', 'skipped')
        """,
        job_id, [str(module) for module in modules],
    )  # fmt: skip

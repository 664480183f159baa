"""How busy every module is."""

from dataclasses import dataclass
from datetime import datetime

from pictor.contracts.modules import Module
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class ModuleLoad:
    """Orders of one module: waiting, in flight, and how the last day's ended."""

    module: Module
    waiting: int
    in_flight: int
    completed: int
    failed: int
    parked: int
    oldest_ordered_at: datetime | None
    median_s: float | None


async def loads(db: Connection) -> list[ModuleLoad]:
    """Return the load of every module; ends are counted over the last 24 hours."""
    rows = await db.fetch(
        """
        SELECT m.module,
            count(*) FILTER (WHERE r.state = 'pending' AND r.ordered_at IS NOT NULL) AS waiting,
            count(*) FILTER (WHERE r.state = 'running') AS in_flight,
            count(*) FILTER (WHERE r.state = 'completed') AS completed,
            count(*) FILTER (WHERE r.state = 'failed') AS failed,
            (SELECT count(*) FROM parked p WHERE p.module = m.module AND p.settled_at IS NULL) AS parked,
            min(r.ordered_at) FILTER (WHERE r.state = 'pending') AS oldest_ordered_at,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY r.duration_s) FILTER (WHERE r.state = 'completed') AS median_s
        FROM unnest($1::text[]) WITH ORDINALITY AS m (module, place)
        LEFT JOIN (
            SELECT u.module, u.state, u.ordered_at, u.duration_s FROM module_run u JOIN job j ON j.id = u.job_id
            WHERE u.state IN ('pending', 'running') AND j.state IN ('pending', 'running')
            UNION ALL
            SELECT u.module, u.state, NULL, u.duration_s FROM module_run u
            WHERE u.state IN ('completed', 'failed') AND u.finished_at > now() - interval '24 hours'
        ) r ON r.module = m.module
        GROUP BY m.module, m.place ORDER BY m.place
        """,
        [str(module) for module in Module],
    )  # fmt: skip
    return [
        ModuleLoad(**{name: row[name] for name in ModuleLoad.__dataclass_fields__} | {"module": Module(row["module"])})
        for row in rows
    ]

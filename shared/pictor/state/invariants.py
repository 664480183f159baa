"""Questions whose answer must be "none": what the check asks the database."""

from dataclasses import dataclass
from typing import Any

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class StoredThing:
    """An object something in the database refers to."""

    key: str
    size: int
    sha256: str
    what: str
    parameters: dict[str, Any]


QUESTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "I4",
        "result that names no module run",
        """
        SELECT 'frame ' || q.frame_id || ' has a ' || q.what || ' of an unknown job ' || q.job_id FROM (
            SELECT frame_id, job_id, 'measurement' AS what FROM frame_quality
            UNION ALL SELECT frame_id, job_id, 'solution' FROM frame_solution
        ) q LEFT JOIN job j ON j.id = q.job_id WHERE j.id IS NULL
        """,
    ),
    (
        "I5",
        "message committed but not published for more than 30 s",
        """
        SELECT 'outbox row ' || id || ' for ' || subject || ' waits since ' || created_at FROM outbox
        WHERE sent_at IS NULL AND created_at < now() - interval '30 s'
        """,
    ),
    (
        "I6",
        "open job that nobody works on and that waits for nothing",
        """
        SELECT 'job ' || j.id || ' is ' || j.state || ', but no module of it is open' FROM job j
        WHERE j.state IN ('pending', 'running') AND NOT EXISTS (
            SELECT FROM module_run r WHERE r.job_id = j.id AND r.state IN ('pending', 'running')
        )
        UNION ALL
        SELECT 'job ' || r.job_id || ' waits for ' || r.module || ' without an order since ' || j.created_at
        FROM module_run r JOIN job j ON j.id = r.job_id
        WHERE j.state IN ('pending', 'running') AND j.created_at < now() - interval '5 min' AND NOT EXISTS (
            SELECT FROM module_run o WHERE o.job_id = r.job_id AND o.state IN ('pending', 'running')
                AND o.ordered_at IS NOT NULL
        ) AND r.position = (SELECT min(position) FROM module_run m WHERE m.job_id = r.job_id AND m.state = 'pending')
        UNION ALL
        SELECT 'module ' || r.module || ' of the ended job ' || r.job_id || ' is still ' || r.state
        FROM module_run r JOIN job j ON j.id = r.job_id
        WHERE j.state IN ('completed', 'failed', 'cancelled') AND r.state IN ('pending', 'running')
        UNION ALL
        SELECT 'frame ' || f.id || ' was received, but has no job' FROM frame f
        WHERE NOT EXISTS (SELECT FROM job j WHERE j.frame_id = f.id)
        """,
    ),
    (
        "I7",
        "master without its sources, or one that replaced itself",
        """
        SELECT 'master ' || m.id || ' names no source' FROM master m
        WHERE NOT EXISTS (SELECT FROM master_component c WHERE c.master_id = m.id)
        UNION ALL SELECT 'master ' || id || ' superseded itself' FROM master WHERE superseded_by = id
        UNION ALL
        SELECT 'group ' || group_key || ' has ' || count(*) || ' active masters' FROM master WHERE state = 'active'
        GROUP BY observatory_id, group_key HAVING count(*) > 1
        """,
    ),
    (
        "I8",
        "child that belongs to another observatory than its frame",
        """
        SELECT 'job ' || j.id || ' and its frame belong to different observatories'
        FROM job j JOIN frame f ON f.id = j.frame_id WHERE j.observatory_id <> f.observatory_id
        UNION ALL
        SELECT 'product ' || p.key || ' and its frame belong to different observatories'
        FROM product p JOIN frame f ON f.id = p.frame_id WHERE p.observatory_id <> f.observatory_id
        UNION ALL
        SELECT 'object key ' || f.raw_key || ' lies outside of its observatory' FROM frame f
        WHERE position(f.observatory_id::text IN f.raw_key) = 0
        """,
    ),
    (
        "I9",
        "dead letter without a reason",
        "SELECT 'dead letter ' || id || ' has no reason' FROM parked WHERE reason = '' OR message = ''",
    ),
    (
        "I10",
        "lease nobody renews",
        """
        SELECT 'lease of ' || module || ' for job ' || job_id || ' ended at ' || lease_until FROM module_run
        WHERE state = 'running' AND lease_until < now() - interval '2 min'
        """,
    ),
    (
        "I11",
        "audit log that can be changed",
        """
        SELECT 'the trigger that keeps the audit log append-only is missing'
        WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'audit_append_only' AND tgenabled <> 'D')
        """,
    ),
)


async def violations(db: Connection) -> list[tuple[str, str, list[str]]]:
    """Ask every question; return (invariant, what it would mean, offenders)."""
    found = []
    for number, meaning, sql in QUESTIONS:
        rows: list[Any] = await db.fetch(f"SELECT * FROM ({sql}) AS offenders (sentence) LIMIT 50")  # noqa: S608
        found.append((number, meaning, [row["sentence"] for row in rows]))
    return found


async def stored_things(db: Connection) -> list[StoredThing]:
    """Return every object that must be in the store."""
    rows = await db.fetch(
        """
        SELECT raw_key AS key, size, sha256, 'frame ' || id AS what, '{}'::jsonb AS parameters FROM frame
        UNION ALL SELECT key, size, sha256, kind || ' of ' || coalesce(frame_id, master_id), parameters FROM product
        """
    )
    return [StoredThing(**dict(row)) for row in rows]


async def accepted_uploads(db: Connection) -> list[str]:
    """Return uploads that were answered with success but whose frame is not there."""
    rows = await db.fetch(
        """
        SELECT a.object FROM audit a WHERE a.action = 'frame.upload' AND a.outcome = 'ok' AND NOT EXISTS (
            SELECT FROM frame f WHERE f.id::text = a.object
        ) AND NOT EXISTS (SELECT FROM audit d WHERE d.action = 'frame.delete' AND d.object = a.object)
        """
    )
    return [f"upload {row['object']} was accepted, but its frame is gone" for row in rows]


async def open_jobs(db: Connection) -> int:
    """Count jobs that have not ended."""
    count: int = await db.fetchval("SELECT count(*) FROM job WHERE state IN ('pending', 'running')")
    return count

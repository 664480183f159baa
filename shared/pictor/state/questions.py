"""What must never be true: one question per way an invariant can be broken, asked of the database alone.

A question selects ``sentence`` and, where they exist, ``frame``, ``job``, ``master``, ``key`` and ``module``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A question whose answer must be "none", what a yes means for an observer, and what mends it."""

    invariant: str
    kind: str
    """Stable name of this kind of violation."""
    meaning: str
    remedy: str
    """What a person must do; what ``--repair`` does when ``repairable``."""
    sql: str
    repairable: bool = False


ENDED = "('completed', 'failed', 'cancelled')"
OPEN = "('pending', 'running')"

BY_HAND = "keep the database as it is, make a backup of it, and report this to the developers: no command mends it"
RESTORE = "restore it from a backup, or send it again with `pictor upload`"
AGAIN = "process the frame again: POST /api/v1/frames/{frame}/reprocess, or `Reprocess` on its page"

ACCEPTED = Question(
    "I1", "accepted-upload-gone", "an upload was answered with success, yet its frame is not registered",
    "adopt the bytes if the store still has them (`--repair` does); otherwise restore the database from a backup",
    """
    SELECT 'upload ' || a.object || ' was accepted at ' || a.at || ', but its frame is gone' AS sentence,
        a.object AS frame, 'raw/' || a.observatory_id || '/' || substr(a.detail->>'sha256', 1, 2) || '/'
        || (a.detail->>'sha256') AS key
    FROM audit a WHERE a.action = 'frame.upload' AND a.outcome = 'ok'
        AND NOT EXISTS (SELECT FROM frame f WHERE f.id::text = a.object)
        AND NOT EXISTS (SELECT FROM audit d WHERE d.action = 'frame.delete' AND d.object = a.object)
        AND NOT EXISTS (
            SELECT FROM frame g WHERE g.observatory_id = a.observatory_id AND g.sha256 = a.detail->>'sha256'
        )
    """,
)  # fmt: skip

RESULTS = (
    Question(
        "I4", "result-of-unknown-run", "a number on the frame's page comes from no known processing", AGAIN,
        """
        SELECT 'frame ' || q.frame_id || ' has a ' || q.what || ' of an unknown job ' || q.job_id AS sentence,
            q.frame_id AS frame, q.job_id AS job
        FROM (
            SELECT frame_id, job_id, 'measurement' AS what FROM frame_quality
            UNION ALL SELECT frame_id, job_id, 'solution' FROM frame_solution
        ) q LEFT JOIN job j ON j.id = q.job_id WHERE j.id IS NULL OR j.frame_id IS DISTINCT FROM q.frame_id
        """,
    ),
    Question(
        "I4", "result-after-cancel", "a job was cancelled, yet a result of it appeared afterwards", AGAIN,
        """
        SELECT q.what || ' of frame ' || q.frame_id || ' was written at ' || q.at || ', after its run was cancelled at '
            || r.finished_at AS sentence, q.frame_id AS frame, q.job_id AS job, r.module
        FROM (
            SELECT frame_id, job_id, 'quality' AS module, 'measurement' AS what, measured_at AS at FROM frame_quality
            UNION ALL SELECT frame_id, job_id, 'astrometry', 'solution', solved_at FROM frame_solution
        ) q JOIN module_run r ON r.job_id = q.job_id AND r.module = q.module
        WHERE r.state = 'cancelled' AND q.at > r.finished_at
        """,
    ),
    Question(
        "I4", "result-overwritten", "an older processing wrote over the result of a newer one", AGAIN,
        """
        SELECT q.what || ' of frame ' || q.frame_id || ' is of job ' || q.job_id || ', job ' || n.job_id
            || ' ended later' AS sentence, q.frame_id AS frame, q.job_id AS job, q.module
        FROM (
            SELECT frame_id, job_id, 'quality' AS module, 'measurement' AS what FROM frame_quality
            UNION ALL SELECT frame_id, job_id, 'astrometry', 'solution' FROM frame_solution
        ) q JOIN module_run mine ON mine.job_id = q.job_id AND mine.module = q.module
        JOIN LATERAL (
            SELECT r.job_id FROM job j JOIN module_run r ON r.job_id = j.id AND r.module = q.module
            WHERE j.frame_id = q.frame_id AND r.state = 'completed' AND r.finished_at > mine.finished_at LIMIT 1
        ) n ON true
        """,
    ),
    Question(
        "I4", "result-doubled", "a frame shows one of two results by chance", BY_HAND,
        """
        SELECT 'there are ' || count(*) || ' products ' || kind || ' of ' || coalesce(frame_id, master_id) AS sentence,
            frame_id AS frame, master_id AS master
        FROM product GROUP BY frame_id, master_id, kind HAVING count(*) > 1
        """,
    ),
)  # fmt: skip

COMPLETE = (
    Question(
        "I4", "result-missing", "a module says that it succeeded, yet what it makes is not there",
        "order the module again on the high lane", """
        SELECT r.module || ' of job ' || r.job_id || ' is completed, but its result for frame ' || j.frame_id
            || ' is missing' AS sentence, j.frame_id AS frame, r.job_id AS job, r.module
        FROM module_run r JOIN job j ON j.id = r.job_id JOIN frame f ON f.id = j.frame_id
        WHERE r.state = 'completed' AND CASE r.module
            WHEN 'quality' THEN NOT EXISTS (SELECT FROM frame_quality q WHERE q.frame_id = j.frame_id)
            WHEN 'astrometry' THEN NOT EXISTS (SELECT FROM frame_solution q WHERE q.frame_id = j.frame_id)
            WHEN 'ingest' THEN f.state = 'received'
            WHEN 'preview' THEN NOT EXISTS (
                SELECT FROM product p WHERE p.frame_id = j.frame_id AND p.kind = 'preview')
            WHEN 'quality-headers' THEN NOT EXISTS (
                SELECT FROM product p WHERE p.frame_id = j.frame_id AND p.kind = 'processed')
            ELSE false END
        """,
        repairable=True,
    ),
)  # fmt: skip
"""True of the modules of Pictor; the modules of a flow without pixels leave nothing."""

FLOW = (
    Question(
        "I5", "outbox-unsent", "a service committed a result, but the next module was not told",
        "publish it now; if it happens again, look for `publish failed` in the logs", """
        SELECT 'message ' || id || ' for ' || subject || ' waits since ' || created_at AS sentence, job_id AS job,
            module
        FROM outbox WHERE sent_at IS NULL AND parked_at IS NULL AND created_at < now() - interval '30 s'
        """,
        repairable=True,
    ),
    Question(
        "I6", "job-without-work", "a job is open for ever although nothing of it is left to do",
        "close it with what its modules achieved", f"""
        SELECT 'job ' || j.id || ' is ' || j.state || ', but no module of it is open' AS sentence, j.id AS job,
            j.frame_id AS frame
        FROM job j WHERE j.state IN {OPEN} AND NOT EXISTS (
            SELECT FROM module_run r WHERE r.job_id = j.id AND r.state IN {OPEN}
        )
        """,  # noqa: S608 - constants
        repairable=True,
    ),
    Question(
        "I6", "job-without-order", "a frame waits and no worker will ever hear of it",
        "order its next module", f"""
        SELECT 'job ' || j.id || ' waits for ' || r.module || ' without an order since ' || j.created_at AS sentence,
            j.id AS job, j.frame_id AS frame, r.module
        FROM module_run r JOIN job j ON j.id = r.job_id
        WHERE j.state IN {OPEN} AND j.created_at < now() - interval '5 min' AND NOT EXISTS (
            SELECT FROM module_run o WHERE o.job_id = r.job_id AND o.state IN {OPEN} AND o.ordered_at IS NOT NULL
        ) AND r.position = (SELECT min(position) FROM module_run m WHERE m.job_id = r.job_id AND m.state = 'pending')
        """,  # noqa: S608 - constants
        repairable=True,
    ),
    Question(
        "I6", "run-of-ended-job", "a job has ended, yet a module of it still counts as open",
        "end the module as cancelled", f"""
        SELECT r.module || ' of the ended job ' || r.job_id || ' is still ' || r.state AS sentence, r.job_id AS job,
            r.module
        FROM module_run r JOIN job j ON j.id = r.job_id WHERE j.state IN {ENDED} AND r.state IN {OPEN}
        """,  # noqa: S608 - constants
        repairable=True,
    ),
    Question(
        "I6", "frame-without-job", "a frame was accepted, but nothing processes it",
        "make its job and order its first module", """
        SELECT 'frame ' || f.id || ' (' || f.name || ') was received at ' || f.received_at || ', but has no job'
            AS sentence, f.id AS frame
        FROM frame f WHERE NOT EXISTS (SELECT FROM job j WHERE j.frame_id = f.id)
        """,
        repairable=True,
    ),
    Question(
        "I6", "request-of-ended-job", "no stack of this group is made any more: an ended request blocks it",
        "close the request", f"""
        SELECT 'the request of job ' || s.job_id || ' for group ' || s.group_key || ' is open, its job is ' || j.state
            AS sentence, s.job_id AS job
        FROM stack_request s JOIN job j ON j.id = s.job_id WHERE s.open AND j.state IN {ENDED}
        """,  # noqa: S608 - constants
        repairable=True,
    ),
    Question(
        "I9", "letter-without-reason", "an order was given up and nobody can tell why",
        "look at its job's timeline, then requeue or discard it on the operations page", """
        SELECT 'dead letter ' || id || ' of ' || module || ' has no reason' AS sentence, job_id AS job, module
        FROM parked WHERE reason = '' OR message = ''
        """,
    ),
    Question(
        "I10", "lease-expired", "a worker died or froze, and nobody took its frame over for two minutes",
        "release the lease and order the module again", """
        SELECT 'the lease of ' || coalesce(worker, 'nobody') || ' on ' || module || ' of job ' || job_id
            || coalesce(' ended at ' || lease_until, ' has no end') AS sentence, job_id AS job, module
        FROM module_run WHERE state = 'running'
            AND coalesce(lease_until, started_at, '-infinity') < now() - interval '2 min'
        """,
        repairable=True,
    ),
)  # fmt: skip

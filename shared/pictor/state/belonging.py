"""Questions about what belongs together: masters with their sources, children with their observatory, the audit log."""

from pictor.state.questions import AGAIN, BY_HAND, Question

STACK_AGAIN = "stack its group again: POST /api/v1/calibration/{observatory}/stack, or wait for new frames"

LIBRARY = (
    Question(
        "I7", "several-active-masters", "lights of one night are calibrated with different masters", STACK_AGAIN,
        """
        SELECT 'group ' || group_key || ' has ' || count(*) || ' active masters' AS sentence, min(id::text) AS master
        FROM master WHERE state = 'active' GROUP BY observatory_id, group_key HAVING count(*) > 1
        """,
    ),
    Question(
        "I7", "no-active-master", "a group had a master and has none now: its lights stay uncalibrated", STACK_AGAIN,
        """
        SELECT 'group ' || m.group_key || ' has superseded masters, but no active one' AS sentence,
            min(m.id::text) AS master
        FROM master m GROUP BY m.observatory_id, m.group_key
        HAVING bool_or(m.state = 'superseded') AND NOT bool_or(m.state = 'active')
            AND NOT EXISTS (
                SELECT FROM audit a WHERE a.action = 'master.delete' AND a.object =
                    (array_agg(m.superseded_by::text ORDER BY m.superseded_at DESC NULLS LAST))[1]
            )
        """,
    ),
    Question(
        "I7", "master-without-sources", "nobody can tell which frames a master was made of", STACK_AGAIN,
        """
        SELECT 'master ' || m.id || ' names no source' AS sentence, m.id AS master FROM master m
        WHERE m.origin = 'stack' AND NOT EXISTS (SELECT FROM master_component c WHERE c.master_id = m.id)
        """,
    ),
    Question(
        "I7", "source-without-hash", "a source of a master cannot be proved to be the frame that is stored", BY_HAND,
        """
        SELECT 'master ' || c.master_id || ' names ' || coalesce(nullif(c.sha256, ''), 'no hash') || ' for frame '
            || c.frame_id || coalesce(', which has ' || f.sha256, '') AS sentence,
            c.master_id AS master, c.frame_id AS frame
        FROM master_component c LEFT JOIN frame f ON f.id = c.frame_id
        WHERE c.sha256 !~ '^[0-9a-f]{64}$' OR c.sha256 <> f.sha256
        """,
    ),
    Question(
        "I7", "supersession-cycle", "masters claim to have replaced each other, so none of them counts", BY_HAND,
        """
        WITH RECURSIVE chain (start, now, steps) AS (
            SELECT id, superseded_by, 1 FROM master WHERE superseded_by IS NOT NULL
            UNION ALL SELECT c.start, m.superseded_by, c.steps + 1 FROM chain c JOIN master m ON m.id = c.now
            WHERE m.superseded_by IS NOT NULL AND c.now <> c.start AND c.steps < 10000
        )
        SELECT 'master ' || start || ' was superseded by itself, ' || steps || ' steps on' AS sentence, start AS master
        FROM chain WHERE now = start
        """,
    ),
    Question(
        "I7", "superseded-by-nothing", "an old master counts as replaced, but not by which one", BY_HAND,
        """
        SELECT 'master ' || id || ' is superseded, but names no successor' AS sentence, id AS master
        FROM master WHERE state = 'superseded' AND superseded_by IS NULL
        """,
    ),
    Question(
        "I7", "master-without-file", "an active master has no pixels: its lights fail", STACK_AGAIN,
        """
        SELECT 'the active master ' || m.id || ' has no file' AS sentence, m.id AS master FROM master m
        WHERE m.state = 'active' AND NOT EXISTS (SELECT FROM product p WHERE p.master_id = m.id AND p.kind = 'master')
        """,
    ),
)  # fmt: skip


def _foreign(kind: str, what: str, sql: str) -> Question:
    return Question("I8", kind, f"{what} may be seen by people of another observatory", BY_HAND, sql)


TENANCY = (
    _foreign(
        "job-of-other-observatory", "a job",
        """
        SELECT 'job ' || j.id || ' and its frame ' || f.id || ' belong to different observatories' AS sentence,
            j.id AS job, f.id AS frame
        FROM job j JOIN frame f ON f.id = j.frame_id WHERE j.observatory_id <> f.observatory_id
        """,
    ),
    _foreign(
        "product-of-other-observatory", "a product",
        """
        SELECT 'product ' || p.key || ' and its ' || CASE WHEN f.id IS NULL THEN 'master' ELSE 'frame' END
            || ' belong to different observatories' AS sentence, p.key, p.frame_id AS frame, p.master_id AS master
        FROM product p LEFT JOIN frame f ON f.id = p.frame_id LEFT JOIN master m ON m.id = p.master_id
        WHERE p.observatory_id <> coalesce(f.observatory_id, m.observatory_id)
        """,
    ),
    _foreign(
        "key-outside-of-observatory", "an object",
        """
        SELECT 'object key ' || key || ' lies outside of observatory ' || observatory_id AS sentence, key, frame, master
        FROM (
            SELECT raw_key AS key, observatory_id, id AS frame, NULL::uuid AS master, 'raw/' AS place FROM frame
            UNION ALL SELECT key, observatory_id, frame_id, master_id, 'products/' FROM product
        ) o WHERE NOT starts_with(key, place || observatory_id || '/')
        """,
    ),
    _foreign(
        "rig-of-other-observatory", "a frame",
        """
        SELECT what || ' ' || o.id || ' and its rig belong to different observatories' AS sentence,
            CASE what WHEN 'frame' THEN o.id END AS frame, CASE what WHEN 'master' THEN o.id END AS master
        FROM (
            SELECT 'frame' AS what, id, rig_id, observatory_id FROM frame
            UNION ALL SELECT 'master', id, rig_id, observatory_id FROM master
        ) o JOIN rig r ON r.id = o.rig_id WHERE r.observatory_id <> o.observatory_id
        """,
    ),
    _foreign(
        "master-of-other-observatory", "a master's pixels",
        """
        SELECT 'master ' || m.id || ' is made of or used by frame ' || f.id || ' of another observatory' AS sentence,
            m.id AS master, f.id AS frame
        FROM (
            SELECT master_id, frame_id FROM master_component
            UNION ALL SELECT unnest(ARRAY[dark_id, flat_id, bias_id]), frame_id FROM frame_calibration
        ) l JOIN master m ON m.id = l.master_id JOIN frame f ON f.id = l.frame_id
        WHERE m.observatory_id <> f.observatory_id
        """,
    ),
    _foreign(
        "stack-of-other-observatory", "a stack",
        """
        SELECT what || ' of job ' || o.job_id || ' and the job belong to different observatories' AS sentence,
            o.job_id AS job
        FROM (
            SELECT 'the request' AS what, job_id, observatory_id FROM stack_request
            UNION ALL SELECT 'the dead letter', job_id, observatory_id FROM parked WHERE observatory_id IS NOT NULL
            UNION ALL SELECT 'the master', job_id, observatory_id FROM master
        ) o JOIN job j ON j.id = o.job_id WHERE j.observatory_id <> o.observatory_id
        """,
    ),
)  # fmt: skip

AUDIT = (
    Question(
        "I11",
        "audit-can-be-changed",
        "someone with access to the database could rewrite who did what",
        "run `pictor setup` of a clean installation and compare; find out who dropped the trigger",
        """
        SELECT 'the trigger that keeps the audit log append-only is missing or off' AS sentence
        WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'audit_append_only' AND tgenabled <> 'D')
        """,
    ),
)

SEEN = (
    Question(
        "I2", "frame-corrupt", "the stored bytes of a frame are not those that were uploaded: it cannot be processed",
        "send the frame again with `pictor upload`, or restore the object from a backup; then: " + AGAIN,
        """
        SELECT 'frame ' || id || ' (' || name || ') was found damaged: ' || coalesce(message, reason) AS sentence,
            id AS frame, raw_key AS key
        FROM frame WHERE reason IN ('corrupt-source', 'source-missing')
        """,
    ),
)  # fmt: skip
"""What workers met on their way: told even when the objects are not read."""

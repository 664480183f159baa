"""Questions whose answer must be "none": what the check asks the database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.state.belonging import AUDIT, LIBRARY, TENANCY
from pictor.state.database import Connection, Pool
from pictor.state.questions import ACCEPTED, COMPLETE, FLOW, OPEN, RESULTS, Question

FLOW_QUESTIONS: tuple[Question, ...] = (ACCEPTED, *RESULTS, *FLOW, *LIBRARY, *TENANCY, *AUDIT)
QUESTIONS: tuple[Question, ...] = (*FLOW_QUESTIONS, *COMPLETE)

TOLD = 200
"""Offenders of one question that are kept; beyond that they are counted."""

BATCH = 5000
"""Rows fetched at a time: memory does not grow with the installation."""


@dataclass(frozen=True, slots=True)
class StoredThing:
    """An object something in the database refers to."""

    key: str
    size: int
    """Bytes of the object; what it stands for may be longer (``parameters``)."""
    sha256: str
    kind: str
    """``raw``, or the kind of product."""
    content_type: str
    frame: UUID | None
    master: UUID | None
    parameters: dict[str, Any]

    @property
    def what(self) -> str:
        """What the object is, in words."""
        return f"{self.kind} of {'frame' if self.frame else 'master'} {self.frame or self.master}"


@dataclass(slots=True)
class Answer:
    """Who violates one question: the first of them, and how many there are."""

    question: Question
    offenders: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0


async def rows(db: Connection, sql: str, *values: object) -> AsyncIterator[Any]:
    """Stream the rows of a query through a cursor."""
    async with db.transaction(readonly=True):
        async for row in db.cursor(sql, *values, prefetch=BATCH):
            yield row


async def ask(db: Connection, question: Question) -> Answer:
    """Ask one question; the offenders are dictionaries of what it selects."""
    answer = Answer(question)
    async for row in rows(db, f"SELECT to_jsonb(o) AS offender FROM ({question.sql}) AS o"):  # noqa: S608 - constants
        answer.count += 1
        if answer.count <= TOLD:
            answer.offenders.append({name: value for name, value in row["offender"].items() if value is not None})
    return answer


async def violations(db: Connection) -> list[tuple[str, str, list[str]]]:
    """Ask whether the flow is whole; return (invariant, what it would mean, sentences)."""
    answers = [await ask(db, question) for question in FLOW_QUESTIONS]
    return [
        (one.question.invariant, one.question.meaning, [str(offender["sentence"]) for offender in one.offenders])
        for one in answers
    ]


RAW_THINGS = """
    SELECT raw_key AS key, size, sha256, 'raw' AS kind, 'binary/octet-stream' AS content_type, id AS frame,
        NULL::uuid AS master, '{}'::jsonb AS parameters, id FROM frame
"""
MADE_THINGS = """
    SELECT key, coalesce((parameters->>'kept_size')::bigint, size) AS size, sha256, kind, content_type,
        frame_id AS frame, master_id AS master, parameters, id FROM product
"""


async def stored_things(pool: Pool) -> AsyncIterator[StoredThing]:
    """Stream every object that must be in the store; no transaction stays open between two batches."""
    for source in (RAW_THINGS, MADE_THINGS):
        last = UUID(int=0)
        while found := await pool.fetch(f"{source} WHERE id > $1 ORDER BY id LIMIT $2", last, BATCH):
            for row in found:
                yield _thing(row)
            last = found[-1]["id"]


def _thing(row: Any) -> StoredThing:  # noqa: ANN401 - an asyncpg record
    return StoredThing(**{name: row[name] for name in StoredThing.__dataclass_fields__})


async def things_of(db: Connection, keys: list[str]) -> dict[str, StoredThing]:
    """Return what refers to these objects at this moment."""
    raw = [(parts[1], parts[3], key) for key in keys if len(parts := key.split("/")) == 4 and parts[0] == "raw"]
    places, digests, _ = zip(*raw, strict=True) if raw else ((), (), ())
    found = await db.fetch(
        f"""
        {RAW_THINGS} WHERE (observatory_id, sha256) IN (
            SELECT o.id, w.sha256 FROM unnest($1::text[], $2::text[]) AS w (place, sha256)
            JOIN observatory o ON o.id::text = w.place
        ) AND raw_key = ANY($3)
        UNION ALL {MADE_THINGS} WHERE key = ANY($3)
        """,  # noqa: S608 - constants
        list(places), list(digests), keys,
    )  # fmt: skip
    return {row["key"]: _thing(row) for row in found}


async def uploads(db: Connection, frame_ids: list[str], sha256s: list[str]) -> list[tuple[str, str, int, str]]:
    """Return (id, SHA-256, size, key) of the frames that have one of these ids or contents."""
    found = await db.fetch(
        """
        SELECT id::text, sha256, size, raw_key FROM frame WHERE id = ANY($1::uuid[])
        UNION SELECT f.id::text, f.sha256, f.size, f.raw_key FROM observatory o
            JOIN frame f ON f.observatory_id = o.id AND f.sha256 = ANY($2)
        """,
        frame_ids, sha256s,
    )  # fmt: skip
    return [tuple(row) for row in found]


async def deleted(db: Connection, frame_ids: list[str]) -> set[str]:
    """Return those of the frames that a person deleted."""
    found = await db.fetch("SELECT object FROM audit WHERE action = 'frame.delete' AND object = ANY($1)", frame_ids)
    return {row["object"] for row in found}


async def sees_all(db: Connection) -> bool:
    """Say whether row-level security hides nothing from this session: a check that sees nothing finds nothing."""
    answer: bool = await db.fetchval("SELECT app_sees_all()")
    return answer


async def open_jobs(db: Connection) -> int:
    """Count jobs that have not ended."""
    count: int = await db.fetchval("SELECT count(*) FROM job WHERE state IN ('pending', 'running')")
    return count


async def waiting(db: Connection) -> list[tuple[str, str, int]]:
    """Return for what the open jobs wait: (module, state of its run, jobs)."""
    found = await db.fetch(
        f"""
        SELECT r.module, r.state, count(*) FROM module_run r JOIN job j ON j.id = r.job_id
        WHERE j.state IN {OPEN} AND r.state IN {OPEN} AND r.ordered_at IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2
        """  # noqa: S608 - constants
    )
    return [tuple(row) for row in found]


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has been ordered and has not ended."""

    job: UUID
    module: str
    run: int
    state: str
    lane: str
    bus_seq: int | None
    touched_at: datetime


async def open_runs(db: Connection, *, older_than_s: float) -> AsyncIterator[OpenRun]:
    """Stream the runs that should have a message on the bus by now; those whose message waits to be sent do not."""
    sql = f"""
        SELECT r.job_id AS job, r.module, r.run, r.state, j.lane, r.bus_seq,
            greatest(r.ordered_at, r.lease_until) AS touched_at
        FROM module_run r JOIN job j ON j.id = r.job_id
        WHERE j.state IN {OPEN} AND r.order_body IS NOT NULL AND r.state IN {OPEN}
            AND greatest(r.ordered_at, r.lease_until) < now() - make_interval(secs => $1)
            AND NOT EXISTS (
                SELECT FROM outbox o WHERE o.job_id = r.job_id AND o.module = r.module
                    AND o.sent_at IS NULL AND o.parked_at IS NULL
            )
    """  # noqa: S608 - constants
    async for row in rows(db, sql, older_than_s):
        yield OpenRun(**dict(row))


async def runs_ended(db: Connection, wanted: list[tuple[UUID, str, int]]) -> dict[tuple[UUID, str, int], float]:
    """Return those of (job, module, run) that are over, and for how many seconds; unknown ones are over for ever."""
    jobs, modules, numbers = zip(*wanted, strict=True) if wanted else ((), (), ())
    found = await db.fetch(
        f"""
        SELECT w.job, w.module, w.run, coalesce(extract(epoch FROM now() - coalesce(r.finished_at, j.finished_at)), 1e9)
            AS ago
        FROM unnest($1::uuid[], $2::text[], $3::int[]) AS w (job, module, run)
        LEFT JOIN job j ON j.id = w.job LEFT JOIN module_run r ON r.job_id = w.job AND r.module = w.module
        WHERE j.id IS NULL OR r.job_id IS NULL OR j.state NOT IN {OPEN} OR r.state NOT IN {OPEN} OR r.run <> w.run
        """,  # noqa: S608 - constants
        list(jobs), list(modules), list(numbers),
    )  # fmt: skip
    return {(row["job"], row["module"], row["run"]): float(row["ago"]) for row in found}


async def letters(db: Connection) -> list[tuple[str, str, int]]:
    """Count dead letters nobody has decided about: (module, reason, how many)."""
    found = await db.fetch(
        "SELECT module, reason, count(*) FROM parked WHERE settled_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return [tuple(row) for row in found]


async def running_attempts(db: Connection) -> set[tuple[str, str, int]]:
    """Return (job, module, attempt) of every run somebody works on."""
    found = await db.fetch("SELECT job_id::text, module, attempt FROM module_run WHERE state = 'running'")
    return {tuple(row) for row in found}

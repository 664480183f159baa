"""The outbox: messages that become real with the transaction that wrote them."""

import json
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from pictor.contracts.messages import M, Subject
from pictor.contracts.work import WorkOrder
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message waiting to be published."""

    id: int
    subject: str
    stream: str
    msg_id: str
    body: bytes
    headers: dict[str, str]
    job_id: str | None
    module: str | None


def _outgoing(row: Any) -> Outgoing:  # noqa: ANN401 - an asyncpg record
    return Outgoing(
        id=row["id"],
        subject=row["subject"],
        stream=row["stream"],
        msg_id=row["msg_id"],
        body=json.dumps(row["body"]).encode(),
        headers=row["headers"],
        job_id=str(row["job_id"]) if row["job_id"] else None,
        module=row["module"],
    )


@dataclass(frozen=True, slots=True)
class Draft:
    """One message to be written into the outbox."""

    subject: str
    stream: str
    msg_id: str
    body: dict[str, Any]
    headers: dict[str, str]
    job_id: UUID | None
    module: str | None


def draft(subject: Subject[M], message: M, *, headers: dict[str, str] | None = None) -> Draft:
    """Address a message.

    An order gets an identity of its own row: published twice it is one, but the same run ordered anew (after a dead
    letter was put back) is not taken for a duplicate. Claims, not the broker, make runs happen once.
    """
    order = message if isinstance(message, WorkOrder) else None
    return Draft(
        subject=subject.address(message),
        stream=subject.stream,
        msg_id=message.dedup_id if order is None else f"{message.dedup_id}:{uuid4().hex[:12]}",
        body=message.model_dump(mode="json"),
        headers=headers or {},
        job_id=order.job_id if order else None,
        module=str(order.module) if order else None,
    )


async def put(db: Connection, subject: Subject[M], message: M, *, headers: dict[str, str] | None = None) -> Outgoing:
    """Write a message into the outbox of the current transaction."""
    (outgoing,) = await put_all(db, [draft(subject, message, headers=headers)])
    return outgoing


_PUT = """
    INSERT INTO outbox (subject, stream, msg_id, body, headers, job_id, module)
    SELECT subject, stream, msg_id, body, headers, job_id, module
    FROM unnest($1::text[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[], $6::uuid[], $7::text[])
        WITH ORDINALITY AS d (subject, stream, msg_id, body, headers, job_id, module, place)
    ORDER BY place RETURNING id
"""

_NOTED = """
    WITH noted AS (
        UPDATE module_run r SET ordered_at = now(), order_body = d.body, run = (d.body ->> 'run')::integer
        FROM unnest($4::jsonb[], $6::uuid[], $7::text[]) AS d (body, job_id, module)
        WHERE r.job_id = d.job_id AND r.module = d.module
    )
"""


async def put_all(db: Connection, drafts: list[Draft]) -> list[Outgoing]:
    """Write messages into the outbox of the current transaction, in this order.

    An order is remembered with its run, too, so that it can be given again from the database alone.
    """
    rows = await db.fetch(
        (_NOTED if any(one.module for one in drafts) else "") + _PUT,
        *([getattr(one, name) for one in drafts] for name in Draft.__dataclass_fields__),
    )
    return [
        Outgoing(
            id=row["id"], subject=one.subject, stream=one.stream, msg_id=one.msg_id,
            body=json.dumps(one.body).encode(), headers=one.headers,
            job_id=str(one.job_id) if one.job_id else None, module=one.module,
        )
        for row, one in zip(rows, drafts, strict=True)
    ]  # fmt: skip


async def take_unsent(db: Connection, *, older_than_s: float, limit: int = 100, hold_s: float = 20.0) -> list[Outgoing]:
    """Take unsent messages whose time has come, those never refused first; for a while no other relay takes them.

    A message that failed waits for its own next try, so that it hides none behind it.
    """
    rows = await db.fetch(
        """
        WITH taken AS (
            SELECT id FROM outbox
            WHERE sent_at IS NULL AND parked_at IS NULL AND created_at <= now() - make_interval(secs => $1)
                AND (next_try_at IS NULL OR next_try_at <= now())
            ORDER BY tries, id LIMIT $2 FOR UPDATE SKIP LOCKED
        ), held AS (
            UPDATE outbox o SET next_try_at = now() + make_interval(secs => $3) FROM taken WHERE o.id = taken.id
            RETURNING o.*
        )
        SELECT * FROM held ORDER BY id
        """,
        older_than_s, limit, hold_s,
    )  # fmt: skip
    return [_outgoing(row) for row in rows]


async def release(db: Connection, ids: list[int]) -> None:
    """Let messages be tried again at once: nothing was wrong with them, the bus was away."""
    await db.execute("UPDATE outbox SET next_try_at = NULL WHERE id = ANY($1) AND sent_at IS NULL", ids)


async def refused(db: Connection, errors: dict[int, str]) -> dict[int, int]:
    """Note that the bus refused messages; their next try comes later and later. Returns how often each was refused."""
    rows = await db.fetch(
        """
        UPDATE outbox o SET tries = tries + 1, last_error = f.error,
            next_try_at = now() + make_interval(secs => least(60, power(2, least(tries + 1, 6))))
        FROM unnest($1::bigint[], $2::text[]) AS f (id, error) WHERE o.id = f.id AND o.sent_at IS NULL
        RETURNING o.id, o.tries
        """,
        list(errors), list(errors.values()),
    )  # fmt: skip
    return {row["id"]: row["tries"] for row in rows}


async def park(db: Connection, outbox_id: int, error: str) -> bool:
    """Take a message off the relay for good, or until somebody puts it back; False when it was sent meanwhile."""
    answer = await db.fetchval(
        """
        UPDATE outbox SET parked_at = now(), last_error = $2 WHERE id = $1 AND sent_at IS NULL AND parked_at IS NULL
        RETURNING true
        """,
        outbox_id, error,
    )  # fmt: skip
    return bool(answer)


async def unpark(db: Connection, outbox_id: int) -> bool:
    """Give a parked message back to the relay."""
    answer = await db.fetchval(
        """
        UPDATE outbox SET parked_at = NULL, tries = 0, next_try_at = NULL WHERE id = $1 AND sent_at IS NULL
        RETURNING true
        """,
        outbox_id,
    )
    return bool(answer)


async def mark_sent(db: Connection, sent: list[tuple[int, int]]) -> None:
    """Record that messages (id, stream sequence) are on the bus; orders remember where."""
    ids, sequences = [number for number, _ in sent], [sequence for _, sequence in sent]
    await db.execute(
        """
        WITH done AS (
            UPDATE outbox o SET sent_at = now(), bus_seq = s.seq
            FROM unnest($1::bigint[], $2::bigint[]) AS s (id, seq) WHERE o.id = s.id
            RETURNING o.job_id, o.module, s.seq
        )
        UPDATE module_run r SET bus_seq = done.seq
        FROM done WHERE r.job_id = done.job_id AND r.module = done.module
        """,
        ids, sequences,
    )  # fmt: skip


async def was_ordered(db: Connection, job_id: UUID) -> bool:
    """Say whether we ever gave an order for a job; if so and the job is gone, its frame was deleted."""
    answer: bool = await db.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE job_id = $1)", job_id)
    return answer


async def unsent_count(db: Connection, *, older_than_s: float = 30.0) -> int:
    """Count messages that should have been published by now."""
    count: int = await db.fetchval(
        """
        SELECT count(*) FROM outbox
        WHERE sent_at IS NULL AND parked_at IS NULL AND created_at < now() - make_interval(secs => $1)
        """,
        older_than_s,
    )
    return count


async def forget_sent(db: Connection, *, days: float = 7.0) -> None:
    """Delete messages published long ago, and parked ones that somebody has decided about."""
    await db.execute(
        """
        DELETE FROM outbox o WHERE sent_at < now() - make_interval(days => $1::int) OR (
            parked_at < now() - make_interval(days => $1::int)
            AND NOT EXISTS (SELECT FROM parked p WHERE p.outbox_id = o.id AND p.settled_at IS NULL)
        )
        """,
        int(days),
    )


async def rename(db: Connection, message: Outgoing, msg_id: str) -> Outgoing:
    """Give a message another identity, so that the broker does not take it for a duplicate."""
    await db.execute("UPDATE outbox SET msg_id = $2 WHERE id = $1", message.id, msg_id)
    return replace(message, msg_id=msg_id)

"""Answers given under an Idempotency-Key."""

from dataclasses import dataclass

from pictor.state.database import Connection

KEPT = "1 day"
GIVEN_UP = "2 minutes"
"""A request without an answer for this long died with its process; the next one may try."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The request that used a key first, and its answer where there is one."""

    request_sha256: bytes
    status: int | None
    headers: dict[str, str]
    body: bytes


async def claim(db: Connection, caller: str, key: str, request_sha256: bytes) -> Earlier | None:
    """Take a key for a request; returns who has it already, or None when it is ours."""
    await db.execute(f"DELETE FROM idempotency WHERE begun_at < now() - interval '{KEPT}'")  # noqa: S608 - a constant
    ours = await db.fetchval(
        f"""
        INSERT INTO idempotency AS known (caller, key, request_sha256) VALUES ($1, $2, $3)
        ON CONFLICT (caller, key) DO UPDATE SET begun_at = now()
        WHERE known.status IS NULL AND known.request_sha256 = excluded.request_sha256
            AND known.begun_at < now() - interval '{GIVEN_UP}'
        RETURNING true
        """,  # noqa: S608 - a constant
        caller, key, request_sha256,
    )  # fmt: skip
    if ours:
        return None
    row = await db.fetchrow(
        "SELECT request_sha256, status, headers, body FROM idempotency WHERE caller = $1 AND key = $2", caller, key
    )
    if row is None:
        return Earlier(request_sha256, None, {}, b"")
    return Earlier(bytes(row["request_sha256"]), row["status"], row["headers"] or {}, bytes(row["body"] or b""))


async def keep(db: Connection, caller: str, key: str, *, status: int, headers: dict[str, str], body: bytes) -> None:
    """Remember the answer of a request."""
    await db.execute(
        "UPDATE idempotency SET status = $3, headers = $4, body = $5 WHERE caller = $1 AND key = $2",
        caller, key, status, headers, body,
    )  # fmt: skip


async def release(db: Connection, caller: str, key: str) -> None:
    """Give a key back whose request changed nothing."""
    await db.execute("DELETE FROM idempotency WHERE caller = $1 AND key = $2 AND status IS NULL", caller, key)

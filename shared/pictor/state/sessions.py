"""Browser sessions and one-time login codes; of both only digests are kept."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that showed a token, or a person's password."""

    token_id: str | None
    account_id: UUID | None
    csrf: str
    expires_at: datetime


async def create(db: Connection, id_sha256: bytes, token_id: str, csrf: str, *, hours: int) -> None:
    """Begin a session; it never outlives its token."""
    await db.execute(
        """
        INSERT INTO session (id_sha256, token_id, csrf, expires_at)
        SELECT $1, id, $3, least(expires_at, now() + make_interval(hours => $4)) FROM token WHERE id = $2
        """,
        id_sha256, token_id, csrf, hours,
    )  # fmt: skip


async def create_for(db: Connection, id_sha256: bytes, account_id: UUID, csrf: str, *, hours: int) -> None:
    """Begin a session of a person."""
    await db.execute(
        """
        INSERT INTO session (id_sha256, account_id, csrf, expires_at)
        VALUES ($1, $2, $3, now() + make_interval(hours => $4))
        """,
        id_sha256, account_id, csrf, hours,
    )  # fmt: skip


async def get(db: Connection, id_sha256: bytes) -> Session | None:
    """Return a session that has not expired."""
    row = await db.fetchrow(
        "SELECT token_id, account_id, csrf, expires_at FROM session WHERE id_sha256 = $1 AND expires_at > now()",
        id_sha256,
    )
    return None if row is None else Session(**dict(row))


async def goes_on(db: Connection, id_sha256: bytes) -> bool:
    """Say whether a session has neither ended nor expired at this moment."""
    answer: bool = await db.fetchval(
        "SELECT EXISTS (SELECT FROM session WHERE id_sha256 = $1 AND expires_at > now())", id_sha256
    )
    return answer


async def end(db: Connection, id_sha256: bytes) -> None:
    """End a session."""
    await db.execute("DELETE FROM session WHERE id_sha256 = $1", id_sha256)


async def create_code(
    db: Connection, code_sha256: bytes, *, minutes: int, token_id: str | None = None, account_id: UUID | None = None
) -> None:
    """Keep a login code of a token or of a person; it works once, for some minutes."""
    await db.execute(
        """
        INSERT INTO login_code (code_sha256, token_id, account_id, expires_at)
        VALUES ($1, $2, $3, now() + make_interval(mins => $4))
        """,
        code_sha256, token_id, account_id, minutes,
    )  # fmt: skip


async def redeem_code(db: Connection, code_sha256: bytes) -> tuple[str | None, UUID | None] | None:
    """Use a login code up; returns the token or the person it stands for, None if it is unknown, used or too old."""
    row = await db.fetchrow(
        "DELETE FROM login_code WHERE code_sha256 = $1 AND expires_at > now() RETURNING token_id, account_id",
        code_sha256,
    )
    return None if row is None else (row["token_id"], row["account_id"])


async def forget_expired(db: Connection) -> None:
    """Delete sessions and codes that are over."""
    await db.execute("DELETE FROM session WHERE expires_at < now()")
    await db.execute("DELETE FROM login_code WHERE expires_at < now()")

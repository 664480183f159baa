"""Tokens: who they stand for; of the secret only its SHA-256 is known here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.access import Role, Scope
from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret."""

    id: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    observatory_id: UUID | None
    rig_id: UUID | None
    created_by: str | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    rotated_at: datetime | None
    parent: str | None
    lineage: tuple[str, ...]
    account_id: UUID | None
    alive: bool


_SELECT = "SELECT *, revoked_at IS NULL AND expires_at > now() AS alive FROM token "


def _token(row: Any) -> Token:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in Token.__dataclass_fields__}
    values["role"] = Role(row["role"])
    values["scopes"] = frozenset(Scope(name) for name in row["scopes"])
    values["lineage"] = tuple(row["lineage"])
    return Token(**values)


async def create(
    db: Connection, token_id: str, secret_sha256: bytes, *,
    name: str, role: Role, scopes: frozenset[Scope], observatory_id: UUID | None, rig_id: UUID | None,
    created_by: str | None, days: int, account_id: UUID | None = None,
) -> Token:  # fmt: skip
    """Insert a token that lives for some days."""
    row = await db.fetchrow(
        """
        INSERT INTO token (id, secret_sha256, name, role, scopes, observatory_id, rig_id, created_by, account_id,
            expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(days => $10)) RETURNING *, true AS alive
        """,
        token_id, secret_sha256, name, str(role), sorted(scopes), observatory_id, rig_id, created_by, account_id, days,
    )  # fmt: skip
    return _token(row)


async def rotate(
    db: Connection, old: Token, token_id: str, secret_sha256: bytes, *, created_by: str, days: int, overlap_hours: int
) -> Token | None:
    """Insert the successor of a token, which ends when the overlap does; None when it has one already."""
    row = await db.fetchrow(
        """
        INSERT INTO token (id, secret_sha256, name, role, scopes, observatory_id, rig_id, account_id, created_by,
            parent, lineage, expires_at)
        SELECT $2, $3, name, role, scopes, observatory_id, rig_id, account_id, $4, id, lineage || id,
            now() + make_interval(days => $5)
        FROM token WHERE id = $1 AND rotated_at IS NULL AND revoked_at IS NULL AND expires_at > now()
        ON CONFLICT (parent) WHERE parent IS NOT NULL DO NOTHING RETURNING *, true AS alive
        """,
        old.id, token_id, secret_sha256, created_by, days,
    )  # fmt: skip
    if row is None:
        return None
    await db.execute(
        """
        UPDATE token SET rotated_at = now(), expires_at = least(expires_at, now() + make_interval(hours => $2))
        WHERE id = $1
        """,
        old.id, overlap_hours,
    )  # fmt: skip
    return _token(row)


async def find(db: Connection, token_id: str) -> tuple[Token, bytes] | None:
    """Return a token, dead or alive, and the digest of its secret."""
    row = await db.fetchrow(_SELECT + "WHERE id = $1", token_id)
    return None if row is None else (_token(row), bytes(row["secret_sha256"]))


async def hold(db: Connection, token_id: str) -> bool:
    """Say whether a token is good, and let nobody revoke it before the transaction ends."""
    answer = await db.fetchval(
        "SELECT true FROM token WHERE id = $1 AND revoked_at IS NULL AND expires_at > now() FOR SHARE", token_id
    )
    return bool(answer)


async def is_alive(db: Connection, token_id: str) -> bool:
    """Say whether a token is neither revoked nor expired at this moment."""
    answer: bool = await db.fetchval(
        "SELECT EXISTS (SELECT FROM token WHERE id = $1 AND revoked_at IS NULL AND expires_at > now())", token_id
    )
    return answer


async def used(db: Connection, token_id: str) -> None:
    """Remember that a token was used, to the minute."""
    await db.execute(
        """
        UPDATE token SET last_used_at = now()
        WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
        """,
        token_id,
    )


async def page(
    db: Connection, observatories: list[UUID] | None, *,
    of: list[str], limit: int = 50, offset: int = 0,
) -> tuple[list[Token], int]:  # fmt: skip
    """Return one page of the tokens of some observatories (None: all) and of some makers, newest first; and a count."""
    where = """
        WHERE $1::uuid[] IS NULL OR (observatory_id = ANY($1) AND role <> 'server-admin')
            OR created_by = ANY($2) OR 'token:' || id = ANY($2) OR 'user:' || account_id = ANY($2)
    """
    rows = await db.fetch(
        _SELECT + where + "ORDER BY created_at DESC, id LIMIT $3 OFFSET $4", observatories, of, limit, offset
    )
    total: int = await db.fetchval("SELECT count(*) FROM token " + where, observatories, of)  # noqa: S608
    return [_token(row) for row in rows], total


async def revoke(db: Connection, token_id: str) -> bool:
    """Revoke a token and end its sessions; False when it was revoked before."""
    answer = await db.fetchval(
        "UPDATE token SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING true", token_id
    )
    await db.execute("DELETE FROM session WHERE token_id = $1", token_id)
    await db.execute("DELETE FROM login_code WHERE token_id = $1", token_id)
    return bool(answer)


async def of_account(db: Connection, account_id: UUID) -> list[str]:
    """Return the ids of all tokens of a person."""
    rows = await db.fetch("SELECT id FROM token WHERE account_id = $1", account_id)
    return [row["id"] for row in rows]


async def server_admins(db: Connection) -> int:
    """Count living tokens of server administrators."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM token WHERE role = 'server-admin' AND revoked_at IS NULL AND expires_at > now()"
    )
    return count

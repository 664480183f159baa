"""People: accounts, and of which observatories they are members or administrators."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.state.database import Connection, storable


@dataclass(frozen=True, slots=True)
class User:
    """A person; of the password nothing but whether there is one."""

    id: UUID
    name: str
    display_name: str
    server_admin: bool
    has_password: bool
    disabled_at: datetime | None
    created_by: str
    created_at: datetime
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A person's place at an observatory."""

    user_id: UUID
    name: str
    display_name: str
    observatory_id: UUID
    observatory: str
    can_admin: bool
    disabled: bool
    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person may do at this moment: where a member, where an administrator."""

    user: User
    places: dict[UUID, bool]


_SELECT = "SELECT *, password_hash IS NOT NULL AS has_password FROM account "
_MEMBER = """
    SELECT m.account_id AS user_id, a.name, a.display_name, m.observatory_id, o.slug AS observatory, m.can_admin,
        a.disabled_at IS NOT NULL AS disabled, m.added_by, m.added_at
    FROM membership m JOIN account a ON a.id = m.account_id JOIN observatory o ON o.id = m.observatory_id
"""


def _user(row: Any) -> User:  # noqa: ANN401 - an asyncpg record
    return User(**{name: row[name] for name in User.__dataclass_fields__})


async def create(
    db: Connection, user_id: UUID, name: str, display_name: str, *, server_admin: bool, created_by: str
) -> User | None:
    """Insert a user without a password; None when the name is taken."""
    row = await db.fetchrow(
        """
        INSERT INTO account (id, name, display_name, server_admin, created_by) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (name) DO NOTHING RETURNING *, false AS has_password
        """,
        user_id, name, display_name, server_admin, created_by,
    )  # fmt: skip
    return None if row is None else _user(row)


async def get(db: Connection, user_id: UUID) -> User | None:
    """Return a user."""
    row = await db.fetchrow(_SELECT + "WHERE id = $1", user_id)
    return None if row is None else _user(row)


async def page(db: Connection, *, limit: int = 50, offset: int = 0) -> tuple[list[User], int]:
    """Return one page of users by name, and how many there are."""
    rows = await db.fetch(_SELECT + "ORDER BY name LIMIT $1 OFFSET $2", limit, offset)
    total: int = await db.fetchval("SELECT count(*) FROM account")
    return [_user(row) for row in rows], total


async def by_name(db: Connection, name: str) -> tuple[User, str | None] | None:
    """Return the user of a login name and the hash of the password."""
    row = await db.fetchrow(_SELECT + "WHERE name = $1", storable(name))
    return None if row is None else (_user(row), row["password_hash"])


async def password_of(db: Connection, user_id: UUID) -> str | None:
    """Return the hash of a user's password."""
    stored: str | None = await db.fetchval("SELECT password_hash FROM account WHERE id = $1", user_id)
    return stored


async def set_password(db: Connection, user_id: UUID, password_hash: str | None) -> None:
    """Keep the hash of a new password, or take the password away."""
    await db.execute(
        "UPDATE account SET password_hash = $2, password_changed_at = now() WHERE id = $1", user_id, password_hash
    )


async def logged_in(db: Connection, user_id: UUID) -> None:
    """Remember when a user logged in."""
    await db.execute("UPDATE account SET last_login_at = now() WHERE id = $1", user_id)


async def change(db: Connection, user_id: UUID, display_name: str, *, server_admin: bool, disabled: bool) -> None:
    """Rename a user, and say whether it is a server administrator and whether it may log in at all."""
    await db.execute(
        """
        UPDATE account SET display_name = $2, server_admin = $3,
            disabled_at = CASE WHEN $4 THEN coalesce(disabled_at, now()) END
        WHERE id = $1
        """,
        user_id, display_name, server_admin, disabled,
    )  # fmt: skip


async def end_sessions(db: Connection, user_id: UUID, *, but: bytes | None = None) -> None:
    """End the sessions of a user (but one), and the links that would begin another."""
    await db.execute(
        "DELETE FROM session WHERE account_id = $1 AND ($2::bytea IS NULL OR id_sha256 <> $2)", user_id, but
    )
    await db.execute("DELETE FROM login_code WHERE account_id = $1", user_id)


async def standing(db: Connection, user_id: UUID) -> Standing | None:
    """Return what a user may do; None for a disabled one."""
    row = await db.fetchrow(_SELECT + "WHERE id = $1 AND disabled_at IS NULL", user_id)
    if row is None:
        return None
    places = await db.fetch("SELECT observatory_id, can_admin FROM membership WHERE account_id = $1", user_id)
    return Standing(_user(row), {place["observatory_id"]: place["can_admin"] for place in places})


async def hold(db: Connection, user_id: UUID) -> bool:
    """Say whether a user may log in, and let nobody disable it before the transaction ends."""
    answer = await db.fetchval("SELECT true FROM account WHERE id = $1 AND disabled_at IS NULL FOR SHARE", user_id)
    return bool(answer)


async def members(db: Connection, observatory_id: UUID) -> list[Membership]:
    """Return the members of an observatory by name."""
    rows = await db.fetch(_MEMBER + "WHERE m.observatory_id = $1 ORDER BY a.name", observatory_id)
    return [Membership(**dict(row)) for row in rows]


async def memberships(db: Connection, user_ids: list[UUID]) -> list[Membership]:
    """Return where some users are members."""
    rows = await db.fetch(_MEMBER + "WHERE m.account_id = ANY($1) ORDER BY o.slug", user_ids)
    return [Membership(**dict(row)) for row in rows]


async def names(db: Connection, observatories: list[UUID] | None) -> dict[UUID, str]:
    """Return the login names of the members of some observatories (None: of everybody)."""
    rows = await db.fetch(
        """
        SELECT id, name FROM account a WHERE $1::uuid[] IS NULL
            OR EXISTS (SELECT FROM membership m WHERE m.account_id = a.id AND m.observatory_id = ANY($1))
        """,
        observatories,
    )
    return {row["id"]: row["name"] for row in rows}


async def join(db: Connection, user_id: UUID, observatory_id: UUID, *, can_admin: bool, added_by: str) -> None:
    """Make a user a member or an administrator of an observatory."""
    await db.execute(
        """
        INSERT INTO membership (account_id, observatory_id, can_admin, added_by) VALUES ($1, $2, $3, $4)
        ON CONFLICT (account_id, observatory_id) DO UPDATE SET can_admin = excluded.can_admin
        """,
        user_id, observatory_id, can_admin, added_by,
    )  # fmt: skip


async def leave(db: Connection, user_id: UUID, observatory_id: UUID) -> bool:
    """End a membership; False when there was none."""
    found = await db.fetchval(
        "DELETE FROM membership WHERE account_id = $1 AND observatory_id = $2 RETURNING true", user_id, observatory_id
    )
    return bool(found)

"""Whether the database keeps what it says it keeps, and who we are there: by the server's own report."""

from dataclasses import dataclass

import asyncpg

WANTED = {
    "fsync": ("on", "a power cut would lose or damage frames that were accepted; set fsync = on"),
    "full_page_writes": ("on", "a power cut could tear pages for good; set full_page_writes = on"),
    "synchronous_commit": ("on", "a power cut would lose accepted frames; set synchronous_commit = on"),
    "data_checksums": ("on", "a damaged disk would go unnoticed; make the cluster with initdb --data-checksums"),
    "password_encryption": ("scram-sha-256", "passwords are kept weakly; set password_encryption = scram-sha-256"),
}
"""What the server must report, and what it means when it does not."""

STRONGER = frozenset({"remote_apply", "remote_write"})
"""Values of ``synchronous_commit`` that wait for more than ``on`` does."""

LOSING = frozenset({"fsync", "full_page_writes", "synchronous_commit"})
"""What loses acknowledged data: not to be run with."""


@dataclass(frozen=True, slots=True)
class Weakness:
    """Something about the database that is weaker than it should be."""

    grave: bool
    sentence: str


async def weaknesses(db: asyncpg.Connection) -> list[Weakness]:
    """Ask the server how it keeps data; return what is weaker than it should be, the grave ones first."""
    rows = await db.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", list(WANTED))
    found = [
        Weakness(row["name"] in LOSING, f"the database has {row['name']} = {row['setting']}: {WANTED[row['name']][1]}")
        for row in rows
        if row["setting"] != WANTED[row["name"]][0] and row["setting"] not in STRONGER
    ]
    return sorted(found, key=lambda one: not one.grave)


async def overpowered(db: asyncpg.Connection) -> str | None:
    """Say what the role we are may do beyond its work; None when it is an ordinary one."""
    row = await db.fetchrow(
        """
        SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles
        WHERE rolname = current_user
        """
    )
    powers = [] if row is None else [name for name in row.keys() if name != "rolname" and row[name]]  # noqa: SIM118
    if not powers:
        return None
    return f"the role {row['rolname']} has {', '.join(powers)}: row-level security does not bind it; use a role without"

"""Databases emptied between tests, the audit log included: only an administrator can, past triggers and references."""

from pictor.state.database import Connection

KEPT = frozenset({"schema_migration", "audit_end"})


async def empty(admin: Connection) -> None:
    """Take back every row of every table, as if the schema had just been made.

    Tables without rows are left alone: a test fills a few of many, and TRUNCATE makes new files for each.
    """
    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = sorted({row["tablename"] for row in tables} - KEPT)
    asked = " UNION ALL ".join(f"SELECT '{name}' AS name WHERE EXISTS (SELECT FROM {name})" for name in names)  # noqa: S608
    filled = [row["name"] for row in await admin.fetch(asked)]
    counted = await admin.fetch(
        "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL"
    )
    deletions = [f"DELETE FROM {name}" for name in filled]  # noqa: S608 - names from the catalogue
    restarts = [f"ALTER SEQUENCE {row['sequencename']} RESTART" for row in counted]
    chain = "UPDATE audit_end SET place = 0, sha256 = sha256('Pictor')"
    async with admin.transaction():
        await admin.execute("; ".join(["SET LOCAL session_replication_role = replica", *deletions, *restarts, chain]))

"""Which role may do what to which table: least rights, granted anew after every migration.

``pictor_setup`` owns the schema and is used by the setup job alone. The others log in for one class of services each;
none of them owns anything, and none may empty a table, disable a trigger or see past row-level security.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from pictor.contracts.modules import Service

OWNER = "pictor_setup"
GATEWAY = "pictor_gateway"
INGEST = "pictor_ingest"
MODULE = "pictor_module"
STACKER = "pictor_stacker"
READONLY = "pictor_readonly"

OWNER_CONNECTIONS = 4
"""The setup job is alone."""

LIMITS = {
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
}
"""What a session of any role is held to, unless it asks for another limit itself."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role that logs in: how many sessions it may have, and its rights (S, I, U, D) by table."""

    connections: int
    rights: Mapping[str, str]


_FLOW = {
    "schema_migration": "S", "observatory": "S", "rig": "S", "frame": "S", "job": "SU", "module_run": "SUD",
    "outbox": "SIU", "parked": "SI", "product": "SIU", "stack_request": "SU",
}  # fmt: skip
"""What every module does with its order: claim and end a run, pass the job on, record products, park."""

ROLES: Mapping[str, Role] = {
    GATEWAY: Role(40, {
        "schema_migration": "S", "observatory": "SIU", "rig": "SIU", "token": "SIU", "session": "SID",
        "login_code": "SID", "account": "SIU", "membership": "SIUD", "frame": "SIUD", "job": "SIUD",
        "module_run": "SIUD", "outbox": "SIUD", "parked": "SIU", "product": "SIUD", "frame_quality": "SD",
        "frame_grade": "SID", "frame_solution": "SD", "frame_calibration": "SD", "calibration_policy": "SIU",
        "calibration_note": "SIUD", "calibration_mode": "SU", "master": "SIUD", "master_component": "SID",
        "stack_request": "SIUD", "detector_reading": "SID", "bad_pixel_list": "SIUD", "light_set": "SD",
        "master_upload": "SIUD",
        "audit": "SI", "audit_end": "S",
        "observatory_use": "S", "observatory_quota": "SIU", "idempotency": "SIUD",
    }),
    INGEST: Role(12, {**_FLOW, "frame": "SU", "calibration_policy": "S"}),
    MODULE: Role(40, {
        **_FLOW, "frame": "SU", "frame_quality": "SIU", "frame_grade": "SI", "frame_solution": "SIU",
        "frame_calibration": "SIU", "calibration_policy": "S", "master": "S", "master_component": "S",
        "light_set": "SIU",
    }),
    STACKER: Role(12, {
        **_FLOW, "product": "SIUD", "job": "SIU", "module_run": "SIUD", "calibration_policy": "S",
        "calibration_note": "SIUD",
        "master": "SIU", "master_component": "SI", "stack_request": "SIU", "frame_quality": "S", "frame_grade": "S",
        "frame": "SU", "calibration_mode": "SU", "detector_reading": "SIU", "bad_pixel_list": "S", "light_set": "SIU",
        "frame_calibration": "SIU", "master_upload": "S",
    }),
    READONLY: Role(6, {}),
}  # fmt: skip

CONNECTIONS: Mapping[str, int] = {OWNER: OWNER_CONNECTIONS, **{name: role.connections for name, role in ROLES.items()}}
"""Sessions each role may have; together they leave an administrator room among 120."""

ROLE_OF: Mapping[Service, str] = {
    Service.GATEWAY: GATEWAY,
    Service.INGEST: INGEST,
    Service.HEADER: MODULE,
    Service.PREVIEW: MODULE,
    Service.QUALITY: MODULE,
    Service.ASTROMETRY: MODULE,
    Service.CALIBRATION_STACKER: STACKER,
}

_WORDS = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}

HIDDEN_FROM_READONLY = frozenset({"session", "login_code", "account", "idempotency"})
"""Tables the check has no question about, and whose rows let somebody in."""


async def grant_all(db: asyncpg.Connection) -> None:
    """Secure every table's rows, and give each role that exists its rights and no other."""
    await db.execute("SELECT secure_tenants()")
    known = {row["rolname"] for row in await db.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1)", [*ROLES])}
    tables = [row["tablename"] for row in await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    await db.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")
    for role in sorted(known):
        await db.execute("; ".join(_statements(role, tables)))


def _statements(role: str, tables: list[str]) -> list[str]:
    granted = ROLES[role].rights
    if role == READONLY:
        granted = {table: "S" for table in tables if table not in HIDDEN_FROM_READONLY}
    statements = [f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}", f"GRANT USAGE ON SCHEMA public TO {role}"]
    for letters in sorted(set(granted.values())):
        named = ", ".join(table for table in sorted(granted) if granted[table] == letters and table in tables)
        if named:
            statements.append(f"GRANT {', '.join(_WORDS[letter] for letter in letters)} ON {named} TO {role}")
    return statements

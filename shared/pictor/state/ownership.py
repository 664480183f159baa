"""Whose a row is, by what it is called in an answer and its id; asked by the audit log alone."""

from uuid import UUID

from pictor.state.database import Connection

_OWNER = {
    "frame": "SELECT observatory_id FROM frame WHERE id = $1::uuid",
    "job": "SELECT observatory_id FROM job WHERE id = $1::uuid",
    "master": "SELECT observatory_id FROM master WHERE id = $1::uuid",
    "rig": "SELECT observatory_id FROM rig WHERE id = $1::uuid",
    "observatory": "SELECT id FROM observatory WHERE id::text = $1 OR slug = $1",
    "calibration frame": (
        "SELECT observatory_id FROM master WHERE id = $1::uuid "
        "UNION ALL SELECT observatory_id FROM frame WHERE id = $1::uuid"
    ),
    "token": "SELECT observatory_id FROM token WHERE id = $1",
}


async def owner(db: Connection, what: str, object_id: str) -> UUID | None:
    """Return the observatory something belongs to; None if there is no such thing."""
    query = _OWNER.get(what)
    found: UUID | None = None if query is None else await db.fetchval(query, object_id)
    return found

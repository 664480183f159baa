"""The names of filters in use, as headers write them, and the rigs that use them."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Spelled:
    """A filter as frames and masters name it: observatories and names, side by side."""

    observatories: tuple[UUID, ...] = ()
    names: tuple[str, ...] = ()


AMONG = "({alias}.observatory_id, {alias}.filter) IN (SELECT * FROM unnest({{}}::uuid[], {{}}::text[]))"
AMONG_FRAMES, AMONG_MASTERS = AMONG.format(alias="f"), AMONG.format(alias="m")
"""Conditions on what is spelled, with the places of its two lists."""


async def in_use(db: Connection, observatories: Collection[UUID]) -> dict[UUID, list[str]]:
    """Return the names that frames and masters of observatories have for filters.

    Leaps from one name to the next in their index, however many frames there are.
    """
    rows = await db.fetch(
        """
        SELECT o.id, found.name FROM unnest($1::uuid[]) AS o(id), LATERAL (
            (WITH RECURSIVE named (name) AS (
                (SELECT f.filter FROM frame f WHERE f.observatory_id = o.id AND f.filter IS NOT NULL
                    ORDER BY f.filter LIMIT 1)
                UNION ALL
                SELECT (
                    SELECT f.filter FROM frame f WHERE f.observatory_id = o.id AND f.filter > named.name
                    ORDER BY f.filter LIMIT 1
                ) FROM named WHERE named.name IS NOT NULL
            )
            SELECT name FROM named WHERE name IS NOT NULL)
            UNION SELECT m.filter FROM master m WHERE m.observatory_id = o.id AND m.filter IS NOT NULL
        ) found ORDER BY 1, 2
        """,
        list(observatories),
    )
    found: dict[UUID, list[str]] = {one: [] for one in observatories}
    for row in rows:
        found[row["id"]].append(row["name"])
    return found


async def rigs_with(db: Connection, observatory_id: UUID, names: Collection[str]) -> list[str]:
    """Return the rigs whose frames have one of these names, a camera where a frame has no rig."""
    rows = await db.fetch(
        """
        SELECT r.id::text AS rig FROM rig r WHERE r.observatory_id = $1 AND EXISTS (
            SELECT FROM frame f WHERE f.observatory_id = $1 AND f.filter = ANY($2) AND f.rig_id = r.id
        )
        UNION SELECT coalesce(f.camera, 'None') FROM frame f
        WHERE f.observatory_id = $1 AND f.filter = ANY($2) AND f.rig_id IS NULL
        ORDER BY 1
        """,
        observatory_id, list(names),
    )  # fmt: skip
    return [row["rig"] for row in rows]

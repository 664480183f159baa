"""The names of filters in use: as headers write them, by rig."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Spelled:
    """A filter as frames and masters name it: observatories, rigs and names, side by side."""

    observatories: tuple[UUID, ...] = ()
    rigs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


AMONG_FRAMES = """(f.observatory_id, coalesce(f.rig_id::text, f.camera, 'None'), f.filter)
    IN (SELECT * FROM unnest({}::uuid[], {}::text[], {}::text[]))"""
AMONG_MASTERS = """(m.observatory_id, coalesce(m.facts#>>'{{mode,rig_id}}', 'None'), m.filter)
    IN (SELECT * FROM unnest({}::uuid[], {}::text[], {}::text[]))"""
"""Conditions on what is spelled, with the places of its three lists."""

_OF_FRAMES = """
    WITH RECURSIVE named (rig, name) AS (
        (SELECT coalesce(f.rig_id::text, f.camera, 'None'), f.filter FROM frame f
            WHERE f.observatory_id = o.id AND f.filter IS NOT NULL AND {of_rig}
            ORDER BY coalesce(f.rig_id::text, f.camera, 'None'), f.filter LIMIT 1)
        UNION ALL
        SELECT following.rig, following.name FROM named, LATERAL (
            SELECT coalesce(f.rig_id::text, f.camera, 'None') AS rig, f.filter AS name FROM frame f
            WHERE f.observatory_id = o.id AND f.filter IS NOT NULL AND {of_rig}
                AND (coalesce(f.rig_id::text, f.camera, 'None'), f.filter) > (named.rig, named.name)
            ORDER BY coalesce(f.rig_id::text, f.camera, 'None'), f.filter LIMIT 1
        ) following
    )
    SELECT rig, name FROM named
"""
"""Leaps from one distinct name to the next in its index, however many frames there are."""


async def in_use(
    db: Connection, observatories: Collection[UUID], *, rig: str | None = None
) -> dict[UUID, list[tuple[str, str]]]:
    """Return the rigs of observatories (or one of them) and the names their frames and masters have for filters."""
    of_rig = "true" if rig is None else "coalesce(f.rig_id::text, f.camera, 'None') = $2"
    of_masters = "true" if rig is None else "m.facts#>>'{mode,rig_id}' = $2"
    rows = await db.fetch(
        f"""
        SELECT o.id, found.rig, found.name FROM unnest($1::uuid[]) AS o(id), LATERAL (
            ({_OF_FRAMES.format(of_rig=of_rig)}) UNION
            SELECT coalesce(m.facts#>>'{{mode,rig_id}}', 'None'), m.filter FROM master m
            WHERE m.observatory_id = o.id AND m.filter IS NOT NULL AND {of_masters}
        ) found ORDER BY 1, 2, 3
        """,  # noqa: S608 - constants
        list(observatories), *([] if rig is None else [rig]),
    )  # fmt: skip
    found: dict[UUID, list[tuple[str, str]]] = {one: [] for one in observatories}
    for row in rows:
        found[row["id"]].append((row["rig"], row["name"]))
    return found

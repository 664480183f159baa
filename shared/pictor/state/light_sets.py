"""One set of masters for all lights of a camera mode, night, target, filter and exposure; and the lights made with it.

`pictor.runtime.choosing` says when a set is kept and when it is chosen anew.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import ProductKind
from pictor.state.database import Connection
from pictor.state.frames import SELECT, Frame, frame_of

CALIBRATED = (ProductKind.CALIBRATED, ProductKind.CALIBRATED_CLEAN)
"""Products that are a cache: whoever asks for one again has it made anew."""


@dataclass(frozen=True, slots=True)
class SetKey:
    """What the lights of one set have in common."""

    observatory_id: UUID
    camera_mode: str
    night: date
    target: str
    filter: str
    exposure_s: float
    names: tuple[str, ...] = ()
    """Every name of the filter; none: the one."""

    @property
    def filters(self) -> list[str]:
        """The names by which lights of the set may call their filter."""
        return list(self.names or (self.filter,))


@dataclass(frozen=True, slots=True)
class LightSet:
    """The masters of a group of lights by place, and the time they were chosen for; a place may be empty."""

    key: SetKey
    reference_utc: datetime
    masters: dict[str, UUID]
    chosen_at: datetime | None = None


def key_of(frame: Frame) -> SetKey | None:
    """Return the set a light belongs to; None for one without night or camera mode, which stands alone."""
    if frame.night is None or frame.camera_mode is None:
        return None
    return SetKey(
        frame.observatory_id, frame.camera_mode, frame.night, frame.target or "", frame.filter or "",
        frame.exposure_s or 0.0,
    )  # fmt: skip


async def of_lights(db: Connection, key: SetKey) -> LightSet | None:
    """Return the set of a group of lights, if it was decided about; of several names the first decision counts."""
    row = await db.fetchrow(
        """
        SELECT * FROM light_set WHERE observatory_id = $1 AND camera_mode = $2 AND night = $3 AND target = $4
            AND filter = ANY($5) AND exposure_s = $6
        ORDER BY reference_utc, filter LIMIT 1
        """,
        key.observatory_id, key.camera_mode, key.night, key.target, key.filters, key.exposure_s,
    )  # fmt: skip
    return None if row is None else _set(replace(key, filter=row["filter"]), row)


def _set(key: SetKey, row: Any) -> LightSet:  # noqa: ANN401 - an asyncpg record
    masters = {place: UUID(found) for place, found in row["masters"].items() if found}
    return LightSet(key, row["reference_utc"], masters, row["chosen_at"])


async def first_light(db: Connection, key: SetKey) -> Frame | None:
    """Return the earliest registered light of a group."""
    row = await db.fetchrow(
        SELECT
        + """
        WHERE f.observatory_id = $1 AND f.night = $3 AND f.camera_mode = $2 AND f.state = 'registered'
            AND f.frame_type = 'light' AND NOT f.is_master AND coalesce(f.target, '') = $4
            AND coalesce(f.filter, '') = ANY($5) AND coalesce(f.exposure_s, 0) = $6
        ORDER BY f.start_utc NULLS LAST, f.id LIMIT 1
        """,
        key.observatory_id, key.camera_mode, key.night, key.target, key.filters, key.exposure_s,
    )  # fmt: skip
    return None if row is None else frame_of(row)


async def put(db: Connection, chosen: LightSet, *, before: LightSet | None) -> LightSet:
    """Keep a set unless somebody else did so since ``before`` was read; return the one that holds."""
    key = chosen.key
    masters = {place: str(found) for place, found in chosen.masters.items()}
    await db.execute(
        """
        INSERT INTO light_set AS known (observatory_id, camera_mode, night, target, filter, exposure_s, reference_utc,
            masters)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (observatory_id, camera_mode, night, target, filter, exposure_s) DO UPDATE
            SET masters = excluded.masters, chosen_at = clock_timestamp() WHERE known.chosen_at = $9
        """,
        key.observatory_id, key.camera_mode, key.night, key.target, key.filter, key.exposure_s, chosen.reference_utc,
        masters, before.chosen_at if before else None,
    )  # fmt: skip
    return await of_lights(db, key) or chosen


async def forget_calibrated(
    db: Connection, observatory_id: UUID, masters: Collection[UUID] | None = None, *, drop_sets: bool = False
) -> list[str]:
    """Forget the calibrated lights made with masters that are superseded, recalled or deleted.

    Call it in the transaction that changes the masters, and delete the returned objects after it. A light that is being
    calibrated at this moment may still be kept with the old master; its key then tells that it is out of date.

    Parameters
    ----------
    observatory_id
        Whose lights.
    masters
        The masters concerned; None clears the whole cache of the observatory.
    drop_sets
        Whether the sets that hold one of the masters are dropped as well: for recalled and deleted masters, which no
        light may get any more, not for superseded ones, which a night that began with them keeps.

    Returns
    -------
    list of str
        Keys of the objects nobody refers to any more.
    """
    ids = None if masters is None else [str(one) for one in masters]
    rows = await db.fetch(
        """
        DELETE FROM product WHERE kind IN ('calibrated', 'calibrated-clean') AND observatory_id = $1
            AND ($2::text[] IS NULL OR parameters->'master_ids' ?| $2::text[])
        RETURNING key
        """,
        observatory_id, ids,
    )  # fmt: skip
    if drop_sets:
        await db.execute(
            """
            DELETE FROM light_set WHERE observatory_id = $1 AND ($2::text[] IS NULL
                OR masters->>'dark' = ANY($2) OR masters->>'flat' = ANY($2) OR masters->>'bias' = ANY($2))
            """,
            observatory_id, ids,
        )  # fmt: skip
    return [row["key"] for row in rows]


async def forget_one(db: Connection, key: str) -> bool:
    """Forget one calibrated light whose bytes are gone or damaged; whoever asks has it made anew."""
    gone = await db.fetchval(
        "DELETE FROM product WHERE key = $1 AND kind IN ('calibrated', 'calibrated-clean') RETURNING true", key
    )
    return bool(gone)


async def made_with(db: Connection, observatory_id: UUID, masters: Collection[UUID]) -> list[tuple[UUID, ProductKind]]:
    """Return the cached calibrated lights made with any of these masters."""
    rows = await db.fetch(
        """
        SELECT frame_id, kind FROM product WHERE kind IN ('calibrated', 'calibrated-clean') AND observatory_id = $1
            AND parameters->'master_ids' ?| $2::text[] ORDER BY frame_id, kind
        """,
        observatory_id, [str(one) for one in masters],
    )  # fmt: skip
    return [(row["frame_id"], ProductKind(row["kind"])) for row in rows]


async def cached(db: Connection, observatories: Collection[UUID]) -> int:
    """Count the cached calibrated lights of some observatories."""
    count: int = await db.fetchval(
        """
        SELECT count(*) FROM product WHERE kind IN ('calibrated', 'calibrated-clean') AND observatory_id = ANY($1)
        """,
        list(observatories),
    )
    return count

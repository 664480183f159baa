"""Observatories and rigs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.modules import Module
from pictor.state.database import Connection

FOUNDING_LOCK = 7_420_115
"""Key of the advisory lock held while the first observatory and token are made."""


@dataclass(frozen=True, slots=True)
class Observatory:
    """A site with its registered position and the modules it switched off."""

    id: UUID
    slug: str
    name: str
    latitude_deg: float | None
    longitude_deg: float | None
    elevation_m: float | None
    modules_off: tuple[Module, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Rig:
    """One camera on one telescope; what is set here wins over the header."""

    id: UUID
    observatory_id: UUID
    name: str
    camera: str | None = None
    telescope: str | None = None
    focal_mm: float | None = None
    pixel_um: float | None = None
    egain: float | None = None
    read_noise_e: float | None = None
    row_order: str | None = None
    mirrored: bool | None = None
    created_at: datetime | None = None


def _observatory(row: Any) -> Observatory:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in Observatory.__dataclass_fields__}
    values["modules_off"] = tuple(Module(name) for name in row["modules_off"])
    return Observatory(**values)


def _rig(row: Any) -> Rig:  # noqa: ANN401 - an asyncpg record
    return Rig(**{name: row[name] for name in Rig.__dataclass_fields__})


async def get(db: Connection, observatory_id: UUID) -> Observatory | None:
    """Return one observatory."""
    row = await db.fetchrow("SELECT * FROM observatory WHERE id = $1", observatory_id)
    return None if row is None else _observatory(row)


async def rig(db: Connection, rig_id: UUID) -> Rig | None:
    """Return one rig."""
    row = await db.fetchrow("SELECT * FROM rig WHERE id = $1", rig_id)
    return None if row is None else _rig(row)


async def create(
    db: Connection, observatory_id: UUID, slug: str, name: str, *,
    latitude_deg: float | None = None, longitude_deg: float | None = None, elevation_m: float | None = None,
) -> Observatory | None:  # fmt: skip
    """Insert an observatory; None when the slug is taken."""
    row = await db.fetchrow(
        """
        INSERT INTO observatory (id, slug, name, latitude_deg, longitude_deg, elevation_m)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (slug) DO NOTHING RETURNING *
        """,
        observatory_id, slug, name, latitude_deg, longitude_deg, elevation_m,
    )  # fmt: skip
    return None if row is None else _observatory(row)


async def by_slug(db: Connection, slug: str) -> Observatory | None:
    """Return the observatory of a slug."""
    row = await db.fetchrow("SELECT * FROM observatory WHERE slug = $1", slug)
    return None if row is None else _observatory(row)


async def visible(db: Connection, observatories: list[UUID] | None) -> list[Observatory]:
    """Return the given observatories (None: all) by name."""
    rows = await db.fetch(
        "SELECT * FROM observatory WHERE $1::uuid[] IS NULL OR id = ANY($1) ORDER BY name, slug", observatories
    )
    return [_observatory(row) for row in rows]


async def set_site(
    db: Connection, observatory_id: UUID, name: str, *,
    latitude_deg: float | None, longitude_deg: float | None, elevation_m: float | None,
) -> None:  # fmt: skip
    """Rename an observatory and place it."""
    await db.execute(
        "UPDATE observatory SET name = $2, latitude_deg = $3, longitude_deg = $4, elevation_m = $5 WHERE id = $1",
        observatory_id, name, latitude_deg, longitude_deg, elevation_m,
    )  # fmt: skip


async def switch_modules(db: Connection, observatory_id: UUID, modules_off: tuple[Module, ...]) -> None:
    """Say which modules new jobs of an observatory leave out."""
    await db.execute(
        "UPDATE observatory SET modules_off = $2 WHERE id = $1", observatory_id, [str(module) for module in modules_off]
    )


async def create_rig(db: Connection, new: Rig) -> Rig | None:
    """Insert a rig; None when the observatory has one of that name."""
    row = await db.fetchrow(
        """
        INSERT INTO rig (id, observatory_id, name, camera, telescope, focal_mm, pixel_um, egain, read_noise_e,
            row_order, mirrored)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (observatory_id, name) DO NOTHING RETURNING *
        """,
        new.id, new.observatory_id, new.name, new.camera, new.telescope, new.focal_mm, new.pixel_um, new.egain,
        new.read_noise_e, new.row_order, new.mirrored,
    )  # fmt: skip
    return None if row is None else _rig(row)


async def replace_rig(db: Connection, changed: Rig) -> bool:
    """Replace what is known about a rig; False when another rig has its name."""
    answer = await db.fetchval(
        """
        UPDATE rig SET name = $2, camera = $3, telescope = $4, focal_mm = $5, pixel_um = $6, egain = $7,
            read_noise_e = $8, row_order = $9, mirrored = $10
        WHERE id = $1 AND NOT EXISTS (
            SELECT FROM rig other WHERE other.observatory_id = rig.observatory_id AND other.name = $2 AND other.id <> $1
        ) RETURNING true
        """,
        changed.id, changed.name, changed.camera, changed.telescope, changed.focal_mm, changed.pixel_um,
        changed.egain, changed.read_noise_e, changed.row_order, changed.mirrored,
    )  # fmt: skip
    return bool(answer)


async def rigs(db: Connection, observatories: list[UUID] | None) -> list[Rig]:
    """Return the rigs of the given observatories (None: of all) by name."""
    rows = await db.fetch(
        "SELECT * FROM rig WHERE $1::uuid[] IS NULL OR observatory_id = ANY($1) ORDER BY name, id", observatories
    )
    return [_rig(row) for row in rows]


async def rig_by_name(db: Connection, observatory_id: UUID, name: str) -> Rig | None:
    """Return the rig of a name at an observatory."""
    row = await db.fetchrow("SELECT * FROM rig WHERE observatory_id = $1 AND name = $2", observatory_id, name)
    return None if row is None else _rig(row)


async def lock_founding(db: Connection) -> None:
    """Let one process at a time found an installation, until the transaction ends."""
    await db.execute("SELECT pg_advisory_xact_lock($1)", FOUNDING_LOCK)

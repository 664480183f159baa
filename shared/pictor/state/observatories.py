"""Observatories and rigs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.modules import Module
from pictor.state.database import Connection


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
    camera: str | None
    telescope: str | None
    focal_mm: float | None
    pixel_um: float | None
    egain: float | None
    read_noise_e: float | None
    row_order: str | None
    mirrored: bool | None
    created_at: datetime


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

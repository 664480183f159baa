"""The calibration settings of observatories: what each changed; what is not named has the default of the program."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.state.database import Connection

SETTINGS = (
    "min_frames", "camera_type", "stacking_method", "sigma_clip_value", "sigma_clip_iterations",
    "temperature_tolerance_c", "dark_max_age_days", "flat_max_age_days", "bias_max_age_days",
    "individual_retention_days", "master_retention_days", "flat_rotation", "rotation_tolerance_deg",
    "exposure_tolerance_s", "exposure_tolerance_share", "flat_dark_exposure_share", "dark_scale_min", "dark_scale_max",
    "bias_for_flats_below_s", "refresh_new_frames", "filters_as_named", "filter_synonyms", "filters_apart",
)  # fmt: skip
"""Columns of the table, in the order they are shown; those of ``Policy``."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The settings an observatory changed, and who changed them last."""

    settings: dict[str, Any]
    version: int = 0
    changed_by: str | None = None
    changed_at: datetime | None = None


async def policy_of(db: Connection, observatory_id: UUID) -> dict[str, Any]:
    """Return the settings an observatory changed."""
    return (await stored(db, observatory_id)).settings


async def stored(db: Connection, observatory_id: UUID) -> Stored:
    """Return the settings an observatory changed, with their version (0: never changed)."""
    row = await db.fetchrow("SELECT * FROM calibration_policy WHERE observatory_id = $1", observatory_id)
    if row is None:
        return Stored({})
    known = {name: row[name] for name in SETTINGS if row[name] is not None}
    return Stored(known, row["version"], row["changed_by"], row["changed_at"])


async def save(
    db: Connection, observatory_id: UUID, settings: dict[str, Any], *, changed_by: str, version: int | None = None
) -> int | None:
    """Replace the settings of an observatory; what is not named has its default again.

    Returns
    -------
    int or None
        The new version; None when ``version`` is given and somebody else changed the settings since.
    """
    values = [settings.get(name) for name in SETTINGS]
    names = ", ".join(SETTINGS)
    places = ", ".join(f"${number}" for number in range(4, 4 + len(SETTINGS)))
    update = ", ".join(f"{name} = excluded.{name}" for name in SETTINGS)
    number: int | None = await db.fetchval(
        f"""
        INSERT INTO calibration_policy AS known (observatory_id, changed_by, {names})
        SELECT $1, $2, {places} WHERE coalesce($3, 0) = 0 OR EXISTS (
            SELECT FROM calibration_policy WHERE observatory_id = $1
        )
        ON CONFLICT (observatory_id) DO UPDATE SET {update}, version = known.version + 1,
            changed_by = excluded.changed_by, changed_at = now()
            WHERE $3::integer IS NULL OR known.version = $3
        RETURNING version
        """,  # noqa: S608 - column names are constants of this module
        observatory_id, changed_by, version, *values,
    )  # fmt: skip
    return number

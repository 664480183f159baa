"""Astrometric solutions of light frames."""

from typing import Any
from uuid import UUID

from pictor.contracts.solutions import Solution
from pictor.state.database import Connection

_FACTS = (
    "ra_deg", "dec_deg", "scale_arcsec", "pa_deg", "parity", "width_deg", "height_deg", "corners", "matched",
    "rms_arcsec", "rms_px", "target_offset_arcsec", "mount_offset_arcsec", "solver",
)  # fmt: skip
_PHOTOMETRY = ("zero_point_mag", "zero_point_scatter_mag", "limiting_mag", "sky_mag_arcsec2")
"""Facts kept in the details."""


async def save_solution(
    db: Connection, frame_id: UUID, job_id: UUID, solution: Solution, *,
    healpix: int | None, cards: list[list[Any]], details: dict[str, Any],
) -> None:  # fmt: skip
    """Record a verified solution; solving again replaces it."""
    names = ", ".join(_FACTS)
    slots = ", ".join(f"${number}" for number in range(7, 7 + len(_FACTS)))
    update = ", ".join(f"{name} = excluded.{name}" for name in _FACTS)
    values = solution.model_dump(mode="json")
    await db.execute(
        f"""
        INSERT INTO frame_solution (frame_id, job_id, healpix, cards, details, star_index, {names})
        VALUES ($1, $2, $3, $4, $5, $6, {slots})
        ON CONFLICT (frame_id) DO UPDATE SET job_id = excluded.job_id, healpix = excluded.healpix,
            cards = excluded.cards, details = excluded.details, star_index = excluded.star_index, {update},
            solved_at = now()
        """,  # noqa: S608 - column names are constants of this module
        frame_id, job_id, healpix, cards, details, solution.index, *(values[name] for name in _FACTS),
    )  # fmt: skip


async def solution_of(db: Connection, frame_id: UUID) -> Solution | None:
    """Return a frame's solution, once solved."""
    row = await db.fetchrow("SELECT * FROM frame_solution WHERE frame_id = $1", frame_id)
    if row is None:
        return None
    light = (row["details"] or {}).get("photometry") or {}
    facts = {name: row[name] for name in _FACTS} | {name: light.get(name) for name in _PHOTOMETRY}
    return Solution(**facts, index=row["star_index"])


async def cards_of(db: Connection, frame_id: UUID) -> list[list[Any]] | None:
    """Return the WCS cards of a frame, once solved."""
    cards: list[list[Any]] | None = await db.fetchval("SELECT cards FROM frame_solution WHERE frame_id = $1", frame_id)
    return cards

"""Masters, the requests that make them, and the individual frames they are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.contracts.masters import MasterState
from pictor.state.database import Connection

LIBRARY_LOCK = 7_420_114
"""First key of the advisory locks that serialise decisions about one camera mode."""


@dataclass(frozen=True, slots=True)
class Master:
    """A stack of a group and what became of it."""

    id: UUID
    observatory_id: UUID
    rig_id: UUID | None
    job_id: UUID | None
    state: MasterState
    frame_type: FrameType
    group_key: str
    camera_mode: str
    facts: dict[str, Any]
    ncombine: int
    policy: dict[str, Any]
    statistics: dict[str, Any]
    reasons: tuple[str, ...]
    taken_at: datetime | None
    created_at: datetime | None = None
    origin: str = "stack"
    camera_name: str | None = None
    expired_at: datetime | None = None
    reviewed_by: str | None = None
    recalled_at: datetime | None = None
    recall_reason: str | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None


async def lock_library(db: Connection, observatory_id: UUID, camera_mode: str) -> None:
    """Let one decision at a time be made about a camera mode, until the transaction ends."""
    await db.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", LIBRARY_LOCK, f"{observatory_id}/{camera_mode}")


async def due_modes(db: Connection) -> list[tuple[UUID, str]]:
    """Return every (observatory, camera mode) something changed in since its groups were decided about."""
    rows = await db.fetch(
        """
        SELECT observatory_id, camera_mode FROM calibration_mode WHERE decided_at IS NULL OR decided_at < changed_at
        ORDER BY changed_at
        """
    )
    return [(row["observatory_id"], row["camera_mode"]) for row in rows]


async def changed_at(db: Connection, observatory_id: UUID, camera_mode: str) -> datetime | None:
    """Return when something last changed in a camera mode; ask before its frames are read."""
    when: datetime | None = await db.fetchval(
        "SELECT changed_at FROM calibration_mode WHERE observatory_id = $1 AND camera_mode = $2",
        observatory_id, camera_mode,
    )  # fmt: skip
    return when


async def decided(db: Connection, observatory_id: UUID, camera_mode: str, seen: datetime) -> None:
    """Record that all changes up to a time were decided about; later ones stay due."""
    await db.execute(
        "UPDATE calibration_mode SET decided_at = $3 WHERE observatory_id = $1 AND camera_mode = $2",
        observatory_id, camera_mode, seen,
    )  # fmt: skip


async def usable(db: Connection, observatory_id: UUID, camera_mode: str) -> list[Master]:
    """Return the active and superseded masters of a camera mode."""
    rows = await db.fetch(
        """
        SELECT * FROM master WHERE observatory_id = $1 AND camera_mode = $2 AND state IN ('active', 'superseded')
        ORDER BY created_at
        """,
        observatory_id, camera_mode,
    )  # fmt: skip
    return [_master(row) for row in rows]


async def usable_for(
    db: Connection, observatory_id: UUID, rig_id: UUID | None, camera_mode: str, *, limit: int = 2500
) -> list[Master]:
    """Return the usable masters of a rig; those of other camera modes come last, for a miss wants an explanation.

    Superseded ones of the light's own mode are never crowded out: an old light gets the master of its time.
    """
    rows = await db.fetch(
        """
        SELECT * FROM master WHERE observatory_id = $1 AND state IN ('active', 'superseded')
            AND (rig_id = $2 OR camera_mode = $3)
        ORDER BY (camera_mode = $3) DESC, (state = 'active') DESC, created_at DESC LIMIT $4
        """,
        observatory_id, rig_id, camera_mode, limit,
    )  # fmt: skip
    return [_master(row) for row in rows]


async def get(db: Connection, master_id: UUID) -> Master | None:
    """Return one master."""
    row = await db.fetchrow("SELECT * FROM master WHERE id = $1", master_id)
    return None if row is None else _master(row)


def _master(row: Any) -> Master:  # noqa: ANN401 - an asyncpg record
    values = {name: row[name] for name in Master.__dataclass_fields__}
    values["state"] = MasterState(row["state"])
    values["frame_type"] = FrameType(row["frame_type"])
    values["reasons"] = tuple(row["reasons"])
    return Master(**values)


async def dark_recalled(db: Connection, flat: Master) -> bool:
    """Tell whether the dark that was taken off a master flat has been recalled since."""
    dark = flat.statistics.get("made_with", {}).get("dark_id")
    if dark is None:
        return False
    found: bool = await db.fetchval(
        "SELECT EXISTS (SELECT FROM master WHERE id = $1 AND recalled_at IS NOT NULL)", UUID(dark)
    )
    return found


async def components(db: Connection, master_id: UUID) -> set[UUID]:
    """Return the frames a master was made of."""
    rows = await db.fetch("SELECT frame_id FROM master_component WHERE master_id = $1", master_id)
    return {row["frame_id"] for row in rows}


async def save(
    db: Connection, master: Master, sources: list[tuple[UUID, str]], *, also: Sequence[str] = ()
) -> list[UUID]:  # fmt: skip
    """Record a master; an active one supersedes the group's old one in the same transaction.

    ``also`` names groups that a change of settings made one with the master's own.

    Returns
    -------
    list of UUID
        The masters it superseded.
    """
    await lock_library(db, master.observatory_id, master.camera_mode)
    superseded = await _supersede(db, master, also) if master.state is MasterState.ACTIVE else []
    await _insert(db, master)
    await db.execute("UPDATE master SET superseded_by = $1 WHERE id = ANY($2)", master.id, superseded)
    await db.executemany(
        "INSERT INTO master_component (master_id, frame_id, sha256) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(master.id, frame_id, sha256) for frame_id, sha256 in sources],
    )
    if master.state is MasterState.ACTIVE:
        await claim_frames(db, master.id)
    return superseded


async def _supersede(db: Connection, master: Master, also: Sequence[str]) -> list[UUID]:
    rows = await db.fetch(
        """
        UPDATE master SET state = 'superseded', superseded_at = now()
        WHERE observatory_id = $1 AND group_key = ANY($2) AND state = 'active' AND id <> $3 RETURNING id
        """,
        master.observatory_id, [master.group_key, *also], master.id,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def _insert(db: Connection, master: Master) -> None:
    await db.execute(
        """
        INSERT INTO master (id, observatory_id, rig_id, job_id, state, frame_type, group_key, camera_mode, facts,
            ncombine, policy, statistics, reasons, taken_at, origin, camera_name, filter, exposure_s, gain_setting,
            offset_setting, binning_x, temp_c, rotator_deg, first_at, last_at)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $13, $14, $15, $16, f.filter, f.exposure_s,
            m.gain_setting, m.offset_setting, m.binning_x, f.temp_c, f.rotator_deg, $17, $18
        FROM jsonb_to_record($9::jsonb) AS f (
            filter text, exposure_s float8, temp_c float8, rotator_deg float8, mode jsonb
        ), jsonb_to_record(coalesce(f.mode, '{}')) AS m (gain_setting float8, offset_setting float8, binning_x integer)
        ON CONFLICT (id) DO NOTHING
        """,
        master.id, master.observatory_id, master.rig_id, master.job_id, str(master.state), str(master.frame_type),
        master.group_key, master.camera_mode, master.facts, master.ncombine, master.policy, master.statistics,
        list(master.reasons), master.taken_at, master.origin, master.camera_name, master.first_at, master.last_at,
    )  # fmt: skip


async def claim_frames(db: Connection, master_id: UUID) -> None:
    """Remember of each individual frame the active master it is in, and when a master first used it."""
    await db.execute(
        """
        UPDATE frame f SET mastered_by = NULL FROM master m
        WHERE m.id = f.mastered_by AND m.superseded_by = $1
        """,
        master_id,
    )
    await db.execute(
        """
        UPDATE frame f SET mastered_by = $1, used_at = coalesce(f.used_at, now())
        FROM master_component c WHERE c.master_id = $1 AND c.frame_id = f.id
        """,
        master_id,
    )


async def save_use(
    db: Connection, frame_id: UUID, job_id: UUID, masters: dict[str, UUID | None], *,
    weak: bool, explanation: dict[str, Any],
) -> None:  # fmt: skip
    """Record which masters a light was measured with, or why with none."""
    await db.execute(
        """
        INSERT INTO frame_calibration (frame_id, job_id, dark_id, flat_id, bias_id, weak, explanation)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (frame_id) DO UPDATE SET job_id = excluded.job_id, dark_id = excluded.dark_id,
            flat_id = excluded.flat_id, bias_id = excluded.bias_id, weak = excluded.weak,
            explanation = excluded.explanation, made_at = now()
        """,
        frame_id, job_id, masters.get("dark"), masters.get("flat"), masters.get("bias"), weak, explanation,
    )  # fmt: skip


async def use_of(db: Connection, frame_id: UUID) -> dict[str, Any] | None:
    """Return which masters a light was measured with, and the explanation."""
    row = await db.fetchrow("SELECT * FROM frame_calibration WHERE frame_id = $1", frame_id)
    return None if row is None else dict(row)

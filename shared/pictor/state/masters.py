"""Masters, the requests that make them, and the individual frames they are made of."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.contracts.masters import MasterState
from pictor.state.database import Connection
from pictor.state.frames import SELECT, Frame, frame_of

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


@dataclass(frozen=True, slots=True)
class StackRequest:
    """The wish to stack one group, with everything frozen at the time of the decision."""

    job_id: UUID
    observatory_id: UUID
    group_key: str
    frame_type: FrameType
    frame_ids: tuple[UUID, ...]
    facts: dict[str, Any]
    policy: dict[str, Any]
    force: bool


@dataclass(frozen=True, slots=True)
class Note:
    """Why a group waits, or what was decided about it."""

    group_key: str
    decision: str
    message: str
    have: int
    needed: int
    facts: dict[str, Any]
    updated_at: datetime | None = None


async def lock_library(db: Connection, observatory_id: UUID, camera_mode: str) -> None:
    """Let one decision at a time be made about a camera mode, until the transaction ends."""
    await db.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", LIBRARY_LOCK, f"{observatory_id}/{camera_mode}")


async def camera_modes(db: Connection) -> list[tuple[UUID, str]]:
    """Return every (observatory, camera mode) that has calibration frames."""
    rows = await db.fetch(
        """
        SELECT DISTINCT observatory_id, camera_mode FROM frame
        WHERE camera_mode IS NOT NULL AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark') AND NOT is_master
        """
    )
    return [(row["observatory_id"], row["camera_mode"]) for row in rows]


async def individuals(db: Connection, observatory_id: UUID, camera_mode: str) -> list[Frame]:
    """Return the registered individual calibration frames of a camera mode."""
    rows = await db.fetch(
        SELECT
        + """
        WHERE f.observatory_id = $1 AND f.camera_mode = $2 AND f.state = 'registered' AND NOT f.is_master
            AND f.frame_type IN ('dark', 'flat', 'bias', 'flat-dark') ORDER BY f.start_utc, f.id
        """,
        observatory_id, camera_mode,
    )  # fmt: skip
    return [frame_of(row) for row in rows]


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
    db: Connection, observatory_id: UUID, rig_id: UUID | None, camera_mode: str, *, limit: int = 500
) -> list[Master]:
    """Return the usable masters of a rig, those of other camera modes included: a miss wants an explanation."""
    rows = await db.fetch(
        """
        SELECT * FROM master WHERE observatory_id = $1 AND state IN ('active', 'superseded')
            AND (rig_id = $2 OR camera_mode = $3) ORDER BY (state = 'active') DESC, created_at DESC LIMIT $4
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


async def components(db: Connection, master_id: UUID) -> set[UUID]:
    """Return the frames a master was made of."""
    rows = await db.fetch("SELECT frame_id FROM master_component WHERE master_id = $1", master_id)
    return {row["frame_id"] for row in rows}


async def tried(db: Connection, observatory_id: UUID, group_key: str) -> set[UUID]:
    """Return the frames of the newest stack of a group that failed its gate, so that it is not made again and again."""
    rows = await db.fetch(
        """
        SELECT frame_id FROM master_component WHERE master_id = (
            SELECT id FROM master WHERE observatory_id = $1 AND group_key = $2 AND state IN ('rejected', 'needs-review')
            ORDER BY created_at DESC LIMIT 1
        )
        """,
        observatory_id, group_key,
    )  # fmt: skip
    return {row["frame_id"] for row in rows}


async def request(db: Connection, wanted: StackRequest) -> bool:
    """Ask for a stack; False when one of this group is asked for already."""
    answer = await db.fetchval(
        """
        INSERT INTO stack_request (job_id, observatory_id, group_key, frame_type, frame_ids, facts, policy, force)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (observatory_id, group_key) WHERE open DO NOTHING
        RETURNING true
        """,
        wanted.job_id, wanted.observatory_id, wanted.group_key, str(wanted.frame_type), list(wanted.frame_ids),
        wanted.facts, wanted.policy, wanted.force,
    )  # fmt: skip
    return bool(answer)


async def requested_groups(db: Connection, observatory_id: UUID) -> set[str]:
    """Return the groups of which a stack is asked for.

    Ask before the masters are read: a stack that ends in between is then still seen here, else in neither place.
    """
    rows = await db.fetch("SELECT group_key FROM stack_request WHERE observatory_id = $1 AND open", observatory_id)
    return {row["group_key"] for row in rows}


async def request_of(db: Connection, job_id: UUID) -> StackRequest | None:
    """Return what a stacking job is asked to do."""
    row = await db.fetchrow("SELECT * FROM stack_request WHERE job_id = $1", job_id)
    if row is None:
        return None
    values = {name: row[name] for name in StackRequest.__dataclass_fields__}
    values["frame_type"] = FrameType(row["frame_type"])
    values["frame_ids"] = tuple(row["frame_ids"])
    return StackRequest(**values)


async def members(db: Connection, frame_ids: tuple[UUID, ...]) -> list[Frame]:
    """Return the frames of a request that still exist."""
    rows = await db.fetch(SELECT + "WHERE f.id = ANY($1) ORDER BY f.start_utc, f.id", list(frame_ids))
    return [frame_of(row) for row in rows]


async def save(db: Connection, master: Master, sources: list[tuple[UUID, str]]) -> list[UUID]:
    """Record a master; an active one supersedes the group's old one in the same transaction.

    Returns
    -------
    list of UUID
        The masters it superseded.
    """
    superseded: list[UUID] = []
    if master.state is MasterState.ACTIVE:
        rows = await db.fetch(
            """
            UPDATE master SET state = 'superseded', superseded_at = now()
            WHERE observatory_id = $1 AND group_key = $2 AND state = 'active' AND id <> $3 RETURNING id
            """,
            master.observatory_id, master.group_key, master.id,
        )  # fmt: skip
        superseded = [row["id"] for row in rows]
    await db.execute(
        """
        INSERT INTO master (id, observatory_id, rig_id, job_id, state, frame_type, group_key, camera_mode, facts,
            ncombine, policy, statistics, reasons, taken_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (id) DO NOTHING
        """,
        master.id, master.observatory_id, master.rig_id, master.job_id, str(master.state), str(master.frame_type),
        master.group_key, master.camera_mode, master.facts, master.ncombine, master.policy, master.statistics,
        list(master.reasons), master.taken_at,
    )  # fmt: skip
    await db.execute("UPDATE master SET superseded_by = $1 WHERE id = ANY($2)", master.id, superseded)
    await db.executemany(
        "INSERT INTO master_component (master_id, frame_id, sha256) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(master.id, frame_id, sha256) for frame_id, sha256 in sources],
    )
    return superseded


async def policy_of(db: Connection, observatory_id: UUID) -> dict[str, Any]:
    """Return the settings an observatory changed; what is not named has its default."""
    settings: dict[str, Any] | None = await db.fetchval(
        "SELECT settings FROM calibration_policy WHERE observatory_id = $1", observatory_id
    )
    return settings or {}


async def save_notes(db: Connection, observatory_id: UUID, notes: list[Note]) -> None:
    """Replace what is known about the groups of a camera mode."""
    await db.executemany(
        """
        INSERT INTO calibration_note (observatory_id, group_key, decision, message, have, needed, facts)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (observatory_id, group_key) DO UPDATE SET decision = excluded.decision,
            message = excluded.message, have = excluded.have, needed = excluded.needed, facts = excluded.facts,
            updated_at = now()
        """,
        [(observatory_id, n.group_key, n.decision, n.message, n.have, n.needed, n.facts) for n in notes],
    )


async def note_of(db: Connection, observatory_id: UUID, group_key: str) -> Note | None:
    """Return what was last decided about a group."""
    row = await db.fetchrow(
        "SELECT * FROM calibration_note WHERE observatory_id = $1 AND group_key = $2", observatory_id, group_key
    )
    return None if row is None else Note(**{name: row[name] for name in Note.__dataclass_fields__})


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

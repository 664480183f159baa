"""Stacks asked for by hand: which groups are meant, what is open already, how often somebody asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pictor.contracts.frames import FrameType
from pictor.state.database import Connection

BY_HAND_LOCK = 7_420_119
"""First key of the advisory locks that let one request by hand at a time be decided about in an observatory."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What is known of the frames a stack is asked for; None means any."""

    frame_type: FrameType | None = None
    camera_name: str | None = None
    filter: str | None = None
    exposure_s: float | None = None
    gain_setting: float | None = None
    offset_setting: float | None = None
    binning_x: int | None = None
    temp_c: float | None = None


async def lock_requests(db: Connection, observatory_id: UUID) -> None:
    """Let one request by hand at a time be decided about, until the transaction ends."""
    await db.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", BY_HAND_LOCK, str(observatory_id))


async def modes_of(
    db: Connection, observatory_id: UUID, wanted: Configuration, names: Sequence[str] | None
) -> list[str]:
    """Return the camera modes that have individual frames of a configuration, its filter by any of its names."""
    rows = await db.fetch(
        """
        SELECT DISTINCT camera_mode FROM frame
        WHERE observatory_id = $1 AND camera_mode IS NOT NULL AND state = 'registered' AND NOT is_master
            AND frame_type <> 'light' AND frame_type IN ('dark', 'flat', 'bias', 'flat-dark')
            AND ($2::text IS NULL OR frame_type = $2) AND ($3::text IS NULL OR camera = $3)
            AND ($4::text[] IS NULL OR filter = ANY($4)) AND ($5::float8 IS NULL OR gain_setting = $5)
            AND ($6::float8 IS NULL OR offset_setting = $6) AND ($7::integer IS NULL OR binning_x = $7)
        ORDER BY 1
        """,
        observatory_id, str(wanted.frame_type) if wanted.frame_type else None, wanted.camera_name, names,
        wanted.gain_setting, wanted.offset_setting, wanted.binning_x,
    )  # fmt: skip
    return [row["camera_mode"] for row in rows]


async def facts_of_group(db: Connection, observatory_id: UUID, group_key: str) -> dict[str, Any] | None:
    """Return what a group is of, from its newest master or from what was last decided about it."""
    facts: dict[str, Any] | None = await db.fetchval(
        """
        SELECT facts FROM (
            (SELECT facts, 0 AS rank FROM master WHERE observatory_id = $1 AND group_key = $2
                ORDER BY created_at DESC LIMIT 1)
            UNION ALL
            (SELECT facts, 1 FROM calibration_note WHERE observatory_id = $1 AND group_key = $2)
        ) known ORDER BY rank LIMIT 1
        """,
        observatory_id, group_key,
    )  # fmt: skip
    return facts


async def open_stack(db: Connection, observatory_id: UUID, group_key: str) -> tuple[UUID, int] | None:
    """Return the open stack of a group: its job, and how many frames it is about."""
    row = await db.fetchrow(
        """
        SELECT job_id, cardinality(frame_ids) AS frames FROM stack_request
        WHERE observatory_id = $1 AND group_key = $2 AND open
        """,
        observatory_id, group_key,
    )  # fmt: skip
    return None if row is None else (row["job_id"], row["frames"])


async def asked_within(db: Connection, observatory_id: UUID, *, seconds: float) -> list[float]:
    """Return how many seconds ago each of the latest stacks was asked for by hand, newest first."""
    rows = await db.fetch(
        """
        SELECT extract(epoch FROM now() - created_at)::float8 AS ago FROM job
        WHERE observatory_id = $1 AND kind = 'stack' AND frame_id IS NULL AND owner <> 'calibration-stacker'
            AND created_at > now() - make_interval(secs => $2) ORDER BY created_at DESC
        """,
        observatory_id, seconds,
    )  # fmt: skip
    return [row["ago"] for row in rows]


async def waiting_groups(db: Connection, observatory_id: UUID, *, limit: int = 50) -> list[tuple[str, str, int]]:
    """Return the groups of an observatory as last decided about: key, sentence, frames; newest first."""
    rows = await db.fetch(
        """
        SELECT group_key, message, have FROM calibration_note WHERE observatory_id = $1
        ORDER BY updated_at DESC, group_key LIMIT $2
        """,
        observatory_id, limit,
    )  # fmt: skip
    return [(row["group_key"], row["message"], row["have"]) for row in rows]

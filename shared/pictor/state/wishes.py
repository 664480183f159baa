"""Calibrated lights somebody asked for: one open job per frame and kind of product."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pictor.contracts.frames import ProductKind
from pictor.contracts.jobs import JobKind, JobState
from pictor.contracts.modules import Lane
from pictor.state.database import Connection
from pictor.state.frames import Frame


@dataclass(frozen=True, slots=True)
class Wish:
    """The newest job that was to make a product of a frame, and the key the product would have had."""

    job_id: UUID
    kind: ProductKind
    key: str
    state: JobState
    reasons: tuple[str, ...]
    finished_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether the job has not ended."""
        return self.finished_at is None


async def wish(
    db: Connection, job_id: UUID, frame: Frame, kind: ProductKind, key: str, *, lane: Lane, owner: str | None
) -> bool:  # fmt: skip
    """Make a job for a product of a frame; False when one is open already."""
    answer = await db.fetchval(
        """
        INSERT INTO job (id, observatory_id, frame_id, kind, lane, owner, wish, wish_key)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING true
        """,
        job_id, frame.observatory_id, frame.id, str(JobKind.CALIBRATE), str(lane), owner, str(kind), key,
    )  # fmt: skip
    return bool(answer)


async def of_job(db: Connection, job_id: UUID) -> ProductKind | None:
    """Return what a job is to make."""
    kind: str | None = await db.fetchval("SELECT wish FROM job WHERE id = $1", job_id)
    return None if kind is None else ProductKind(kind)


async def newest(db: Connection, frame_id: UUID, kind: ProductKind) -> Wish | None:
    """Return the open job for a product of a frame, else the one that ended last."""
    row = await db.fetchrow(
        """
        SELECT id, wish, wish_key, state, reasons, finished_at FROM job WHERE frame_id = $1 AND wish = $2
        ORDER BY finished_at DESC NULLS FIRST LIMIT 1
        """,
        frame_id, str(kind),
    )  # fmt: skip
    if row is None:
        return None
    return Wish(
        row["id"], ProductKind(row["wish"]), row["wish_key"], JobState(row["state"]), tuple(row["reasons"]),
        row["finished_at"],
    )  # fmt: skip

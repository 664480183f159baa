"""How many bytes an observatory may send and keep, and how many it does."""

from dataclasses import dataclass
from uuid import UUID

from pictor.state.database import Connection


@dataclass(frozen=True, slots=True)
class Use:
    """Bytes of raw frames of one observatory, and its own limits; None where the installation's count."""

    received_today: int
    kept: int
    bytes_per_day: int | None
    bytes_total: int | None


async def use(db: Connection, observatory_id: UUID) -> Use:
    """Return what an observatory sent since midnight UTC, what it keeps, and its own limits."""
    row = await db.fetchrow(
        """
        SELECT
            coalesce(sum(u.received_bytes) FILTER (WHERE u.day = (now() AT TIME ZONE 'UTC')::date), 0)::bigint AS today,
            coalesce(sum(u.kept_bytes), 0)::bigint AS kept,
            (SELECT bytes_per_day FROM observatory_quota WHERE observatory_id = $1) AS bytes_per_day,
            (SELECT bytes_total FROM observatory_quota WHERE observatory_id = $1) AS bytes_total
        FROM observatory_use u WHERE u.observatory_id = $1
        """,
        observatory_id,
    )
    return Use(row["today"], row["kept"], row["bytes_per_day"], row["bytes_total"])


async def set_limits(
    db: Connection, observatory_id: UUID, *, bytes_per_day: int | None, bytes_total: int | None
) -> None:
    """Give an observatory limits of its own; None takes back the installation's, 0 sets none."""
    await db.execute(
        """
        INSERT INTO observatory_quota (observatory_id, bytes_per_day, bytes_total) VALUES ($1, $2, $3)
        ON CONFLICT (observatory_id) DO UPDATE SET
            bytes_per_day = excluded.bytes_per_day, bytes_total = excluded.bytes_total
        """,
        observatory_id, bytes_per_day, bytes_total,
    )  # fmt: skip

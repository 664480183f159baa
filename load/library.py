"""L7: pages of a large library, and the check over it."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import asyncpg
from load.rows import Figure, Row, p95
from load.stand import Stand, stand
from load.watching import memory_mib

from pictor.cli.checking.findings import Report
from pictor.cli.checking.objects import Place, check_objects
from pictor.runtime.store.protocol import FrameStore, StoredObject
from pictor.state import rights
from pictor.state.database import Pool, open_pool

FRAMES = """
    INSERT INTO frame (id, observatory_id, sha256, size, name, raw_key, state, frame_type, filter, exposure_s, target,
        start_utc, night, received_at, camera_mode)
    SELECT gen_random_uuid(), o.id, s, 32000000, 'light-' || n || '.fits',
        'raw/' || o.id || '/' || left(s, 2) || '/' || s,
        'registered', CASE WHEN n % 10 = 0 THEN 'dark' ELSE 'light' END, (ARRAY['L', 'R', 'G', 'B', 'Ha'])[n % 5 + 1],
        (ARRAY[30, 60, 120, 300])[n % 4 + 1], 'M ' || n % 110, t, (t - interval '12 h')::date, t, 'mode-' || n % 20
    FROM (SELECT id FROM observatory LIMIT 1) o, generate_series($1::int, $2::int) AS n,
        LATERAL (SELECT encode(sha256(n::text::bytea), 'hex') AS s, now() - n * interval '40 s' AS t) v
"""
JOBS = """
    INSERT INTO job (id, observatory_id, frame_id, kind, lane, state, created_at, finished_at)
    SELECT gen_random_uuid(), observatory_id, id, 'upload', 'live', 'completed', received_at, received_at FROM frame
    WHERE NOT EXISTS (SELECT FROM job j WHERE j.frame_id = frame.id)
"""
QUALITY = """
    INSERT INTO frame_quality (frame_id, job_id, star_count, fwhm_px, background_adu, method)
    SELECT frame_id, id, 500, 3.1, 600, 'load' FROM job WHERE frame_id IS NOT NULL ON CONFLICT DO NOTHING
"""
GRADES = """
    INSERT INTO frame_grade (frame_id, job_id, letter, status, rules)
    SELECT frame_id, id, 'B', 'accepted', 'load' FROM job WHERE frame_id IS NOT NULL ON CONFLICT DO NOTHING
"""

PAGES = (
    "frames?limit=50", "frames?limit=50&page=20", "frames?limit=50&type=light&filter=Ha",
    "frames?limit=50&night={night}",
    "frames?limit=50&target=M 42", "frames?limit=50&grade=accepted&exptime_min=100", "frames?limit=50&status=completed",
)  # fmt: skip


@dataclass
class Listing:
    """A store that lists one object per frame; nothing of it is on a disk."""

    pool: Pool

    async def list(self, prefix: str = "") -> AsyncGenerator[StoredObject, None]:
        """List all raw keys."""
        last = ""
        modified = datetime(2020, 1, 1, tzinfo=UTC)
        while rows := await self.pool.fetch(
            "SELECT sha256, raw_key, size FROM frame WHERE sha256 > $1 AND raw_key LIKE $2 || '%' "
            "ORDER BY observatory_id, sha256 LIMIT 5000", last, prefix,
        ):  # fmt: skip
            for row in rows:
                yield StoredObject(row["raw_key"], row["size"], "", None, modified=modified)
            last = rows[-1]["sha256"]


async def pages(*, full: bool) -> Row:
    """L7: pages with filters."""
    count, repeats = (1_000_000, 30) if full else (100_000, 15)
    async with stand() as place, _as_owner(place) as owner:
        await _generate(owner, count)
        night = await place.pool.fetchval("SELECT night::text FROM frame OFFSET 1000 LIMIT 1")
        slowest, where = 0.0, ""
        every: list[float] = []
        for page in PAGES:
            times = await _timed(place, page.format(night=night), repeats)
            every += times
            if p95(times) > slowest:
                slowest, where = p95(times), page
        library = await _timed(place, await _library(place), repeats)
        began, before = time.monotonic(), memory_mib_here()
        report = Report(deep=False)
        listed = cast("FrameStore", Listing(place.pool))
        await check_objects(Place(place.pool, listed, place.data, 3600.0), report)
        took, grown = time.monotonic() - began, memory_mib_here() - before
        found = sum(finding.count for finding in report.findings.values())
        await owner.execute("TRUNCATE frame_grade, frame_quality, job, frame CASCADE")
        figures = [
            Figure("p95 of all pages", p95(every), "s", 0.2),
            Figure(f"p95 of the slowest ({where})", slowest, "s", 0.2),
            Figure("calibration library p95", p95(library), "s", 1.0),
            Figure("gateway", memory_mib(place.pid("gateway"), "VmHWM"), "MiB", 150),
            Figure("check of rows against a listing", took, "s"),
            Figure("memory that check took more", grown, "MiB", 64),
            Figure("violations it found", found, "", 0),
        ]
        load = f"{count} frames with jobs, measurements and grades; {len(PAGES)} pages, {repeats} times each"
        return Row("L7", load, figures, await place.check())


def memory_mib_here() -> float:
    """Return the highest resident size of this process."""
    return memory_mib(os.getpid(), "VmHWM")


@asynccontextmanager
async def _as_owner(place: Stand) -> AsyncIterator[asyncpg.Connection]:
    """Open a connection that may write every table: no service may make up measurements."""
    pool = await open_pool(place.endpoints.postgres_dsns[rights.OWNER], size=2, statement_timeout_ms=1_800_000)
    try:
        async with pool.acquire() as db:
            yield db
    finally:
        await pool.close()


async def _generate(owner: asyncpg.Connection, count: int) -> None:
    step = 50_000
    for start in range(1, count + 1, step):
        await owner.execute(FRAMES, start, min(start + step - 1, count))
    for sql in (JOBS, QUALITY, GRADES, "ANALYZE"):
        await owner.execute(sql)


async def _timed(place: Stand, page: str, repeats: int) -> list[float]:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        async with place.client.get(f"{place.url}/api/v1/{page}") as answer:
            body = await answer.read()
            assert answer.status == 200, body
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0)
    return times


async def _library(place: Stand) -> str:
    where = await place.pool.fetchval("SELECT id FROM observatory LIMIT 1")
    return f"calibration/library/{where}?limit=50"


ROWS: dict[str, Callable[..., object]] = {"L7": pages}

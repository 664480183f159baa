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
        start_utc, night, received_at, camera_mode, camera, width, height, gain_setting, offset_setting, binning_x,
        binning_y, set_temp_c, not_stacked)
    SELECT gen_random_uuid(), o.id, s, 32000000, kind || '-' || n || '.fits',
        'raw/' || o.id || '/' || left(s, 2) || '/' || s,
        'registered', kind, CASE WHEN kind = 'light' THEN (ARRAY['L', 'R', 'G', 'B', 'Ha'])[n % 5 + 1]
            WHEN kind = 'flat' THEN (ARRAY['L', 'R', 'G', 'B', 'Ha', 'OIII'])[k / 12 % 6 + 1] END,
        CASE WHEN kind = 'bias' THEN 0 ELSE (ARRAY[30, 60, 120, 300])[n % 4 + 1] END, 'M ' || n % 110, t,
        (t - interval '12 h')::date, t, 'mode-' || k % 20, 'camera ' || k % 4, 6248, 4176, k % 20 * 10, 50, 1, 1,
        -10 * (k / 48 % 3), CASE WHEN kind = 'light' THEN NULL WHEN k % 25 = 0 THEN
            ARRAY[n % 90 + 5 || '.1 % of pixels saturated; less than 5 % is needed'] ELSE '{}' END
    FROM (SELECT id FROM observatory LIMIT 1) o, generate_series($1::int, $2::int) AS n,
        LATERAL (SELECT encode(sha256(n::text::bytea), 'hex') AS s, now() - n * interval '40 s' AS t, n / 5 AS k) v,
        LATERAL (SELECT CASE WHEN n % 5 > 0 THEN 'light' ELSE (ARRAY['dark', 'flat', 'bias'])[k % 3 + 1] END AS kind) w
"""
MASTERS = """
    INSERT INTO master (id, observatory_id, state, frame_type, group_key, camera_mode, facts, ncombine, policy,
        taken_at, created_at, camera_name, filter, exposure_s, gain_setting, offset_setting, binning_x, temp_c)
    SELECT gen_random_uuid(), o.id, CASE WHEN i <= 500 THEN 'active' ELSE 'superseded' END, kind,
        'group ' || i % 500, 'mode-' || i % 20, jsonb_build_object('mode', jsonb_build_object(
            'rig_id', 'camera ' || i % 4, 'width', 6248, 'height', 4176, 'binning_x', 1, 'binning_y', 1,
            'gain_setting', i % 20 * 10, 'offset_setting', 50), 'frame_type', kind, 'exposure_s', e, 'filter', f,
            'rotator_deg', NULL, 'temp_c', -10 * (i / 48 % 3)),
        20, '{}', now() - i * interval '7 h', now() - i * interval '7 h', 'camera ' || i % 4, f, e, i % 20 * 10, 50, 1,
        -10 * (i / 48 % 3)
    FROM (SELECT id FROM observatory LIMIT 1) o, generate_series(1, 2000) AS i,
        LATERAL (SELECT (ARRAY['dark', 'flat', 'bias'])[i % 3 + 1] AS kind) w,
        LATERAL (SELECT CASE WHEN kind = 'flat' THEN (ARRAY['L', 'R', 'G', 'B', 'Ha', 'OIII'])[i / 12 % 6 + 1] END AS f,
            CASE WHEN kind = 'dark' THEN (ARRAY[30, 60, 120, 300])[i / 20 % 4 + 1] END AS e) x
"""
DECIDED = "UPDATE calibration_mode SET decided_at = clock_timestamp()"
"""No sweep works beside what is timed."""

CHAINS = """
    UPDATE master m SET superseded_at = now(), superseded_by = a.id FROM master a
    WHERE m.state = 'superseded' AND a.state = 'active' AND a.group_key = m.group_key
"""
COMPONENTS = """
    WITH known AS (
        SELECT id, (row_number() OVER (ORDER BY id))::int AS place FROM master WHERE state = 'active'
    ), used AS (
        SELECT f.id, f.sha256, 1 + (row_number() OVER (ORDER BY f.received_at DESC))::int % 500 AS place FROM frame f
        WHERE f.frame_type <> 'light' AND f.not_stacked = '{}' AND f.received_at < now() - interval '30 days'
    ), claimed AS (
        UPDATE frame f SET mastered_by = k.id, used_at = now() FROM used u JOIN known k USING (place) WHERE u.id = f.id
        RETURNING k.id AS master_id, f.id AS frame_id, f.sha256
    )
    INSERT INTO master_component (master_id, frame_id, sha256) SELECT master_id, frame_id, sha256 FROM claimed
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

LIBRARY = (
    "limit=50", "page=20", "limit=200&page=20", "is_master=true", "is_master=false",
    "is_master=false&exclude_mastered=true", "exclude_mastered=true", "frame_type=dark", "frame_type=flat",
    "frame_type=bias", "camera_name=camera 3", "filter=OIII", "status=active", "status=superseded", "status=expired",
    "is_master=false&frame_type=flat&filter=Ha&camera_name=camera 1", "camera_name=nobody's",
    "is_master=false&exclude_mastered=true&frame_type=dark&camera_name=camera 2",
)  # fmt: skip
"""Every parameter of the library alone, and some together; the last page wanted, and nothing found."""


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
        library = await _library(place, repeats)
        began, before = time.monotonic(), memory_mib_here()
        report = Report(deep=False)
        listed = cast("FrameStore", Listing(place.pool))
        await check_objects(Place(place.pool, listed, place.data, 3600.0), report)
        took, grown = time.monotonic() - began, memory_mib_here() - before
        found = sum(finding.count for finding in report.findings.values())
        await owner.execute("TRUNCATE frame_grade, frame_quality, job, frame, master CASCADE")
        figures = [
            Figure("p95 of all pages", p95(every), "s", 0.2),
            Figure(f"p95 of the slowest ({where})", slowest, "s", 0.2),
            *library,
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
    for sql in (JOBS, QUALITY, GRADES, MASTERS, CHAINS, COMPONENTS, DECIDED, "VACUUM ANALYZE"):
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


async def _library(place: Stand, repeats: int) -> list[Figure]:
    """Time the calibration library with and without each filter, and the pages beside it."""
    where = await place.pool.fetchval("SELECT id FROM observatory LIMIT 1")
    master = await place.pool.fetchval("SELECT id FROM master WHERE state = 'active' LIMIT 1")
    light = await place.pool.fetchval("SELECT id FROM frame WHERE frame_type = 'light' ORDER BY night DESC LIMIT 1")
    every: list[float] = []
    slowest, worst = 0.0, ""
    for query in LIBRARY:
        times = await _timed(place, f"calibration/library/{where}?{query}", repeats)
        every += times
        if p95(times) > slowest:
            slowest, worst = p95(times), query
    figures = [
        Figure(f"calibration library p95, {len(LIBRARY)} queries", p95(every), "s", 0.2),
        Figure(f"p95 of the slowest ({worst})", slowest, "s", 0.2),
    ]
    for name, page in (
        ("needs", f"calibration/needs/{where}"), ("capture plan", f"calibration/plan/{where}?format=csv"),
        ("explain", f"frames/{light}/calibration/explain"), ("summary", f"calibration/summary/{where}"),
        ("one master", f"calibration/frames/{master}"),
        ("components", f"calibration/frames/{master}/components"), ("impact", f"calibration/frames/{master}/impact"),
    ):  # fmt: skip
        figures.append(Figure(f"calibration {name} p95", p95(await _timed(place, page, repeats)), "s", 1.0))
    return figures


ROWS: dict[str, Callable[..., object]] = {"L7": pages}

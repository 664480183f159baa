"""How long decisions take in a large library."""

import os
import time

import pytest

from pictor.runtime.stacking.triggers import evaluate, sweep
from tests.faults.harness.rows import load_factor
from tests.support.flow import Flow

LARGE = "aaaaaaaaaaaaaaaa"
LIGHTS = int(os.environ.get("PICTOR_SCALE_LIGHTS", "820000"))
"""With 82,000 darks of other camera modes and the 100,000 of the large one: a million frames."""

BATCH = 1000
"""Rows of one transaction: the counter of the observatory changes with each."""

FILL = """
    INSERT INTO frame (id, observatory_id, sha256, size, name, raw_key, state, frame_type, camera_mode, camera, width,
        height, binning_x, binning_y, gain_setting, offset_setting, filter, exposure_s, set_temp_c, ccd_temp_c,
        start_utc, night, egain, geometry, description, statistics, not_stacked)
    SELECT gen_random_uuid(), $1, lpad(to_hex(n + $2), 64, '0'), 50000000, 'frame.fits', 'raw/' || n, 'registered',
        $3, $4 || lpad(to_hex(n % $5::integer), 16 - length($4), '0'), 'a camera', 6000, 4000, 1, 1, 100, 30,
        CASE WHEN $3 IN ('flat', 'light') THEN substr('LRGB', 1 + (n % 4)::integer, 1) END,
        (ARRAY[1, 2, 5, 10, 30, 60, 120, 180, 300, 600])[1 + n / 7 % 10], -10, -10 + random() * 0.3,
        '2026-01-01'::timestamptz + n * interval '17 seconds', '2026-01-01', 0.8, '{"bitpix": 16}',
        jsonb_build_object('camera', 'a camera', 'filler', repeat(md5(n::text), 20)),
        jsonb_build_object('mean', 500 + random() * 0.1, 'median', 500, 'mad', 3, 'std', 5, 'repeated_fraction', 0.08,
            'saturated_fraction', 0.0001, 'saturation_adu', 65535), $6
    FROM generate_series($7::integer, $8::integer) AS n
"""


async def _fill(
    flow: Flow, first: int, kind: str, mode: str, *, modes: int, count: int, judged: bool = True,
) -> None:  # fmt: skip
    async with flow.runtime.pool.acquire() as db:
        for start in range(1, count + 1, BATCH):
            part = start, min(start + BATCH - 1, count)
            await db.execute(FILL, flow.observatory_id, first, kind, mode, modes, [] if judged else None, *part)


async def _due(flow: Flow) -> None:
    await flow.runtime.pool.execute(
        """
        INSERT INTO calibration_mode (observatory_id, camera_mode)
        SELECT DISTINCT observatory_id, camera_mode FROM frame WHERE frame_type <> 'light' AND camera_mode <> $1
        ORDER BY 2 LIMIT 10
        """,
        LARGE,
    )


async def _seconds(flow: Flow, mode: str) -> float:
    start = time.perf_counter()
    await evaluate(flow.runtime, flow.observatory_id, mode)
    return time.perf_counter() - start


@pytest.mark.stress
async def test_decisions_in_a_library_of_a_million_frames_take_seconds(flow: Flow) -> None:
    await _fill(flow, 0, "light", "b", modes=200, count=LIGHTS)
    await _fill(flow, 10_000_000, "dark", "b", modes=200, count=LIGHTS // 10)
    await _fill(flow, 20_000_000, "dark", LARGE, modes=1, count=100_000)
    async with flow.runtime.pool.acquire() as db:
        await db.execute("SET statement_timeout = 0")
        await db.execute("VACUUM ANALYZE frame", timeout=600)
    first, again = await _seconds(flow, LARGE), await _seconds(flow, LARGE)
    await _fill(flow, 30_000_000, "dark", LARGE, modes=1, count=1, judged=False)
    newcomer = await _seconds(flow, LARGE)
    await _due(flow)
    start = time.perf_counter()
    ordered = await sweep(flow.runtime)
    swept = time.perf_counter() - start
    rows = await flow.runtime.pool.fetchval("SELECT count(*) FROM frame")
    print(
        f"{rows} frames: a camera mode of 100,000 individuals decided in {first:.2f} s, again {again:.2f} s, "
        f"with a newcomer {newcomer:.2f} s; sweep over 10 due modes {swept:.2f} s, {ordered} stacks ordered"
    )
    assert newcomer < 1.0 * load_factor()
    assert swept < 5.0 * load_factor()

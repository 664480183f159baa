"""Masters made elsewhere: kept as they are, brought into our form, judged, and never stacked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import numpy as np
import pytest
from astropy.io import fits

from pictor.contracts.frames import ProductKind
from pictor.contracts.masters import MasterState
from pictor.contracts.modules import Service
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.runtime import Runtime
from pictor.runtime.stacking.triggers import evaluate
from pictor.state import masters, products
from pictor.state.database import Pool, open_pool
from pictor.state.masters import Master
from pictor.state.rights import ROLE_OF
from tests.services.gateway.conftest import Api, sha
from tests.support.foreign import Detector, siril
from tests.support.individuals import MODE, add_individuals
from tests.support.uploading import SHAPE, add_exposures, dark, fits_of, in_use, judged, send


@pytest.fixture(scope="session")
async def children() -> AsyncIterator[ChildPool]:
    """One pixel child for all tests of uploads."""
    async with ChildPool(1) as pool:
        yield pool


@pytest.fixture(scope="session")
async def stacker_pool(database_server: Endpoints, gateway_pool: Pool) -> AsyncIterator[Pool]:
    """The stacker's own role, as in production."""
    assert gateway_pool
    own = database_server.postgres_dsns[ROLE_OF[Service.CALIBRATION_STACKER]]
    dsn = urlsplit(own)._replace(path="/gateway").geturl()
    pool = await open_pool(dsn, size=4)
    yield pool
    await pool.close()


@pytest.fixture
async def stacker(api: Api, children: ChildPool, stacker_pool: Pool) -> Runtime:
    """The gateway's runtime as the stacker has it."""
    return replace(api.runtime, pool=stacker_pool, children=children)


async def pixels_of(api: Api, master: Master, folder: Path) -> fits.HDUList:
    product = (await products.of_master(api.runtime.pool, master.id))[ProductKind.MASTER]
    path = folder / f"{master.id}.fits"
    await api.runtime.store.get_to_file(product.key, path, sha256=product.sha256)
    return fits.open(path, checksum=True)


async def test_a_master_dark_is_adopted_with_its_provenance(api: Api, stacker: Runtime, tmp_path: Path) -> None:
    body = dark()
    told = await send(api, body)
    assert told["duplicate"] is False
    master, reasons = await judged(api, stacker, told)
    assert master is not None, reasons
    assert (master.state, master.origin, master.ncombine) == (MasterState.NEEDS_REVIEW, "upload", 20)
    assert "nothing to compare it with: no active master, and of its group 0 admitted individual frames" in reasons
    assert master.facts["holds_bias"] is True
    assert master.statistics["scale"]["sentence"] == "no unit is stated; values up to 507.503 are ADU"
    assert (master.facts["exposure_s"], master.facts["temp_c"]) == (300.0, -10.0)
    kept = master.statistics["upload"]
    assert (kept["sha256"], kept["by"].split(":")[0]) == (sha(body), "token")
    assert await masters.components(api.runtime.pool, master.id) == set()
    with await pixels_of(api, master, tmp_path) as units:
        assert [unit.name for unit in units] == ["SCI", "ERR", "MASK", "NUSED"]
        assert (units[0].header["IMAGETYP"], units[0].header["SRCSHA"]) == ("Master Dark", sha(body))
        assert np.median(units[0].data) == pytest.approx(500, abs=1)
        assert np.median(units["ERR"].data) == pytest.approx(2.0, rel=0.1)
    frame = await api.runtime.pool.fetchrow("SELECT sha256, raw_key FROM frame WHERE id = $1", UUID(told["frame_id"]))
    assert frame["sha256"] == sha(body)
    assert frame["raw_key"] in [one.key async for one in api.runtime.store.list()]
    line = await api.runtime.pool.fetchrow("SELECT detail FROM audit WHERE action = 'frame.upload'")
    assert line["detail"]["sha256"] == sha(body)
    assert await api.runtime.pool.fetchval("SELECT count(*) FROM outbox WHERE subject LIKE '%master.rejected%'") == 1
    kept = await products.of_master(api.runtime.pool, master.id)
    assert set(kept) == {ProductKind.MASTER, ProductKind.BAD_PIXELS, ProductKind.PREVIEW}


async def test_a_good_one_replaces_the_active_master_and_another_level_waits_for_a_person(
    api: Api, stacker: Runtime
) -> None:
    first = await in_use(api, stacker, dark(1))
    second, reasons = await judged(api, stacker, await send(api, dark(2)))
    assert first.state is MasterState.ACTIVE
    assert second is not None
    assert second.state is MasterState.ACTIVE, reasons
    third, reasons = await judged(api, stacker, await send(api, dark(3, level=620.0)))
    assert third is not None
    assert third.state is MasterState.NEEDS_REVIEW
    assert "median level 620.0 ADU, the active master 500.0 ADU" in reasons
    rows = await api.runtime.pool.fetch("SELECT id FROM master WHERE state = 'active'")
    assert [row["id"] for row in rows] == [second.id]
    accepted = await api.post(
        f"/api/v1/calibration/masters/{third.id}/review", json={"decision": "accept", "because": "new camera gain"}
    )
    assert accepted.json()["superseded"] == [str(second.id)]


async def test_structure_against_the_active_master_waits_for_a_person(api: Api, stacker: Runtime) -> None:
    await in_use(api, stacker, dark(1))
    pixels = np.random.default_rng(5).normal(500.0, 2.0, SHAPE).astype(np.float32)
    pixels[:32, :32] += 4.0
    leaked = fits_of(pixels, IMAGETYP="Master Dark", EXPTIME=300.0, DARKBIAS=True)
    master, reasons = await judged(api, stacker, await send(api, leaked))
    assert master is not None
    assert master.state is MasterState.NEEDS_REVIEW
    assert "against the active master: largest block" in reasons


async def test_a_dark_in_shares_of_the_full_range_is_brought_to_adu(api: Api, stacker: Runtime, tmp_path: Path) -> None:
    pixels = np.random.default_rng(4).normal(500.0, 2.0, SHAPE).astype(np.float32) / 65535
    body = fits_of(pixels, IMAGETYP="Master Dark", EXPTIME=300.0, SWCREATE="PixInsight", DARKBIAS=True)
    master, reasons = await judged(api, stacker, await send(api, body))
    assert master is not None, reasons
    assert master.statistics["levels_adu"] == [pytest.approx(500, abs=1)]
    assert (master.statistics["scale"]["adu_per_unit"], master.statistics["scale"]["basis"]) == (65535.0, "program")
    with await pixels_of(api, master, tmp_path) as units:
        assert (units[0].header["SRCUNIT"], units[0].header["SRCBASIS"]) == (65535.0, "program")
    bare = fits_of(pixels, IMAGETYP="Master Dark", EXPTIME=300.0, DARKBIAS=True)
    master, reasons = await judged(api, stacker, await send(api, bare))
    assert master is None
    assert "state adu_per_unit: 1 if the file is in ADU, 65535 if 0 to 1 stands for the range of 16 bits" in reasons
    master, reasons = await judged(api, stacker, await send(api, bare, adu_per_unit=65535))
    assert master is not None, reasons
    assert master.statistics["scale"]["basis"] == "stated"


async def test_what_the_header_lacks_may_be_stated_and_contradictions_are_refused(api: Api, stacker: Runtime) -> None:
    bare = dark(EXPTIME=None, NCOMBINE=None, GAIN=None, SET_TEMP=None, CCD_TEMP=None, IMAGETYP="Dark Frame")
    master, reasons = await judged(api, stacker, await send(api, bare))
    assert master is None
    assert "state frame_type and ncombine if it is one" in reasons
    said = {"frame_type": "dark", "exposure_s": 120, "gain_setting": 100, "temp_c": -20}
    master, reasons = await judged(api, stacker, await send(api, bare, **said))
    assert master is None
    assert "state ncombine" in reasons
    said |= {"ncombine": 20}
    master, reasons = await judged(api, stacker, await send(api, bare, **said))
    assert master is not None, reasons
    assert (master.facts["exposure_s"], master.facts["temp_c"], master.facts["mode"]["gain_setting"]) == (120, -20, 100)
    master, reasons = await judged(api, stacker, await send(api, dark(9), exposure_s=60))
    assert master is None
    assert "the header says exposure_s = 300.0, the upload 60" in reasons


async def test_rejected_with_reasons(api: Api, stacker: Runtime) -> None:
    master, reasons = await judged(api, stacker, await send(api, dark(level=-40.0)))
    assert master is not None
    assert master.state is MasterState.REJECTED
    assert "median level -40" in reasons
    holes = np.random.default_rng(6).normal(500.0, 2.0, SHAPE).astype(np.float32)
    holes[:8] = np.nan
    body = fits_of(holes, IMAGETYP="Master Dark", EXPTIME=300.0, DARKBIAS=True)
    master, reasons = await judged(api, stacker, await send(api, body))
    assert master is not None
    assert master.state is MasterState.REJECTED
    assert "87.50 % of pixels have a value" in reasons
    colour = fits_of(np.ones((3, *SHAPE), np.float32), IMAGETYP="Master Flat", EXPTIME=1.0)
    master, reasons = await judged(api, stacker, await send(api, colour))
    assert master is None
    assert "the file has 3 axes" in reasons


async def test_the_camera_mode_is_that_of_the_frames_there_are(api: Api, stacker: Runtime) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 3)
    master, reasons = await judged(api, stacker, await send(api, dark(OFFSET=None)))
    assert master is not None, reasons
    assert master.facts["mode"]["offset_setting"] == 30.0
    assert master.camera_mode == "0123456789abcdef"
    assert "offset_setting taken from the only camera mode that fits" in master.statistics["notes"]


async def test_frames_in_hand_vouch_for_a_master_and_tell_another_camera(api: Api, stacker: Runtime) -> None:
    mine, other = Detector(), Detector(7)
    ids = await add_exposures(api, mine, "dark", 4)
    master, reasons = await judged(api, stacker, await send(api, siril(mine.stack("dark"), "dark", SET_TEMP=-10.0)))
    assert master is None
    assert "state frame_type" in reasons
    master, reasons = await judged(api, stacker, await send(api, siril(mine.stack("dark"), "dark"), frame_type="dark"))
    assert master is not None, reasons
    assert master.state is MasterState.ACTIVE, reasons
    assert (master.facts["holds_bias"], master.facts["temp_c"], master.ncombine) == (True, -10.0, 10)
    assert "compared with 4 individual frames" in str(master.statistics["checks"])
    await api.runtime.pool.execute(
        "UPDATE frame SET raw_key = 'raw/gone', sha256 = $2 WHERE id = $1", ids[0], "ab" * 32
    )
    foreign, reasons = await judged(
        api, stacker, await send(api, siril(other.stack("dark"), "dark"), frame_type="dark")
    )
    assert foreign is not None
    assert foreign.state is MasterState.NEEDS_REVIEW
    assert "compared with 3 individual frames and the active master" in str(foreign.statistics["checks"])
    assert "its pixel pattern is not that of the frames in hand" in reasons


async def test_an_uploaded_master_stands_for_the_frames_that_were_there_before_it(api: Api, stacker: Runtime) -> None:
    await add_individuals(api.runtime.pool, api.home.id, 12)
    uploaded = await in_use(api, stacker, dark(1))
    assert uploaded.camera_mode == MODE
    assert await evaluate(stacker, api.home.id, MODE) == 0
    await add_individuals(api.runtime.pool, api.home.id, 9)
    assert await evaluate(stacker, api.home.id, MODE) == 0
    await add_individuals(api.runtime.pool, api.home.id, 1)
    assert await evaluate(stacker, api.home.id, MODE) == 1


async def test_the_same_master_twice_is_judged_once(api: Api, stacker: Runtime) -> None:
    told = await send(api, dark())
    again = await send(api, dark())
    assert (again["job_id"], again["duplicate"]) == (told["job_id"], True)
    master, _ = await judged(api, stacker, told)
    assert master is not None
    third = await send(api, dark())
    assert (third["job_id"], third["master_id"], third["state"]) == (None, str(master.id), "needs-review")


async def test_one_that_was_not_compared_with_the_active_master_waits_for_a_person(api: Api, stacker: Runtime) -> None:
    await in_use(api, stacker, dark(3))
    first, second = await send(api, dark(1)), await send(api, dark(2))
    one, two = await asyncio.gather(judged(api, stacker, first), judged(api, stacker, second))
    found = sorted(str(master.state) for master, _ in (one, two) if master is not None)
    assert found in (["active", "needs-review"], ["active", "superseded"], ["active", "active"])
    assert await api.runtime.pool.fetchval("SELECT count(*) FROM master WHERE state = 'active'") == 1

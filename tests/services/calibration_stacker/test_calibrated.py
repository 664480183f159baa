"""Calibrated lights on demand, through gateway, broker, database, store and the real services."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from astropy.io import fits

from pictor.contracts.frames import ProductKind
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.store.errors import ObjectMissing
from pictor.state import badpixels, frames, light_sets, products
from tests.support.observed import LIGHT_S, SKY_E, Telescope, ask, calibrated, observing, telescope
from tests.support.pocket import Pocket


@pytest.fixture(scope="module")
async def pocket(database_server: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pocket]:
    """An installation that ingests, stacks and calibrates."""
    async with observing(database_server, "calibrated_lights", tmp_path_factory.mktemp("lights") / "pocket") as opened:
        yield opened


async def settle(pocket: Pocket, **settings: Any) -> None:
    answer = await pocket.client.put(
        f"/api/v1/observatories/{pocket.observatory_id}/calibration-settings", json={"settings": settings}
    )
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
async def ten(pocket: Pocket) -> Telescope:
    """A camera with masters of ten frames each."""
    made = telescope(pocket, 100)
    await made.make_masters(10)
    return made


@pytest.fixture(scope="module")
async def five(pocket: Pocket, ten: Telescope) -> Telescope:
    """A camera with masters of five frames each."""
    made = telescope(pocket, 105)
    await settle(pocket, min_frames=5)
    await made.make_masters(5)
    await settle(pocket)
    assert ten.gain != made.gain
    return made


def planes(body: bytes) -> dict[str, np.ndarray]:
    with fits.open(io.BytesIO(body)) as units:
        return {unit.name: unit.data.astype(np.float64 if unit.name != "MASK" else np.uint8) for unit in units}


async def closes(scope: Telescope) -> None:
    pulls, residuals = [], []
    for frame_id in await scope.send("LIGHT", 3, LIGHT_S, SKY_E):
        found = planes(await calibrated(scope.pocket, frame_id))
        good = found["MASK"] == 0
        residual = found["SCI"] - scope.sky_adu
        pulls.append((residual / found["ERR"])[good])
        residuals.append(np.where(good, residual, np.nan))
    std = float(np.concatenate(pulls).std())
    offset = float(np.nanmedian(residuals)) * scope.camera.egain
    print(f"gain {scope.gain}: median(calibrated - truth) {offset:+.3f} e-, pulls std {std:.4f}")
    assert abs(offset) < 0.3
    assert 0.97 < std < 1.03


async def is_flat(scope: Telescope) -> None:
    """A bright even sky: what is left of the response, in blocks."""
    (frame_id,) = await scope.send("LIGHT", 1, LIGHT_S, 50_000.0, OBJECT="Twilight")
    found = planes(await calibrated(scope.pocket, frame_id))
    level = np.where(found["MASK"] == 0, found["SCI"], np.nan)
    blocks = np.nanmedian(level.reshape(6, 64, 6, 64).swapaxes(1, 2).reshape(6, 6, -1), axis=2)
    worst = float(np.abs(blocks / np.median(blocks) - 1).max())
    print(f"gain {scope.gain}: largest flat residual of 64 x 64 blocks {100 * worst:.3f} %")
    assert worst < 0.003


async def test_noise_closes_with_masters_of_ten_frames(ten: Telescope) -> None:
    await closes(ten)
    await is_flat(ten)


async def test_noise_closes_with_masters_of_five_frames(five: Telescope) -> None:
    await closes(five)
    await is_flat(five)


async def test_ten_who_ask_at_once_have_one_job(ten: Telescope) -> None:
    (frame_id,) = await ten.send("LIGHT", 1, LIGHT_S, SKY_E)
    answers = await asyncio.gather(*(ask(ten.pocket, frame_id) for _ in range(10)))
    jobs = {one.json()["job_id"] for one in answers if one.status_code == 202}
    assert {one.status_code for one in answers} <= {202, 200}, "one that came late may find it made"
    assert len(jobs) == 1
    assert all("retry-after" in one.headers for one in answers if one.status_code == 202)
    await calibrated(ten.pocket, frame_id)
    count = "SELECT count(*) FROM job WHERE frame_id = $1 AND kind = 'calibrate'"
    assert await ten.pocket.runtime.pool.fetchval(count, frame_id) == 1
    assert (await ask(ten.pocket, frame_id)).status_code == 200


async def test_the_file_says_what_was_applied_and_is_sound(ten: Telescope, tmp_path: Path) -> None:
    (frame_id,) = await ten.send("LIGHT", 1, LIGHT_S, SKY_E)
    path = tmp_path / "calibrated.fits"
    path.write_bytes(await calibrated(ten.pocket, frame_id))
    masters = await ten.masters(4)
    with fits.open(path, checksum=True) as units:
        units.verify("exception")
        assert [unit.name for unit in units] == ["SCI", "ERR", "MASK"]
        assert all(unit.verify_checksum() == unit.verify_datasum() == 1 for unit in units)
        header = units[0].header
    assert header["CALSTAT"] == "BDF"
    assert header["BUNIT"] == "adu"
    for short, name in (("DARK", "dark 60"), ("FLAT", "flat 0")):
        assert str(masters[name]) in header[f"CAL{short}"]
        made = await products.of_master(ten.pocket.runtime.pool, masters[name])
        assert header[f"SHA{short}"] == made[ProductKind.MASTER].sha256
    assert any("master dark applied" in line for line in header["HISTORY"])
    used = (await products.of_frame(ten.pocket.runtime.pool, frame_id))[ProductKind.CALIBRATED]
    assert used.parameters["master_ids"] == sorted(str(masters[one]) for one in ("dark 60", "flat 0"))
    assert header["CALRN"] == pytest.approx(ten.camera.read_noise_e, rel=0.05)


async def test_a_cosmic_ray_is_cleaned_only_when_asked_for(ten: Telescope) -> None:
    data = ten.camera.expose(LIGHT_S, SKY_E)
    places = [(40 + 30 * i, 60 + 25 * i) for i in range(10)]
    for y, x in places:
        data[y, x : x + 2] = 9000
    frame_id, job_id = await ten.pocket.upload(ten.frame("LIGHT", data, LIGHT_S))
    await ten.pocket.ended(job_id)
    plain = planes(await calibrated(ten.pocket, frame_id))
    clean = planes(await calibrated(ten.pocket, frame_id, cosmics="true"))
    assert all(plain["SCI"][place] > 5000 and plain["MASK"][place] & 8 == 0 for place in places)
    assert all(clean["MASK"][place] & 8 for place in places)
    assert max(abs(clean["SCI"][place] - ten.sky_adu) for place in places) < 60
    assert (await ask(ten.pocket, frame_id)).status_code == 200


async def test_a_light_without_masters_is_told_why(ten: Telescope) -> None:
    (frame_id,) = await ten.send("LIGHT", 1, 33.0, SKY_E, **{"SET-TEMP": 15.0, "CCD-TEMP": 15.0})
    answer = await ask(ten.pocket, frame_id)
    assert answer.status_code == 409
    assert answer.json()["code"] == "no-masters"
    print(answer.json()["detail"])
    assert "temperature" in answer.json()["detail"]
    assert "60" in answer.json()["detail"]


async def test_a_new_master_never_serves_stale_pixels(pocket: Pocket, five: Telescope) -> None:
    frame_id, other = await five.send("LIGHT", 2, LIGHT_S, SKY_E)
    before = [await calibrated(pocket, one) for one in (frame_id, other)]
    kept = (await products.of_frame(pocket.runtime.pool, other))[ProductKind.CALIBRATED]
    old = (await five.masters(4))["dark 60"]
    await five.send("DARK", 2, LIGHT_S)
    await settle(pocket, min_frames=5, refresh_new_frames=3)
    await five.send("DARK", 1, LIGHT_S)
    async with asyncio.timeout(60):
        while (await five.masters(4))["dark 60"] == old:
            await asyncio.sleep(0.1)
    await pocket.idle()
    await settle(pocket)
    new = (await five.masters(4))["dark 60"]
    assert ProductKind.CALIBRATED not in await products.of_frame(pocket.runtime.pool, other)
    with pytest.raises(ObjectMissing):
        await anext(pocket.runtime.store.open_range(kept.key, 0, 1))
    first = await ask(pocket, frame_id)
    assert first.status_code == 202
    after = [await calibrated(pocket, one) for one in (frame_id, other)]
    for body, was in zip(after, before, strict=True):
        assert body != was
        assert str(new) in fits.getheader(io.BytesIO(body))["CALDARK"]
        assert str(old) in fits.getheader(io.BytesIO(was))["CALDARK"]


async def test_a_forgotten_light_is_made_again(pocket: Pocket, ten: Telescope) -> None:
    (frame_id,) = await ten.send("LIGHT", 1, LIGHT_S, SKY_E)
    before = await calibrated(pocket, frame_id)
    dark: UUID = (await ten.masters(4))["dark 60"]
    async with pocket.runtime.pool.acquire() as db, db.transaction():
        made = await light_sets.made_with(db, pocket.observatory_id, [dark])
        keys = await light_sets.forget_calibrated(db, pocket.observatory_id, [dark], drop_sets=True)
        again = await light_sets.forget_calibrated(db, pocket.observatory_id, [dark], drop_sets=True)
    assert (frame_id, ProductKind.CALIBRATED) in made
    assert len(keys) == len(made)
    assert again == []
    for key in keys:
        await pocket.runtime.store.delete(key)
    assert (
        await pocket.runtime.pool.fetchval("SELECT count(*) FROM light_set WHERE masters->>'dark' = $1", str(dark)) == 0
    )
    assert await calibrated(pocket, frame_id) == before


async def test_a_light_whose_bytes_are_lost_is_made_again(pocket: Pocket, ten: Telescope) -> None:
    (frame_id,) = await ten.send("LIGHT", 1, LIGHT_S, SKY_E)
    before = await calibrated(pocket, frame_id)
    made = (await products.of_frame(pocket.runtime.pool, frame_id))[ProductKind.CALIBRATED]
    await pocket.runtime.store.delete(made.key)
    assert (await ask(pocket, frame_id)).status_code == 202
    assert await calibrated(pocket, frame_id) == before


async def test_a_failure_is_told_instead_of_tried_again(pocket: Pocket, ten: Telescope) -> None:
    (frame_id,) = await ten.send("LIGHT", 1, LIGHT_S, SKY_E)
    frame = await frames.get(pocket.runtime.pool, frame_id)
    assert frame is not None
    await pocket.runtime.store.delete(frame.raw_key)
    (pocket.runtime.settings.data_dir / "cache" / frame.sha256).unlink(missing_ok=True)
    first = await ask(pocket, frame_id)
    assert first.status_code == 202
    await pocket.ended(UUID(first.json()["job_id"]))
    told = await ask(pocket, frame_id)
    print(told.json()["detail"])
    assert (told.status_code, told.json()["code"]) == (409, "conflict")
    assert first.json()["job_id"] in told.json()["detail"]
    assert "gone" in told.json()["detail"]


async def test_a_pixel_listed_later_is_repaired_in_lights_calibrated_before(pocket: Pocket, ten: Telescope) -> None:
    rig_id, pool = uuid4(), pocket.runtime.pool
    await pool.execute(
        "INSERT INTO rig (id, observatory_id, name) VALUES ($1, $2, 'listed')", rig_id, pocket.observatory_id
    )
    (frame_id,) = await ten.send("LIGHT", 1, LIGHT_S, SKY_E)
    was = planes(await calibrated(pocket, frame_id))
    await pool.execute("UPDATE frame SET rig_id = $1 WHERE id = $2", rig_id, frame_id)
    await pool.execute(
        "UPDATE master SET rig_id = $1, facts = jsonb_set(facts, '{mode,rig_id}', to_jsonb($2::text)) "
        "WHERE gain_setting = 100", rig_id, str(rig_id),
    )  # fmt: skip
    await badpixels.save(pool, pocket.observatory_id, rig_id, "bad_columns: [200]\n", changed_by="tester")
    found = planes(await calibrated(pocket, frame_id))
    assert (was["MASK"][:, 199] & 1).mean() < 0.1
    assert (found["MASK"][:, 199] & 1).all()
    assert (found["MASK"][:, 197] & 1).mean() < 0.1
    assert abs(float(np.median(found["SCI"][:, 199])) - ten.sky_adu) < 5

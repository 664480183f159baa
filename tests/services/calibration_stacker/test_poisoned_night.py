"""A night of calibration frames with planted bad ones, through the real services: what enters a master, and why not."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from astropy.io import fits

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module, Service
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from pictor.runtime.stacking import reviewing
from pictor.state import masters, policies
from tests.imaging.calibration.camera import Camera, make_camera
from tests.support.pocket import Pocket, open_pocket
from tests.support.servers import make_database

WARM = ("pictor.ingest.compute", "pictor.calibration_stacker.compute")
LEFT_OUT = [str(module) for module in Module if module not in {Module.INGEST, Module.STACK}]
SIDE = 256
GOOD = 10

CARDS = {
    "INSTRUME": "Simulated camera", "XBINNING": 1, "YBINNING": 1, "GAIN": 100, "OFFSET": 50, "EGAIN": 1.5,
    "SET-TEMP": -10.0, "CCD-TEMP": -10.0, "XPIXSZ": 3.8, "YPIXSZ": 3.8, "FOCALLEN": 500.0,
    "SWCREATE": "N.I.N.A. 3.1 (x64)",
}  # fmt: skip


@pytest.fixture(scope="module")
async def pocket(database_server: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pocket]:
    """An installation that ingests and stacks."""
    dsn = await make_database(database_server, "poisoned")
    async with (
        ChildPool(2, warm=WARM) as children,
        open_pocket(dsn, tmp_path_factory.mktemp("poisoned") / "pocket", children=children) as opened,
    ):
        await opened.runtime.pool.execute("UPDATE observatory SET modules_off = $1", LEFT_OUT)
        async with opened.working(Service.INGEST, Service.CALIBRATION_STACKER):
            yield opened


@dataclass
class Night:
    """What the camera writes, and what became of it."""

    pocket: Pocket
    camera: Camera
    sent: dict[UUID, str] = field(default_factory=dict)
    minute: int = 0

    async def send(self, word: str, kind: str, exposure_s: float, pixels: np.ndarray, **said: Any) -> None:
        """Upload one frame under a word of ours."""
        self.minute += 1
        when = f"2026-03-10T{20 + self.minute // 60:02d}:{self.minute % 60:02d}:00.000"
        cards = CARDS | {"IMAGETYP": kind, "EXPTIME": exposure_s, "DATE-OBS": when} | said
        file = io.BytesIO()
        fits.PrimaryHDU(pixels, fits.Header(cards)).writeto(file)
        frame, job = await self.pocket.upload(file.getvalue())
        assert await self.pocket.ended(job) is JobState.COMPLETED
        self.sent[frame] = word

    async def refused(self) -> dict[str, list[str]]:
        rows = await self.pocket.runtime.pool.fetch("SELECT id, not_stacked FROM frame ORDER BY start_utc")
        return {self.sent[row["id"]]: row["not_stacked"] for row in rows if row["not_stacked"] != []}

    async def masters(self, kind: str, state: str = "active") -> list[Any]:
        query = "SELECT * FROM master WHERE frame_type = $1 AND state = $2 ORDER BY created_at"
        return list(await self.pocket.runtime.pool.fetch(query, kind, state))

    async def members(self, master_id: UUID) -> set[str]:
        rows = await self.pocket.runtime.pool.fetch(
            "SELECT frame_id FROM master_component WHERE master_id = $1", master_id
        )
        return {self.sent[row["frame_id"]] for row in rows}

    async def until(self, kind: str, count: int = 1, state: str = "active") -> list[Any]:
        async with asyncio.timeout(60):
            while len(found := await self.masters(kind, state)) < count:
                await asyncio.sleep(0.05)
        return found


def half_step(pixels: np.ndarray) -> np.ndarray:
    """Add 18 electrons to the upper half."""
    stepped = pixels.copy()
    stepped[SIDE // 2 :] += 12
    return stepped


def same_quarter(pixels: np.ndarray) -> np.ndarray:
    """Make a quarter of the pixels one value."""
    spoilt = pixels.copy()
    spoilt[: SIDE // 4] = 500
    return spoilt


async def test_no_bad_frame_of_a_night_enters_a_master_and_each_has_its_reason(
    pocket: Pocket, rng: np.random.Generator
) -> None:
    night = Night(pocket, make_camera(rng, side=SIDE))
    expose = night.camera.expose
    stack = np.mean([expose(60.0) for _ in range(8)], axis=0).astype(np.float32)
    for i in range(5):
        await night.send(f"bias {i}", "BIAS", 0.0, expose(0.0))
    await night.send("half-frame step", "BIAS", 0.0, half_step(expose(0.0)))
    await night.send("quarter of one value", "BIAS", 0.0, same_quarter(expose(0.0)))
    for i in range(5):
        await night.send(f"dark {i}", "DARK", 60.0, expose(60.0))
    await night.send("warm dark", "DARK", 60.0, expose(60.0), **{"CCD-TEMP": -4.0})
    await night.send("mislabelled exposure", "DARK", 60.0, expose(600.0))
    await night.send("uploaded master", "DARK", 60.0, stack)
    await night.send("counted master", "DARK", 60.0, stack + np.float32(0.001), NCOMBINE=8)
    for i in range(5, GOOD):
        await night.send(f"bias {i}", "BIAS", 0.0, expose(0.0))
        await night.send(f"dark {i}", "DARK", 60.0, expose(60.0))
        await night.send(f"flat-dark {i}", "DARK", 2.0, expose(2.0))
    for i in range(5):
        await night.send(f"flat-dark {i}", "DARK", 2.0, expose(2.0))
        await night.send(f"flat {i}", "FLAT", 2.0, expose(2.0, 30_000.0), FILTER="L")
    await night.send("saturated flat", "FLAT", 2.0, expose(2.0, 130_000.0), FILTER="L")
    await night.send("faint flat", "FLAT", 2.0, expose(2.0, 1_000.0), FILTER="L")
    for i in range(5, GOOD):
        await night.send(f"flat {i}", "FLAT", 2.0, expose(2.0, 30_000.0), FILTER="L")
    (bias,), darks, (flat,) = await night.until("bias"), await night.until("dark", 2), await night.until("flat")
    await pocket.idle()
    refused = await night.refused()
    for word, told in refused.items():
        print(f"{word}: {told}")
    planted = {
        "half-frame step": "structure", "quarter of one value": "one value fills", "warm dark": "sensor at -4.0 C",
        "mislabelled exposure": "does the exposure it states, 60 s, hold?", "uploaded master": "it is a stack",
        "counted master": "its header counts 8 exposures", "saturated flat": "saturated",
        "faint flat": "signal-to-noise",
    }  # fmt: skip
    assert set(refused) == set(planted)
    for word, part in planted.items():
        assert part in " ".join(refused[word]), word
    for master in (bias, *darks, flat):
        members = await night.members(master["id"])
        assert not members & set(planted)
        assert len(members) == GOOD
    print(f"{len(night.sent)} frames, {len(planted)} planted, none in the {2 + len(darks)} masters")
    await _wholly_poisoned(night, rng, bias["id"])


async def _wholly_poisoned(night: Night, rng: np.random.Generator, active: UUID) -> None:
    """Ten new biases, every one with another pattern: the candidate is rejected, the old master stays."""
    for i in range(GOOD):
        pattern = np.zeros((SIDE, SIDE), np.uint16)
        pattern[:, (i % 2) * SIDE // 2 : (i % 2 + 1) * SIDE // 2] = 3
        await night.send(f"poisoned {i}", "BIAS", 0.0, night.camera.expose(0.0) + pattern)
    candidates = [*await night.masters("bias", "rejected"), *await night.masters("bias", "needs-review")]
    async with asyncio.timeout(60):
        while not candidates:
            await asyncio.sleep(0.1)
            candidates = [*await night.masters("bias", "rejected"), *await night.masters("bias", "needs-review")]
    await night.pocket.idle()
    print(f"wholly poisoned: {[(one['state'], one['reasons']) for one in candidates]}")
    assert [one["state"] for one in candidates] == ["rejected"]
    assert [one["id"] for one in await night.masters("bias")] == [active]


async def test_two_serial_numbers_accepted_once_are_not_asked_about_again(
    pocket: Pocket, rng: np.random.Generator
) -> None:
    night = Night(pocket, make_camera(rng, side=SIDE), minute=100)
    pool, place = pocket.runtime.pool, pocket.observatory_id
    async with pool.acquire() as db:
        before = await policies.policy_of(db, place)
        await policies.save(db, place, {"min_frames": 3, "refresh_new_frames": 1}, changed_by="test")
    for serial in ("A1", "A1", "B2"):
        await night.send(serial, "BIAS", 0.0, night.camera.expose(0.0), GAIN=120, CAMERAID=serial)
    (asked,) = [
        one for one in await night.until("bias", 1, "needs-review") if one["facts"]["mode"]["gain_setting"] == 120
    ]
    assert "2 cameras by their serial numbers: A1, B2" in asked["reasons"][0]
    async with pool.acquire() as db, db.transaction():
        master = await masters.get(db, asked["id"])
        assert master is not None
        await reviewing.accept(db, master, by="test", because="numbered anew")
    await night.send("B2 again", "BIAS", 0.0, night.camera.expose(0.0), GAIN=120, CAMERAID="B2")
    async with asyncio.timeout(60):
        while not (newer := [one for one in await night.masters("bias") if one["ncombine"] == 4]):
            await asyncio.sleep(0.05)
    await pocket.idle()
    assert newer[0]["facts"]["mode"]["gain_setting"] == 120
    async with pool.acquire() as db:
        await policies.save(db, place, before, changed_by="test")


async def test_flats_of_growing_exposures_take_the_dark_of_the_last(pocket: Pocket, rng: np.random.Generator) -> None:
    night = Night(pocket, make_camera(rng, side=SIDE))
    expose, mode = night.camera.expose, {"GAIN": 7}
    for i in range(GOOD):
        await night.send(f"dark {i}", "DARK", 8.0, expose(8.0), **mode)
    for i in range(GOOD):
        at_dusk = 1.0 + 7.0 * i / (GOOD - 1)
        await night.send(f"flat {i}", "FLAT", at_dusk, expose(at_dusk, 30_000.0), FILTER="sky", **mode)
    async with asyncio.timeout(60):
        while not (found := [one for one in await night.masters("flat") if "/sky/" in one["group_key"]]):
            await asyncio.sleep(0.05)
    (dark,) = [one for one in await night.masters("dark") if "/8s/" in one["group_key"]]
    assert found[0]["statistics"]["made_with"]["dark_id"] == str(dark["id"])
    assert await night.members(found[0]["id"]) == {f"flat {i}" for i in range(GOOD)}

"""Frames of a camera with known truth, written as a capture program writes them, and their way through the services."""

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.contracts.jobs import JobState
from pictor.contracts.modules import Module, Service
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from tests.imaging.calibration.camera import Camera, make_camera
from tests.support.pocket import Pocket, open_pocket
from tests.support.servers import make_database

WARM = ("pictor.ingest.compute", "pictor.calibration_stacker.compute")
LEFT_OUT = [str(module) for module in Module if module not in {Module.INGEST, Module.STACK, Module.CALIBRATE}]

LIGHT_S, FLAT_S, SKY_E, FLAT_E = 60.0, 2.0, 400.0, 45_000.0


@dataclass
class Telescope:
    """A camera at one gain setting, whose frames go to an installation."""

    pocket: Pocket
    gain: int
    camera: Camera
    start: str = "2026-11-19T21"
    taken: int = 0
    sent: list[UUID] = field(default_factory=list)

    def frame(self, kind: str, data: NDArray[np.uint16], exposure_s: float, **cards: Any) -> bytes:
        """Write one frame as FITS."""
        self.taken += 1
        header = fits.Header()
        known = {
            "IMAGETYP": kind, "EXPOSURE": exposure_s, "EXPTIME": exposure_s, "INSTRUME": "Truth camera",
            "DATE-OBS": f"{self.start}:{self.taken // 60 % 60:02d}:{self.taken % 60:02d}.000", "XBINNING": 1,
            "YBINNING": 1, "GAIN": self.gain, "OFFSET": 50, "EGAIN": self.camera.egain, "SET-TEMP": -10.0,
            "CCD-TEMP": -10.0, "XPIXSZ": 3.8, "YPIXSZ": 3.8, "FOCALLEN": 500.0, "ROWORDER": "TOP-DOWN",
            "SWCREATE": "N.I.N.A. 3.1 (x64)",
        }  # fmt: skip
        lit = {"FILTER": "L"} if kind in {"LIGHT", "FLAT"} else {}
        header.update({**known, **lit, **({"OBJECT": "Nowhere"} if kind == "LIGHT" else {}), **cards})
        out = io.BytesIO()
        fits.PrimaryHDU(data, header).writeto(out)
        return out.getvalue()

    async def send(self, kind: str, count: int, exposure_s: float, light_e: Any = 0.0, **cards: Any) -> list[UUID]:
        """Expose, upload and wait until the frames are registered."""
        sent = []
        for _ in range(count):
            lit = light_e * self.camera.rng.uniform(0.9, 1.1) if kind == "FLAT" else light_e
            body = self.frame(kind, self.camera.expose(exposure_s, lit), exposure_s, **cards)
            sent.append(await self.pocket.upload(body))
        for _, job_id in sent:
            assert await self.pocket.ended(job_id) is JobState.COMPLETED
        return [frame_id for frame_id, _ in sent]

    async def make_masters(self, count: int) -> dict[str, UUID]:
        """Take a whole set of calibration frames and wait for its four masters."""
        await self.send("BIAS", count, 0.0)
        await self.send("DARK", count, LIGHT_S)
        await self.send("DARK", count, FLAT_S)
        await self.send("FLAT", count, FLAT_S, FLAT_E)
        return await self.masters(4)

    async def masters(self, count: int, *, within_s: float = 60.0) -> dict[str, UUID]:
        """Wait for so many active masters of this camera mode; return them by type and exposure."""
        end = time.monotonic() + within_s
        while True:
            rows = await self.pocket.runtime.pool.fetch(
                "SELECT * FROM master WHERE gain_setting = $1 AND state = 'active'", float(self.gain)
            )
            if len(rows) >= count:
                return {f"{row['frame_type']} {row['exposure_s'] or 0:g}": row["id"] for row in rows}
            notes = await self.pocket.runtime.pool.fetch("SELECT group_key, message FROM calibration_note")
            judged = await self.pocket.runtime.pool.fetch("SELECT frame_type, state, reasons FROM master")
            assert time.monotonic() < end, [*map(dict, notes), *map(dict, judged)]
            await asyncio.sleep(0.1)

    @property
    def sky_adu(self) -> float:
        """What a perfect detector of the flat's mean response shows of the sky."""
        quarter = self.camera.response.shape[0] // 4
        centre = float(self.camera.response[quarter:-quarter, quarter:-quarter].mean())
        return SKY_E * centre / self.camera.egain


async def ask(pocket: Pocket, frame_id: UUID, **query: Any) -> httpx.Response:
    """Ask once for a calibrated light."""
    return await pocket.client.get(f"/api/v1/frames/{frame_id}/calibrated", params=query)


async def calibrated(pocket: Pocket, frame_id: UUID, *, within_s: float = 60.0, **query: Any) -> bytes:
    """Ask for a calibrated light until it is there."""
    end = time.monotonic() + within_s
    while True:
        answer = await ask(pocket, frame_id, **query)
        if answer.status_code == 200:
            return answer.content
        assert answer.status_code == 202, answer.text
        assert time.monotonic() < end, await pocket.runs(UUID(answer.json()["job_id"]))
        await asyncio.sleep(0.1)


@asynccontextmanager
async def observing(server: Endpoints, name: str, folder: Path) -> AsyncIterator[Pocket]:
    """Open an installation that ingests, stacks and calibrates."""
    dsn = await make_database(server, name)
    async with ChildPool(2, warm=WARM) as children, open_pocket(dsn, folder, children=children) as opened:
        await opened.runtime.pool.execute("UPDATE observatory SET modules_off = $1", LEFT_OUT)
        async with opened.working(Service.INGEST, Service.CALIBRATION_STACKER):
            yield opened


def telescope(pocket: Pocket, gain: int, *, side: int = 384, seed: int = 7) -> Telescope:
    """Make a camera mode of its own."""
    return Telescope(pocket, gain, make_camera(np.random.default_rng(seed + gain), side=side))

"""A served installation with a stacker, asked by the calibration commands; and frames of one camera for it."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from typer.testing import CliRunner, Result

from pictor.cli.main import app
from tests.imaging.calibration.camera import Camera
from tests.support.pocket import Pocket

CARDS: dict[str, object] = {
    "INSTRUME": "ASI2600MM", "GAIN": 100, "OFFSET": 30, "SET-TEMP": -10.0, "CCD-TEMP": -9.9, "EGAIN": 1.5,
    "XBINNING": 1, "YBINNING": 1, "SWCREATE": "N.I.N.A. 3.1 (x64)",
}  # fmt: skip

ALL = ("--days", 3650)
"""The frames of the camera are of one night that drifts out of any window."""


@dataclass(frozen=True)
class House:
    """A served installation with ten darks in a master, flats that wait for their dark, and a light without one."""

    pocket: Pocket
    port: int
    folder: Path
    token: str
    darks: list[Path]
    flats: list[Path]
    light_id: UUID

    async def pictor(self, *arguments: object, token: str | None = None) -> Result:
        """Run a command as a person would; the gateway answers meanwhile."""
        environment = {"PICTOR_URL": f"http://127.0.0.1:{self.port}", "PICTOR_TOKEN": token or self.token}
        words = ["calib", *map(str, arguments)]
        return await asyncio.to_thread(CliRunner().invoke, app, words, env=environment)

    async def missing(self, frame_id: UUID) -> str:
        """Return the server's own sentence about a frame that is not there."""
        answer = await self.pocket.client.get(f"/api/v1/frames/{frame_id}/calibration/explain")
        assert answer.status_code == 404
        return str(answer.json()["detail"])

    async def json(self, *arguments: object) -> Any:
        """Run a command that must succeed and return its JSON."""
        done = await self.pictor(*arguments, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def write(camera: Camera, folder: Path, name: str, frames: list[Any], **cards: object) -> list[Path]:
    return camera.write(folder, name, frames, **{**CARDS, **cards})


def exposed(kind: str, seconds: float, **cards: object) -> dict[str, object]:
    return {"IMAGETYP": kind, "EXPTIME": seconds, "EXPOSURE": seconds, **cards}


async def until(pocket: Pocket, question: str, *, within_s: float = 60.0) -> None:
    """Wait until the database says yes."""
    async with asyncio.timeout(within_s):
        while not await pocket.runtime.pool.fetchval(question):
            await asyncio.sleep(0.1)

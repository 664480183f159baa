"""Every example of the calibration guide, run as it stands."""

import asyncio
import json
import os
import re
import shlex
from pathlib import Path

import pytest
from astropy.io import fits

from tests.imaging.calibration.camera import Camera
from tests.support.calibration_house import CARDS, House, exposed

GUIDE = (Path(__file__).resolve().parents[4] / "docs" / "calibration.md").read_text(encoding="utf-8")


def words_of(line: str, folder: Path, variables: dict[str, str]) -> tuple[list[str], Path | None]:
    """Read a line as a shell would: variables, file patterns and one redirection."""
    line, _, out = line.partition(" > ")
    for name, value in variables.items():
        line = line.replace(f'"${name}"', value)
    found: list[str] = []
    for word in shlex.split(line):
        found += sorted(path.name for path in folder.glob(word)) if "*" in word else [word]
    return found, folder / out if out else None


async def test_every_command_of_the_guide_runs(
    house: House, camera: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, kind, seconds, light_e in (
        ("dark60_", "DARK", 60.0, 0.0), ("dark2_", "DARK", 2.0, 0.0), ("flat", "FLAT", 2.0, 3e4),
        ("light", "LIGHT", 60.0, 400.0),
    ):  # fmt: skip
        frames = [camera.expose(seconds, light_e) for _ in range(5)]
        camera.write(tmp_path, name, frames, **CARDS, **exposed(kind, seconds, FILTER="R"))
    (master, *_) = (await house.json("masters", "--type", "dark", "--status", "active"))["items"]
    monkeypatch.chdir(tmp_path)
    lines = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("pictor calib ")]
    assert len(commands) >= 16
    for line in commands:
        variables = {"LIGHT": str(house.light_id), "MASTER": master["id"]}
        (_, _, *words), out = words_of(line, tmp_path, variables)
        done = await house.pictor(*words)
        assert done.exit_code == 0, f"{line}\n{done.output}"
        if out is not None:
            out.write_text(done.stdout)
    assert len(list((tmp_path / "calibrated").iterdir())) == 5
    assert (tmp_path / "tonight.csv").read_text().startswith("kind,count,exposure_s")
    assert len(json.loads((tmp_path / "report.json").read_text())) == 5


async def test_every_request_of_the_guide_is_answered(house: House, tmp_path: Path) -> None:
    (block,) = [one for one in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) if "curl" in one]
    (master, *_) = (await house.json("masters", "--type", "dark", "--status", "active"))["items"]
    environment = {
        **os.environ, "PICTOR_URL": f"http://127.0.0.1:{house.port}", "PICTOR_TOKEN": house.token,
        "LIGHT": str(house.light_id), "MASTER": master["id"],
    }  # fmt: skip
    shell = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", block, cwd=tmp_path, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await shell.communicate()
    assert shell.returncode == 0, output.decode()[-3000:]
    assert fits.getheader(tmp_path / "master.fits")["IMAGETYP"] == "Master Dark"
    assert (tmp_path / "plan.csv").read_text().startswith("kind,count,exposure_s")

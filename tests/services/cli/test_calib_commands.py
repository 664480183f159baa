"""The calibration commands against a real gateway with a real stacker behind it."""

import asyncio
import csv
import io
import json
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import numpy as np
import pytest
import structlog
from astropy.io import fits
from typer.testing import CliRunner, Result

from pictor.cli.main import app
from pictor.cli.web import serve
from pictor.contracts.modules import Module, Service
from pictor.gateway.app import create_app
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from tests.imaging.calibration.camera import Camera, make_camera
from tests.support.pocket import Pocket, open_pocket

WARM = ("pictor.ingest.compute", "pictor.calibration_stacker.compute")
NEEDED = {Module.INGEST, Module.STACK, Module.CALIBRATE}
SIDE = 192
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


@pytest.fixture(scope="module")
def camera() -> Camera:
    return make_camera(np.random.default_rng(4), side=SIDE)


@pytest.fixture(scope="module")
async def house(
    database_server: Endpoints, tmp_path_factory: pytest.TempPathFactory, camera: Camera
) -> AsyncIterator[House]:
    """The installation, filled once for all tests of this file."""
    folder = tmp_path_factory.mktemp("calib")
    admin = await asyncpg.connect(database_server.postgres_dsns["postgres"])
    await admin.execute('CREATE DATABASE calib OWNER "pictor" STRATEGY file_copy')
    await admin.close()
    dsn = urlsplit(database_server.postgres_dsns["pictor"])._replace(path="/calib").geturl()
    logged = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))
    darks = write(camera, folder, "dark", [camera.expose(60.0) for _ in range(10)], **exposed("DARK", 60.0))
    flats = write(
        camera, folder, "flat", [camera.expose(2.0, 30_000.0) for _ in range(10)], **exposed("FLAT", 2.0, FILTER="R")
    )
    (light,) = write(
        camera, folder, "light", [camera.expose(90.0, 400.0)], **exposed("LIGHT", 90.0, FILTER="R", OBJECT="M 31")
    )
    async with (
        ChildPool(2, warm=WARM) as children,
        open_pocket(dsn, folder / "pocket", children=children) as pocket,
        serve(create_app(pocket.runtime), pocket.runtime.settings.model_copy(update={"port": 0})) as port,
    ):
        left_out = [str(module) for module in Module if module not in NEEDED]
        await pocket.runtime.pool.execute("UPDATE observatory SET modules_off = $1", left_out)
        async with pocket.working(Service.INGEST, Service.CALIBRATION_STACKER):
            for path in (*darks, *flats):
                await pocket.upload(path.read_bytes())
            light_id, _ = await pocket.upload(light.read_bytes())
            await until(pocket, "SELECT EXISTS (SELECT FROM master WHERE state = 'active')")
            await until(pocket, "SELECT EXISTS (SELECT FROM frame WHERE frame_type = 'light' AND state = 'registered')")
            await until(pocket, "SELECT EXISTS (SELECT FROM calibration_note WHERE decision = 'defer')")
            await pocket.idle()
            token = pocket.client.headers["Authorization"].removeprefix("Bearer ")
            yield House(pocket, port, folder, token, darks, flats, light_id)
    structlog.configure(**logged)


async def test_masters_are_listed_with_filters(house: House) -> None:
    found = await house.json("masters", "--type", "dark", "--status", "active")
    (master,) = found["items"]
    assert (master["is_master"], master["ncombine"], master["exposure_s"]) == (True, 10, 60.0)
    assert (await house.json("masters", "--type", "bias"))["items"] == []
    done = await house.pictor("masters", "--limit", 1)
    assert (done.exit_code, "1 of 1" in done.output) == (0, True)


async def test_individual_frames_in_no_master_are_listed(house: House) -> None:
    found = await house.json("masters", "--individual", "--type", "flat")
    assert (found["total"], found["items"][0]["is_master"]) == (10, False)
    assert (await house.json("masters", "--individual", "--type", "dark"))["total"] == 0


async def test_the_master_of_the_stacker_has_the_pixels_of_the_command_line(house: House) -> None:
    (master,) = (await house.json("masters", "--type", "dark", "--status", "active"))["items"]
    key = await house.pocket.runtime.pool.fetchval(
        "SELECT key FROM product WHERE master_id = $1 AND kind = 'master'", UUID(master["id"])
    )
    theirs = house.folder / "theirs.fits"
    await house.pocket.runtime.store.get_to_file(key, theirs)
    ours = house.folder / "ours.fits"
    done = await house.pictor("stack", *house.darks, "-o", ours)
    assert done.exit_code == 0, done.output
    with fits.open(theirs) as stored, fits.open(ours) as local:
        assert [unit.name for unit in stored] == [unit.name for unit in local] == ["SCI", "ERR", "MASK", "NUSED"]
        for one, other in zip(stored, local, strict=True):
            assert one.data.tobytes() == other.data.tobytes(), one.name
        different = {key for key in stored[0].header if stored[0].header[key] != local[0].header.get(key)}
    assert {key[5:] for key in different - {"CHECKSUM"}} <= {"ID"}, different


async def test_a_flat_without_its_dark_is_refused_with_the_exact_sentence_forced_or_not(house: House) -> None:
    for force in ([], ["--force"]):
        done = await house.pictor("create", "--type", "flat", *force)
        assert done.exit_code == 1
        assert "Flat auto-stacking deferred: no matching master dark available" in done.output
        assert "Traceback" not in done.output


async def test_a_master_below_the_threshold_is_made_by_force_and_waited_for(house: House, camera: Camera) -> None:
    frames = [camera.expose(5.0) for _ in range(4)]
    for path in write(camera, house.folder, "few", frames, **exposed("DARK", 5.0)):
        await house.pocket.upload(path.read_bytes())
    await house.pocket.idle()
    done = await house.pictor("create", "--type", "dark", "--exposure", 5)
    assert done.exit_code == 1
    assert "4 of 10 frames" in done.output
    made = await house.json("create", "--type", "dark", "--exposure", 5, "--force", "--wait")
    assert (made["frames"], made["job"]["state"]) == (4, "completed")
    assert (await house.json("masters", "--type", "dark", "--status", "active"))["total"] == 2


async def test_needs_show_what_a_light_waits_for_and_groups_under_way(house: House) -> None:
    found = await house.json("needs", *ALL)
    (dark,) = [need for need in found["needs"] if need["kind"] == "dark" and need["exposure_s"] == 90.0]
    assert (dark["coverage"], dark["waiting_lights"], dark["nearest_miss"]["failed"]) == (
        "uncovered", 1, ["exposure"],
    )  # fmt: skip
    done = await house.pictor("needs", *ALL)
    assert done.exit_code == 0
    assert "1 lights of the last 3650 days" in done.output
    assert "Flat auto-stacking" in done.output


async def test_the_capture_plan_is_what_the_program_would_fetch(house: House) -> None:
    done = await house.pictor("needs", "--plan", "csv", *ALL)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["kind"] for row in rows} >= {"dark"}
    done = await house.pictor("needs", "--plan", "json", *ALL)
    told = json.loads(done.stdout)
    assert [item["need_id"] for item in told["items"]] == [row["need_id"] for row in rows]
    assert (await house.pictor("needs", "--plan", "xml")).exit_code == 2


async def test_explain_names_the_failing_rule_and_the_setting_that_would_turn_it(house: House) -> None:
    done = await house.pictor("explain", house.light_id)
    assert done.exit_code == 0, done.output
    assert "fails: exposure: frame 90, master 60, allowed 0.45" in done.output
    assert "would match with exposure_tolerance_s 30 (now 0.05)" in done.output
    found = await house.json("explain", house.light_id)
    assert [place["place"] for place in found["places"]] == ["dark", "flat", "bias"]
    done = await house.pictor("explain", "light00.fits")
    assert (done.exit_code, "is not the id of a frame" in done.output) == (2, True)
    done = await house.pictor("explain", UUID(int=5))
    assert (done.exit_code, done.output) == (1, f"pictor: {(await house.missing(UUID(int=5)))}\n")


async def test_a_dry_run_tells_what_settings_would_change_and_changes_nothing(house: House) -> None:
    found = await house.json("dry-run", "exposure_tolerance_s=30", *ALL)
    assert (found["lights"], found["gaining"], found["losing"]) == (1, 1, 0)
    done = await house.pictor("dry-run", "exposure_tolerance_s=30", *ALL)
    assert "1 lights: 1 gaining, 0 losing, 0 changing, 0 unchanged" in done.output
    settings = (await house.json("settings", "show"))["settings"]
    assert not any(one["changed"] for one in settings)


async def test_the_diary_shows_what_the_masters_measured(house: House) -> None:
    found = await house.json("diary")
    kinds = {series["kind"] for series in found["series"]}
    assert "hot-pixels" in kinds
    done = await house.pictor("diary", "--kind", "hot-pixels")
    assert (done.exit_code, "hot-pixels in" in done.output) == (0, True)


async def test_a_recalled_master_is_out_of_use_and_its_reason_kept(house: House, camera: Camera) -> None:
    frames = [camera.expose(7.0) for _ in range(10)]
    for path in write(camera, house.folder, "leak", frames, **exposed("DARK", 7.0)):
        await house.pocket.upload(path.read_bytes())
    active = "SELECT EXISTS (SELECT FROM master WHERE state = 'active' AND (facts->>'exposure_s')::float = 7)"
    await until(house.pocket, active)
    await house.pocket.idle()
    (master,) = [one for one in (await house.json("masters", "--type", "dark"))["items"] if one["exposure_s"] == 7.0]
    assert (await house.pictor("recall", master["id"])).exit_code == 2, "a reason is asked for"
    done = await house.pictor("review", master["id"], "accept", "--because", "good")
    assert (done.exit_code, "Nothing was changed" in done.output) == (1, True)
    told = await house.json("recall", master["id"], "--because", "light leak")
    assert (told["state"], len(told["frames"])) == ("rejected", 10)
    done = await house.pictor("recall", UUID(int=7), "--because", "nothing")
    assert done.exit_code == 1


async def test_a_master_made_elsewhere_is_uploaded_and_judged(house: House, camera: Camera, tmp_path: Path) -> None:
    frames = camera.write(tmp_path, "own", [camera.expose(11.0) for _ in range(6)], **CARDS, **exposed("DARK", 11.0))
    made = tmp_path / "made.fits"
    assert (await house.pictor("stack", *frames, "-o", made)).exit_code == 0
    told = await house.json("upload", made, "--wait")
    assert told["job"]["state"] == "completed"
    found = (await house.json("masters", "--type", "dark", "--status", "active"))["items"]
    (ours,) = [one for one in found if one["exposure_s"] == 11.0]
    assert ours["origin"] == "upload"
    again = await house.pictor("upload", made)
    assert (again.exit_code, "were judged before" in again.output) == (0, True)
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"no master")
    done = await house.pictor("upload", broken)
    assert (done.exit_code, done.output.startswith("pictor: "), "Traceback" in done.output) == (1, True, False)


async def test_one_master_is_shown_with_the_numbers_of_its_gate(house: House) -> None:
    (master,) = [one for one in (await house.json("masters", "--type", "dark"))["items"] if one["exposure_s"] == 60.0]
    done = await house.pictor("masters", master["id"])
    assert done.exit_code == 0, done.output
    assert "active        split-half noise: halves differ by" in done.output
    assert "made with min_frames 10" in done.output


GUIDE = (Path(__file__).resolve().parents[3] / "docs" / "calibration.md").read_text(encoding="utf-8")


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


async def test_settings_are_shown_changed_and_taken_back(house: House) -> None:
    done = await house.pictor("settings", "set", "min_frames=15", "flat_rotation=required")
    assert done.exit_code == 0, done.output
    await house.json("settings", "set", "dark_max_age_days=60")
    now = {one["name"]: one for one in (await house.json("settings", "show"))["settings"]}
    assert (now["min_frames"]["value"], now["flat_rotation"]["value"], now["dark_max_age_days"]["value"]) == (
        15, "required", 60,
    )  # fmt: skip
    await house.json("settings", "set", "min_frames=default", "flat_rotation=default", "dark_max_age_days=default")
    assert not any(one["changed"] for one in (await house.json("settings", "show"))["settings"])


async def test_a_wrong_setting_says_its_range_before_anything_is_asked(house: House) -> None:
    done = await house.pictor("settings", "set", "min_frames=1000")
    assert (done.exit_code, done.output) == (2, "pictor: min_frames is 1000; it must lie between 3 and 100\n")
    done = await house.pictor("settings", "set", "minimum=3")
    assert (done.exit_code, "there is no setting minimum" in done.output) == (2, True)


async def test_an_observatory_that_is_not_there_and_a_gateway_that_is_not_there(house: House) -> None:
    done = await house.pictor("masters", "--observatory", "elsewhere")
    assert (done.exit_code, "there is no observatory elsewhere; yours: home" in done.output) == (2, True)
    done = await house.pictor("masters", "--url", "http://127.0.0.1:9")
    assert (done.exit_code, "no gateway answers" in done.output) == (3, True)
    done = await house.pictor("masters", token="wrong")
    assert done.exit_code == 1

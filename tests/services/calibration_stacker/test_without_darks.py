"""Lights whose library has no dark of their exposure, or of their part of the sensor, through the real services."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from astropy.io import fits

from pictor.imaging.calibration.building import Recipe, build
from pictor.imaging.calibration.masters import Kind
from pictor.runtime.embedded.config import Endpoints
from tests.support.observed import LIGHT_S, SKY_E, Telescope, ask, calibrated, observing, telescope
from tests.support.pocket import Pocket

SIDE = 192
SHORT_S = 0.5
LONG_S = 120.0


@pytest.fixture(scope="module")
async def pocket(database_server: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pocket]:
    """An installation that ingests, stacks and calibrates, where a bias may stand in for the dark of short flats."""
    async with observing(database_server, "without_darks", tmp_path_factory.mktemp("lights") / "pocket") as opened:
        await settle(opened, bias_for_flats_below_s=5)
        yield opened


async def settle(pocket: Pocket, **settings: Any) -> None:
    answer = await pocket.client.put(
        f"/api/v1/observatories/{pocket.observatory_id}/calibration-settings", json={"settings": settings}
    )
    assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
async def scope(pocket: Pocket) -> Telescope:
    """A camera with a master bias and a master flat, and no dark."""
    made = telescope(pocket, 130, side=SIDE)
    await made.send("BIAS", 10, 0.0)
    await made.masters(1)
    await made.send("FLAT", 10, 2.0, 45_000.0)
    await made.masters(2)
    return made


def pulls(body: bytes, truth: float) -> tuple[float, float, fits.Header]:
    """Return median residual (ADU), standard deviation of the pulls, and the header."""
    with fits.open(io.BytesIO(body)) as units:
        good = units["MASK"].data == 0
        residual = (units["SCI"].data.astype(float) - truth)[good]
        return float(np.median(residual)), float((residual / units["ERR"].data[good]).std()), units[0].header


async def explained(pocket: Pocket, frame_id: UUID) -> dict[str, Any]:
    answer = await pocket.client.get(f"/api/v1/frames/{frame_id}/calibration/explain")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_short_light_is_calibrated_with_the_bias_alone_and_its_noise_closes(
    pocket: Pocket, scope: Telescope
) -> None:
    found = [
        pulls(await calibrated(pocket, one), scope.sky_adu) for one in await scope.send("LIGHT", 3, SHORT_S, SKY_E)
    ]
    offset, std = np.mean([one[0] for one in found]) * scope.camera.egain, np.mean([one[1] for one in found])
    header = found[0][2]
    print(f"bias and flat alone: median(calibrated - truth) {offset:+.3f} e-, pulls std {std:.4f}")
    assert abs(offset) < 0.3
    assert 0.97 < std < 1.03
    assert header["CALSTAT"] == "BF"
    assert "bias" in header["CALBIAS"]
    assert "CALDARK" not in header
    assert "DARKSCAL" not in header


async def test_a_dark_without_bias_is_scaled_only_where_the_policy_is_of_a_ccd(
    pocket: Pocket, scope: Telescope, tmp_path: Path
) -> None:
    (before,) = await scope.send("LIGHT", 1, LIGHT_S, SKY_E)
    await upload(scope, tmp_path)
    assert fits.getheader(io.BytesIO(await calibrated(pocket, before)))["CALSTAT"] == "BF"
    await settle(pocket, bias_for_flats_below_s=5, camera_type="CCD")
    found = [
        pulls(await calibrated(pocket, one), scope.sky_adu)
        for one in await scope.send("LIGHT", 3, LIGHT_S, SKY_E, OBJECT="Scaled")
    ]
    offset, std = np.mean([one[0] for one in found]) * scope.camera.egain, np.mean([one[1] for one in found])
    header = found[0][2]
    print(f"dark of {LONG_S:g} s scaled to {LIGHT_S:g} s: median {offset:+.3f} e-, pulls std {std:.4f}")
    assert header["CALSTAT"] == "BDF"
    assert header["DARKSCAL"] == pytest.approx(LIGHT_S / LONG_S)
    assert any("scaled by 0.5" in line for line in header["HISTORY"])
    assert abs(offset) < 0.3
    assert 0.97 < std < 1.03
    await settle(pocket, bias_for_flats_below_s=5)


async def upload(scope: Telescope, folder: Path) -> None:
    """Make a dark of twice the exposure, take its bias out, and upload it as a person would."""
    camera, pocket = scope.camera, scope.pocket
    darks = camera.write(folder, "long", [camera.expose(LONG_S) for _ in range(12)])
    zeros = camera.write(folder, "zero", [camera.expose(0.0) for _ in range(12)])
    dark = build(darks, Recipe(Kind.DARK, egain=camera.egain, read_noise_e=camera.read_noise_e, bias_level=500.0))
    bias = build(zeros, Recipe(Kind.BIAS, egain=camera.egain, read_noise_e=camera.read_noise_e))
    net = dark.combined.sci - bias.combined.sci
    body = scope.frame("Master Dark", net, LONG_S, NCOMBINE=12, DARKBIAS=False, BUNIT="adu")
    query = {"observatory": "home", "bias_inside": "false", "adu_per_unit": 1}
    answer = await pocket.client.post("/api/v1/calibration/masters/upload", content=body, params=query)
    assert answer.is_success, answer.text
    await pocket.idle()
    rows = await pocket.runtime.pool.fetch("SELECT id, state, reasons FROM master WHERE exposure_s = $1", LONG_S)
    assert len(rows) == 1, answer.text
    if rows[0]["state"] != "active":
        review = {"decision": "accept", "because": "made of our own frames"}
        accepted = await pocket.client.post(f"/api/v1/calibration/masters/{rows[0]['id']}/review", json=review)
        assert accepted.is_success, accepted.text


@pytest.mark.parametrize(
    ("size", "origin", "rules"),
    [((96, 128), (32, 48), ("width", "height", "roi_x", "roi_y")), ((SIDE, SIDE), (64, 32), ("roi_x", "roi_y"))],
)
async def test_a_part_of_the_sensor_gets_no_master_of_the_whole_and_is_told_by_which_rule(
    pocket: Pocket, scope: Telescope, size: tuple[int, int], origin: tuple[int, int], rules: tuple[str, ...]
) -> None:
    data = scope.camera.expose(SHORT_S, SKY_E)[: size[0], : size[1]]
    body = scope.frame("LIGHT", data, SHORT_S, XORGSUBF=origin[0], YORGSUBF=origin[1], OBJECT="Part")
    frame_id, job_id = await pocket.upload(body)
    await pocket.ended(job_id)
    answer = await ask(pocket, frame_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "no-masters")
    print(answer.json()["detail"])
    places = {one["place"]: one for one in (await explained(pocket, frame_id))["places"]}
    for place in ("bias", "flat"):
        failed = {rule["name"] for rule in places[place]["candidates"][0]["rules"] if not rule["passed"]}
        assert failed == set(rules)
    assert all(rule in answer.json()["detail"] for rule in rules)


async def test_an_origin_of_nothing_is_the_whole_sensor(pocket: Pocket, scope: Telescope) -> None:
    (frame_id,) = await scope.send("LIGHT", 1, SHORT_S, SKY_E, XORGSUBF=0, YORGSUBF=0, OBJECT="Whole")
    assert fits.getheader(io.BytesIO(await calibrated(pocket, frame_id)))["CALSTAT"] == "BF"

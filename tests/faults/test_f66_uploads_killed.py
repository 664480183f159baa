"""F66 and F67: a gateway or stacker killed inside the upload of a ready-made master, or inside a recall."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from astropy.io import fits

from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault
from tests.support.exposures import exposure

pytestmark = pytest.mark.faults

BUSY = {408, 429, 500, 502, 503, 504}
POINTS = (
    "gateway.after_claim", "gateway.after_put", "gateway.after_commit", "gateway.after_order", "stack.after_claim",
    "stack.mid_work", "stack.after_put", "stack.after_commit",
)  # fmt: skip


def _patient(call: Callable[[], httpx.Response], *, within_s: float = 90.0) -> httpx.Response:
    """Ask until the gateway answers for good, as a patient client does."""
    end = time.monotonic() + within_s
    while True:
        try:
            answer = call()
        except httpx.TransportError:
            assert time.monotonic() < end, f"no gateway answered within {within_s} s"
        else:
            if answer.status_code not in BUSY or time.monotonic() > end:
                return answer
        time.sleep(0.3)


def _master(path: Path, number: int, exposure_s: float) -> bytes:
    """Return a master dark of twenty frames."""
    exposure(path, number, kind="DARK", exposure_s=exposure_s)
    with fits.open(path, mode="update") as opened:
        noise = np.random.default_rng(number).normal(500.0, 2.7, opened[0].data.shape)
        opened[0].data = noise.astype(np.float32)
        opened[0].header.update({"IMAGETYP": "Master Dark", "NCOMBINE": 20, "DARKBIAS": True})
    return path.read_bytes()


def _uploaded(world: Deployment, body: bytes) -> dict[str, Any]:
    """Upload a master until it is accepted, and wait until it is judged."""
    answer = _patient(lambda: world.client.post("/calibration/masters/upload", content=body))
    assert answer.is_success, answer.text
    told: dict[str, Any] = answer.json()
    if told["job_id"] is not None:
        world.ended(told["job_id"], within_s=150)
    return told


def _states(world: Deployment, exposure_s: float) -> list[str]:
    query = "SELECT state FROM master WHERE (facts->>'exposure_s')::float = $1 ORDER BY created_at"
    return [row["state"] for row in world.sql(query, exposure_s)]


def _accept(world: Deployment, exposure_s: float) -> str:
    (row,) = world.sql("SELECT id FROM master WHERE (facts->>'exposure_s')::float = $1", exposure_s)
    body = {"decision": "accept", "because": "the first of its group"}
    answer = world.client.post(f"/calibration/masters/{row['id']}/review", json=body)
    assert answer.is_success, answer.text
    return str(row["id"])


@fault("F66", "crash points in the gateway and the stacker, at each of which one upload of a master dies", limit_s=90)
def test_a_master_whose_upload_is_killed_anywhere_is_there_once(world: Deployment, row: Row, tmp_path: Path) -> None:
    exposure_s = 66.0
    _uploaded(world, _master(tmp_path / "m.fits", 6600, exposure_s))
    assert _states(world, exposure_s) == ["needs-review"]
    _accept(world, exposure_s)
    for number, point in enumerate(POINTS, 1):
        body = _master(tmp_path / "m.fits", 6600 + number, exposure_s)
        world.arm(point)
        started = time.monotonic()
        told = _uploaded(world, body)
        assert point not in world.armed()
        row.note(f"killed at {point}: the master was judged after {time.monotonic() - started:.1f} s")
        assert _states(world, exposure_s) == ["superseded"] * number + ["active"]
        assert len(world.sql("SELECT FROM frame WHERE sha256 = $1", told["sha256"])) == 1
        again = world.client.post("/calibration/masters/upload", content=body).json()
        assert (again["job_id"], again["state"]) == (None, "active")
    row.over()
    row.converges(world)
    kept = world.sql(
        """
        SELECT m.id, array_agg(p.kind::text ORDER BY p.kind::text) AS kinds FROM master m JOIN product p
            ON p.master_id = m.id WHERE (m.facts->>'exposure_s')::float = $1 GROUP BY 1
        """,
        exposure_s,
    )  # fmt: skip
    assert [one["kinds"] for one in kept] == [["bad-pixels", "master", "preview"]] * (len(POINTS) + 1)


@fault("F67", "crash points before and after the commit of a recall", limit_s=90)
@pytest.mark.parametrize("point", ["recall.before_commit", "recall.after_commit"])
def test_a_recall_that_is_killed_is_done_once_or_not_at_all(
    world: Deployment, row: Row, tmp_path: Path, point: str
) -> None:
    exposure_s = 67.0 if point == "recall.before_commit" else 67.5
    numbers = [int(10 * exposure_s) * 10 + n for n in range(3)]
    _uploaded(world, _master(tmp_path / "m.fits", numbers[0], exposure_s))
    first = _accept(world, exposure_s)
    _uploaded(world, _master(tmp_path / "m.fits", numbers[1], exposure_s))
    in_use = "SELECT id FROM master WHERE state = 'active' AND (facts->>'exposure_s')::float = $1"
    (bad,) = (str(one["id"]) for one in world.sql(in_use, exposure_s))
    light = world.upload(exposure(tmp_path / "light.fits", numbers[2], exposure_s=exposure_s))["frame_id"]
    world.idle(within_s=120)
    used = "SELECT dark_id::text FROM frame_calibration WHERE frame_id = $1"
    assert [one["dark_id"] for one in world.sql(used, light)] == [bad]
    world.arm(point)
    body = {"because": "light leak"}
    with pytest.raises(httpx.TransportError):
        world.client.post(f"/calibration/masters/{bad}/recall", json=body)
    row.over()
    answer = _patient(lambda: world.client.post(f"/calibration/masters/{bad}/recall", json=body))
    assert answer.status_code == (200 if point == "recall.before_commit" else 409), answer.text
    row.converges(world)
    states = {str(one["id"]): one["state"] for one in world.sql("SELECT id, state FROM master")}
    assert (states[first], states[bad]) == ("active", "rejected")
    end = time.monotonic() + 90
    while [one["dark_id"] for one in world.sql(used, light)] != [first]:
        assert time.monotonic() < end, "the light was not processed again"
        time.sleep(0.5)
    world.idle(within_s=60)
    assert len(world.sql("SELECT FROM job WHERE frame_id = $1", light)) == 2
    assert len(world.sql("SELECT FROM audit WHERE action = 'calibration.recall' AND object = $1", bad)) == 1

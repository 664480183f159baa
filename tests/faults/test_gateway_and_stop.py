"""A gateway killed in the middle of an upload tells no lie, and a worker asked to stop gives its work back."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.exposures import exposure
from tests.support.installation import Installation, installation

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Path]]:
    """An installation of separate processes, and the folder of its crash points."""
    folder = tmp_path_factory.mktemp("gateway")
    points = folder / "points"
    points.mkdir()
    with installation(folder / "data", "--separate", environment={"PICTOR_CRASHPOINTS": str(points)}) as flow:
        yield flow, points
        flow.check(deep=True)


@pytest.mark.parametrize(("point", "status"), [("gateway.after_put", 201), ("gateway.after_commit", 200)])
def test_a_gateway_killed_in_an_upload_is_answered_by_the_clients_retry_and_nothing_is_double(
    armed: tuple[Installation, Path], tmp_path: Path, point: str, status: int
) -> None:
    flow, points = armed
    before = flow.get("/frames")["total"]
    frame = exposure(tmp_path / "light.fits", status)
    (points / point).touch()
    with pytest.raises(httpx.TransportError):
        flow.send(frame)
    assert not (points / point).exists()
    answer = _sent_again(flow, frame)
    assert answer.status_code == status, answer.text
    job = flow.ended(answer.json()["job_id"], within_s=60)
    assert {run["module"]: run["state"] for run in job["timeline"]}["ingest"] == "completed"
    assert flow.get("/frames")["total"] == before + 1


def _sent_again(flow: Installation, frame: Path) -> httpx.Response:
    end = time.monotonic() + 40
    while True:
        try:
            return flow.send(frame)
        except httpx.TransportError:
            assert time.monotonic() < end, "the gateway did not come back"
            time.sleep(0.5)


def test_a_worker_asked_to_stop_in_mid_work_is_gone_in_time_and_its_frame_is_finished_elsewhere(
    armed: tuple[Installation, Path], tmp_path: Path
) -> None:
    flow, _ = armed
    sent = [flow.upload(exposure(tmp_path / f"light-{number}.fits", 300 + number)) for number in range(4)]
    victim = flow.pid("quality")
    end = time.monotonic() + 30
    while not any(_running(flow, one["job_id"], "quality") for one in sent) and time.monotonic() < end:
        time.sleep(0.02)
    asked = time.monotonic()
    os.kill(victim, signal.SIGTERM)
    while flow.pid("quality") == victim:
        assert time.monotonic() - asked < 30, "the worker is still there"
        time.sleep(0.1)
    print(f"replaced {time.monotonic() - asked:.1f} s after SIGTERM")
    log = (flow.data / "logs" / "quality.log").read_text()
    assert "Traceback" not in log
    for one in sent:
        runs = {run["module"]: run for run in flow.ended(one["job_id"], within_s=60)["timeline"]}
        assert runs["quality"]["state"] == "completed"


def _running(flow: Installation, job_id: str, module: str) -> bool:
    return any(run["module"] == module and run["state"] == "running" for run in flow.job(job_id)["timeline"])

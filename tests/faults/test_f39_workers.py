"""F39 to F43: workers that freeze, live in another time, run out of memory or meet a frame that kills their child."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from pictor.cli.processes import free_port
from pictor.contracts.modules import Service
from pictor.runtime.child.process import Process, Program
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault
from tests.support.processes import family

pytestmark = pytest.mark.faults
Frames = Callable[..., Path]

POISON = Path(__file__).parents[1] / "support" / "poison"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
CLOCK = "libfaketime in one worker: ten minutes ahead, ten behind, two days ahead"
CGROUP = "a memory cgroup of 32 KiB around a pixel child, and around a service"
MEMORY = Path("/sys/fs/cgroup/memory")


def called(path: Path, target: str, **cards: object) -> Path:
    """Change cards of a frame, its target's name among them."""
    with fits.open(path, mode="update") as opened:
        opened[0].header["OBJECT"] = target
        opened[0].header.update(cards)
    return path


@contextmanager
def changed(world: Deployment, service: Service, **variables: str) -> Iterator[None]:
    """Run a service with other variables until the block ends."""
    try:
        _restart(world, service, variables)
        yield
    finally:
        _restart(world, service, {})


def _restart(world: Deployment, service: Service, variables: dict[str, str]) -> None:
    before = world.services.pid(service)
    world.services.extra[service] = variables
    world.services.kill(service)
    end = time.monotonic() + 60
    while world.services.pid(service) == before or not world.services.running(service):
        assert time.monotonic() < end
        time.sleep(0.1)
    world.services.wait_ready(service)


def _run(world: Deployment, job_id: str, module: str) -> Any:
    (found,) = world.sql("SELECT * FROM module_run WHERE job_id = $1 AND module = $2", job_id, module)
    return found


def _until_running(world: Deployment, module: str, within_s: float = 60.0) -> str:
    """Wait until a module has claimed something; returns the job."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        rows = world.sql("SELECT job_id FROM module_run WHERE module = $1 AND state = 'running'", module)
        if rows:
            return str(rows[0]["job_id"])
    raise AssertionError(f"{module} never ran")


@contextmanager
def another(world: Deployment, service: Service) -> Iterator[Process]:
    """Run one more process of a service."""
    log = os.open(world.data / "logs" / f"another-{service}.log", os.O_WRONLY | os.O_CREAT)
    variables = {**os.environ, **world._environment(service), "PICTOR_HEALTH_PORT": str(free_port("127.0.0.1"))}
    command = [sys.executable, "-m", "pictor.cli", "run", str(service)]

    async def start() -> Process:
        return Process.start(Program(command, variables, output=log))

    process = world.background.run(start())
    try:
        yield process
    finally:
        world.background.run(process.stop(signal.SIGTERM, 40))
        os.close(log)


@fault(
    "F39", "SIGSTOP of a worker and its children beyond the lease, SIGCONT when another has done its work", limit_s=60
)
def test_a_worker_frozen_beyond_its_lease_cannot_write_what_another_has_written(
    world: Deployment, row: Row, frames: Frames
) -> None:
    world.services.wait_ready()
    service = world.services.pid("quality")
    for child in family(service)[1:]:
        os.kill(child, signal.SIGSTOP)
    world.upload(frames(3900))
    job_id = _until_running(world, "quality")
    world.services.freeze("quality")
    with another(world, Service.QUALITY):
        run = world.ended(job_id, within_s=150)
        after = _run(world, job_id, "quality")
        assert after["attempt"] >= 2, run
        first = world.sql("SELECT * FROM frame_quality WHERE job_id = $1", job_id)
        world.services.thaw("quality")
        row.over()
        time.sleep(5)
        assert world.sql("SELECT * FROM frame_quality WHERE job_id = $1", job_id) == first
        assert dict(_run(world, job_id, "quality")) == dict(after)
        row.note(f"the frozen worker's run was taken over as attempt {after['attempt']}")
        row.converges(world)


def _away(row: Row, shift: str) -> dict[str, str]:
    if not FAKETIME.exists():
        row.cannot("libfaketime is not installed (apt-get install faketime)")
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize("shift", [
    pytest.param("+10m", marks=fault("F40", CLOCK, limit_s=60)),
    pytest.param("-10m", marks=fault("F40", CLOCK, limit_s=60)),
])  # fmt: skip
def test_a_worker_with_a_wrong_clock_takes_its_leases_by_the_databases(
    world: Deployment, row: Row, frames: Frames, shift: str
) -> None:
    with changed(world, Service.QUALITY, **_away(row, shift)):
        sent = [world.upload(frames(4000 + 10 * ("+" in shift) + number)) for number in range(2)]
        row.over()
        for one in sent:
            job = world.ended(one["job_id"], within_s=row.left_s)
            assert {run["module"]: run["state"] for run in job["timeline"]}["quality"] == "completed"
            found = _run(world, one["job_id"], "quality")
            assert found["attempt"] == 1
            (now,) = world.sql("SELECT now() - $1::timestamptz AS ago", found["finished_at"])
            assert 0 <= now["ago"].total_seconds() < 300
        row.converges(world)


@fault("F40", CLOCK, limit_s=90)
def test_a_worker_two_days_off_is_refused_by_the_store_and_leaves_the_work_to_others(
    world: Deployment, row: Row, frames: Frames
) -> None:
    world.services.extra[Service.QUALITY] = _away(row, "+2d")
    try:
        world.services.kill(Service.QUALITY)
        sent = world.upload(frames(4030))
        with another(world, Service.QUALITY):
            row.over()
            job = world.ended(sent["job_id"], within_s=row.left_s)
            assert {run["module"]: run["state"] for run in job["timeline"]}["quality"] == "completed"
            row.converges(world)
        assert "the store answered 403" in world.services.log(Service.QUALITY)
        row.note("two days off: the store refuses the worker's signatures, it is not ready and takes no work")
    finally:
        _restart(world, Service.QUALITY, {})


@pytest.mark.parametrize("taken", [
    pytest.param("2099-06-01T01:00:00", marks=fault("F41", "DATE-OBS of 2099 and of 1980", limit_s=60)),
    pytest.param("1980-01-01T01:00:00", marks=fault("F41", "DATE-OBS of 2099 and of 1980", limit_s=60)),
])  # fmt: skip
def test_a_frame_taken_in_another_century_is_kept_and_flagged(
    world: Deployment, row: Row, frames: Frames, taken: str
) -> None:
    frame = called(frames(4100 + int(taken[2:4])), "Nowhere", **{"DATE-OBS": taken})
    sent = world.upload(frame)
    row.over()
    world.ended(sent["job_id"], within_s=row.left_s)
    row.converges(world)
    found = world.frame(sent["frame_id"])
    assert found["state"] == "registered"
    row.note(f"DATE-OBS {taken[:4]}: {found['warnings']}")
    assert any(warning.startswith(f"taken on {taken[:4]}") for warning in found["warnings"])


@fault("F42", "a marked frame makes the preview's child ask for 64 GiB under its address-space limit", limit_s=60)
def test_a_child_that_runs_out_of_memory_fails_its_frame_alone(world: Deployment, row: Row, frames: Frames) -> None:
    _poisoned(world, row, called(frames(4200), "MEMHOG"), frames(4201), reason="oom", sign="memory")


@fault("F43", "a marked frame makes the preview's child raise SIGSEGV", limit_s=60, core=True)
def test_a_frame_that_kills_its_child_is_tried_three_times_and_stops_nobody(
    world: Deployment, row: Row, frames: Frames
) -> None:
    _poisoned(world, row, called(frames(4300), "SEGFAULT"), frames(4301), reason="crash", sign="SIGSEGV")


def _poisoned(world: Deployment, row: Row, bad: Path, good: Path, *, reason: str, sign: str) -> None:
    before = world.get("/dead-letters")["total"]
    path = os.pathsep.join(filter(None, [str(POISON), os.environ.get("PYTHONPATH", "")]))
    with changed(world, Service.PREVIEW, PYTHONPATH=path):
        poison, next_one = world.upload(bad), world.upload(good)
        begun = time.monotonic()
        job = world.ended(next_one["job_id"], within_s=60)
        row.note(f"{sign}: the next frame ended {time.monotonic() - begun:.1f} s after its upload")
        assert {run["module"]: run["state"] for run in job["timeline"]}["preview"] == "completed"
        failed = world.ended(poison["job_id"], within_s=120)
        row.over()
    run = _run(world, poison["job_id"], "preview")
    assert (run["state"], run["failures"]) == ("failed", 3)
    assert run["reason"].startswith(reason)
    assert sign in run["message"]
    others = {run["module"]: run["state"] for run in failed["timeline"] if run["module"] != "preview"}
    assert {others[name] for name in ("ingest", "header-update", "quality", "quality-headers")} == {"completed"}
    assert world.get("/dead-letters")["total"] == before + 1
    row.converges(world)


@pytest.mark.parametrize("victim", [
    pytest.param("child", marks=fault("F42", CGROUP, limit_s=90)),
    pytest.param("service", marks=fault("F42", CGROUP, limit_s=90)),
])  # fmt: skip
def test_what_the_kernel_kills_for_memory_is_replaced_and_its_frame_finished(
    world: Deployment, row: Row, frames: Frames, victim: str
) -> None:
    service = world.services.pid("quality")
    pids = family(service)
    with memory_of(pids[1:] if victim == "child" else [service], row) as box:
        sent = [world.upload(frames(4250 + number + 5 * (victim == "child"))) for number in range(3)]
        end = time.monotonic() + 90
        while not _killed(box) and time.monotonic() < end:
            time.sleep(0.1)
        assert _killed(box), "the kernel killed nobody"
        row.over()
    for one in sent:
        job = world.ended(one["job_id"], within_s=150)
        assert {run["module"]: run["state"] for run in job["timeline"]}["quality"] == "completed"
    assert (world.services.pid("quality") != service) == (victim == "service")
    row.converges(world)


@contextmanager
def memory_of(pids: list[int], row: Row) -> Iterator[Path]:
    """Let processes have 32 KiB more than they have, or die."""
    box = MEMORY / f"pictor-test-{os.getpid()}"
    try:
        box.mkdir()
        (box / "memory.limit_in_bytes").write_text(str(32 << 10))
    except OSError as error:
        row.cannot(f"no memory cgroup of version 1 can be made: {error}")
    try:
        for pid in pids:
            (box / "cgroup.procs").write_text(str(pid))
        yield box
    finally:
        end = time.monotonic() + 20
        (box / "memory.limit_in_bytes").write_text("-1")
        for pid in (box / "cgroup.procs").read_text().split():
            (MEMORY / "cgroup.procs").write_text(pid)
        while time.monotonic() < end:
            try:
                box.rmdir()
                break
            except OSError:
                time.sleep(0.2)


def _killed(box: Path) -> bool:
    control = (box / "memory.oom_control").read_text()
    counts = dict(line.split() for line in control.splitlines())
    return int(counts.get("oom_kill", 0)) > 0

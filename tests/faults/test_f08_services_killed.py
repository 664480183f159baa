"""F8 to F12: a service killed anywhere in its work is started again, and its order has its effect once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pictor.contracts.modules import Service
from tests.faults.harness.deployment import Deployment, deployment
from tests.faults.harness.rows import Row, fault
from tests.support.exposures import exposure
from tests.support.installation import pictor

pytestmark = pytest.mark.faults

LIMIT_S = 45.0
"""A lease and a redelivery of 30 s each run side by side; then a new process starts and does the work."""

GROUPS = (
    ("quality-headers.after_commit", "preview.after_put", "quality.mid_work", "astrometry.after_claim",
     "stack.after_put"),
    ("quality-headers.after_claim", "preview.mid_work", "quality.after_put", "astrometry.after_commit",
     "stack.mid_work"),
    ("header-update.mid_work", "preview.after_commit", "quality.after_claim", "astrometry.mid_work",
     "stack.after_commit"),
    ("quality-headers.after_put", "preview.after_claim", "quality.after_commit", "stack.after_claim"),
)  # fmt: skip
"""Every service at every place once, five at a time; a solver puts nothing into the store."""

ROWS = {
    "header-update": "F8",
    "quality-headers": "F8",
    "preview": "F9",
    "astrometry": "F10",
    "quality": "F11",
    "stack": "F12",
}
SERVICES = {
    "header-update": Service.HEADER, "quality-headers": Service.HEADER, "preview": Service.PREVIEW,
    "astrometry": Service.ASTROMETRY, "quality": Service.QUALITY, "stack": Service.CALIBRATION_STACKER,
}  # fmt: skip

ATTEMPTS = "SELECT job_id, state, attempt, finished_at FROM module_run WHERE module = $1 AND job_id = ANY($2::uuid[])"


@dataclass
class Massacre:
    """One group: where who died, when, and what became of the jobs."""

    world: Deployment
    jobs: list[str]
    deaths: dict[str, datetime] = field(default_factory=dict)

    def runs(self, module: str) -> list[Any]:
        """Return the runs of a module in this group."""
        return self.world.sql(ATTEMPTS, module, self.jobs)


@dataclass
class Massacres:
    """The installation and the groups that died in it so far."""

    world: Deployment
    folder: Path
    done: dict[int, Massacre] = field(default_factory=dict)

    def of(self, group: int) -> Massacre:
        """Kill a group once."""
        if group not in self.done:
            self.done[group] = _massacre(self.world, self.folder, group)
        return self.done[group]


@pytest.fixture(scope="module")
def massacres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Massacres]:
    folder = tmp_path_factory.mktemp("killed")
    with deployment(folder / "data") as world:
        yield Massacres(world, folder)


def _massacre(world: Deployment, folder: Path, group: int) -> Massacre:
    known = {str(row["id"]) for row in world.sql("SELECT id FROM job")}
    world.arm(*GROUPS[group])
    sent = []
    for number in range(10):
        dark = exposure(folder / "dark.fits", 1000 * group + number, kind="DARK", exposure_s=60.0 + group)
        sent.append(world.send_again(dark).json()["job_id"])
    for number in range(3):
        light = exposure(folder / "light.fits", 1000 * group + 100 + number)
        sent.append(world.send_again(light).json()["job_id"])
    found = Massacre(world, [])
    _until(lambda: _watch(world, found, group), 240)
    for job_id in sent:
        world.ended(job_id, within_s=150)
    world.idle(within_s=150)
    found.jobs = [job for row in world.sql("SELECT id FROM job") if (job := str(row["id"])) not in known]
    return found


def _watch(world: Deployment, found: Massacre, group: int) -> bool:
    """Note when each crash point was reached."""
    for point in set(GROUPS[group]) - set(world.armed()):
        found.deaths.setdefault(point, datetime.now(UTC))
    return len(found.deaths) == len(GROUPS[group])


def _until(condition: Callable[[], bool], within_s: float) -> None:
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "a crash point was never reached"
        time.sleep(0.05)


def _cases() -> Iterator[Any]:
    for group, points in enumerate(GROUPS):
        for point in points:
            module, place = point.split(".")
            how = "crash points in the services, five services at a time"
            marks = fault(ROWS[module], how, limit_s=LIMIT_S, core=group == 0)
            yield pytest.param(group, module, place, marks=marks, id=f"{module}-{place}")


@pytest.mark.parametrize(("group", "module", "place"), list(_cases()))
def test_a_service_killed_in_mid_job_is_replaced_and_its_result_is_there_once(
    massacres: Massacres, row: Row, group: int, module: str, place: str
) -> None:
    massacre = massacres.of(group)
    died = massacre.deaths[f"{module}.{place}"]
    runs = massacre.runs(module)
    assert {run["state"] for run in runs} <= {"completed", "skipped", "failed"}
    again = [run for run in runs if run["attempt"] > 1]
    after = 0.0
    if place == "after_commit":
        assert again == []
    else:
        (run,) = again
        assert run["attempt"] == 2
        after = (run["finished_at"] - died).total_seconds()
        row.note(f"{module} killed {place.replace('_', ' ')}: its run ended {after:.1f} s later")
        assert after < LIMIT_S * 2
    world = massacre.world
    assert SERVICES[module] in {service for service, status in world.services.deaths if status == -9}
    assert world.get("/dead-letters")["total"] == 0
    row.over()
    row.converges(world)
    row.seconds = after


def test_what_the_dead_left_is_swept_and_nothing_is_there_twice(massacres: Massacres) -> None:
    world = massacres.world
    assert massacres.done
    stacks = world.sql("SELECT group_key, count(*) AS times FROM master WHERE state = 'active' GROUP BY 1")
    assert [row["times"] for row in stacks] == [1] * len(massacres.done)
    doubled = world.sql("SELECT frame_id, kind FROM product GROUP BY frame_id, master_id, kind HAVING count(*) > 1")
    assert doubled == []
    place = ("--data", str(world.data), "--grace", "0")
    print(pictor("check", *place, "--repair").stdout)
    done = pictor("check", *place, "--deep")
    assert done.returncode == 0, done.stdout + done.stderr

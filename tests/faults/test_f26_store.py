"""F26 to F29: the store killed, frozen, refusing, and with damaged objects."""

import time
from pathlib import Path

import pytest

from tests.faults.harness.clients import uploading
from tests.faults.harness.deployment import Deployment
from tests.faults.harness.rows import Row, fault

pytestmark = pytest.mark.faults

FROZEN_S = 60.0


@fault("F26", "SIGKILL of SeaweedFS, away for 8 s, started again", limit_s=120, core=True)
def test_a_store_killed_and_away(world: Deployment, row: Row, tmp_path: Path) -> None:
    with uploading(world, tmp_path, clients=2, pace_s=0.2) as flood:
        time.sleep(3)
        world.store.kill()
        time.sleep(8)
        world.store.start()
        row.over()
        time.sleep(2)
    assert 503 in flood.answers, "nobody was told that the store is away"
    row.note(f"answers: {dict(flood.answers)}, the slowest after {flood.slowest_s:.1f} s")
    row.converges(world)
    _nobody_was_blamed(world)


@fault("F26", f"SIGSTOP of SeaweedFS for {FROZEN_S:g} s, then SIGCONT", limit_s=120)
def test_a_frozen_store(world: Deployment, row: Row, tmp_path: Path) -> None:
    with uploading(world, tmp_path, clients=2, pace_s=0.5) as flood:
        time.sleep(3)
        world.store.freeze()
        time.sleep(FROZEN_S)
        world.store.thaw()
        row.over()
        time.sleep(2)
    row.note(f"answers: {dict(flood.answers)}, the slowest after {flood.slowest_s:.1f} s")
    row.converges(world)
    _nobody_was_blamed(world)


def _nobody_was_blamed(world: Deployment) -> None:
    """An outage is not the fault of a frame: nothing is parked and no module failed for it."""
    assert not world.sql("SELECT job_id, module, reason, message FROM parked")
    assert not world.sql(
        "SELECT job_id, module, reason, message FROM module_run WHERE state = 'failed' AND NOT module = 'astrometry'"
    )

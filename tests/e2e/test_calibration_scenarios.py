"""The calibration scenarios through real services: every bad frame is out with its reason, every sound group in use."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pictor.contracts.modules import Service
from pictor.imaging.simulator.names import ScenarioName
from pictor.imaging.simulator.scenarios import scenario
from pictor.runtime.child.pool import ChildPool
from pictor.runtime.embedded.config import Endpoints
from tests.support.pocket import Pocket, open_pocket
from tests.support.scenarios import REASONS, Played, founded
from tests.support.servers import make_database

WARM = ("pictor.ingest.compute", "pictor.calibration_stacker.compute")


@pytest.fixture(scope="module")
async def pocket(database_server: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pocket]:
    """An installation that ingests and stacks; each scenario has an observatory of its own in it."""
    dsn = await make_database(database_server, "scenarios")
    async with (
        ChildPool(2, warm=WARM) as children,
        open_pocket(dsn, tmp_path_factory.mktemp("scenarios") / "pocket", children=children) as opened,
        opened.working(Service.INGEST, Service.CALIBRATION_STACKER),
    ):
        yield opened


@pytest.mark.parametrize("name", ScenarioName)
async def test_a_scenario_ends_as_its_truth_says(pocket: Pocket, tmp_path: Path, name: ScenarioName) -> None:
    played = await founded(pocket, tmp_path, scenario(name, tmp_path))
    for wave in range(played.truth.waves):
        await played.play(wave)
        wrong = [*await _frames(played), *await _groups(played, wave)]
        assert not wrong, "\n".join(wrong)
    refused = sum(not frame.admitted for frame in played.truth.frames)
    states = ", ".join(f"{group.name} {group.states[-1]}" for group in played.truth.groups)
    print(f"{name}: {len(played.frames)} frames, {refused} refused with their reason; {states}")


async def _frames(played: Played) -> list[str]:
    """Compare every frame that was sent with its truth."""
    wrong = []
    for frame in played.truth.frames:
        if frame.file not in played.frames:
            continue
        why, used = await played.why_not(frame), await played.masters_with(frame)
        if frame.admitted and why:
            wrong.append(f"{frame.file} is sound, but was refused: {why}")
        if not frame.admitted and used:
            wrong.append(f"{frame.file} ({frame.fault}) is in masters: {used}")
        if frame.reason is not None and not any(REASONS[frame.reason] in sentence for sentence in why or []):
            wrong.append(f"{frame.file} ({frame.fault}) should be refused as {frame.reason}: {why}")
    return wrong


async def _groups(played: Played, wave: int) -> list[str]:
    """Compare every group with its truth after a wave."""
    wrong = []
    for group in played.truth.groups:
        state, active = await played.state_of(group), await played.active_of(group)
        if state is not group.states[wave]:
            wrong.append(f"{group.name} is {state} after wave {wave}, not {group.states[wave]}")
        if len(active) != group.active[wave]:
            wrong.append(f"{group.name} has {len(active)} masters in use after wave {wave}")
        if any(not files <= set(group.frames) for files in active):
            wrong.append(f"{group.name} is made of frames of another group: {active}")
    return wrong

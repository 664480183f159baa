"""Calibration scenarios of the virtual observatory: small frames on disk, and what must become of each."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pictor.imaging.simulator.faults import FAULTS, Planted, Shot, render
from pictor.imaging.simulator.fits import Exposure, Site, nina_cards, write_fits
from pictor.imaging.simulator.names import ScenarioName
from pictor.imaging.simulator.scenario_plans import Plan, Run, plan_of
from pictor.imaging.simulator.scenario_truth import FrameTruth, GroupState, GroupTruth, Truth, write_truth

_PAUSE_S = 3.0
_FAULTS_FROM = 3
"""Bad frames come in the middle of a set, where a threshold still lies ahead."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """One file to be made."""

    run: Run
    file: str
    shot: Shot
    fault: str


def scenario(name: str, folder: Path, seed: int = 1) -> Truth:
    """Write the frames of a scenario and the truth about them.

    Beside every ``NAME.fits`` stands ``NAME.truth.json``; ``scenario.json`` lists all. Same seed, same bytes.

    Parameters
    ----------
    name
        One of `ScenarioName`.
    folder
        Created if missing.
    seed
        Of noise and cosmic rays.

    Returns
    -------
    Truth
        What must become of every frame and of every group.

    Raises
    ------
    ValueError
        If there is no scenario of that name.
    """
    known = ScenarioName(name)
    plan = plan_of(known)
    folder.mkdir(parents=True, exist_ok=True)
    planned = list(_planned(plan.runs, seed))
    with ThreadPoolExecutor(max_workers=2) as pool:
        frames = tuple(pool.map(lambda one: _write(folder, one), planned))
    waves = 1 + max(run.wave for run in plan.runs)
    truth = Truth(known, seed, plan.settings, waves, frames, tuple(_groups(plan, frames)))
    write_truth(folder, truth)
    return truth


def _planned(runs: Iterable[Run], seed: int) -> Iterator[_Planned]:
    for place, run in enumerate(runs):
        start, offset = run.start, 1000 * place
        for number, fault in enumerate(_faults_of(run)):
            exposure = Exposure(
                run.kind, start, run.exposure_s, run.temperature_c, run.filter_name, rotator_deg=run.rotator_deg
            )
            shot = Shot(run.rig, exposure, 100_000 * seed + offset + number)
            yield _Planned(run, f"{run.group}-{place:02d}_{number:02d}.fits", shot, fault)
            start += timedelta(seconds=run.exposure_s + _PAUSE_S)


def _faults_of(run: Run) -> list[str]:
    """Name the fault of each frame of a run; empty for a sound one."""
    sound = [run.all_of_them] * run.count
    if run.every_second:
        sound[::2] = [run.every_second] * len(sound[::2])
    place = min(_FAULTS_FROM, run.count)
    return [*sound[:place], *run.faults, *sound[place:]]


def _write(folder: Path, one: _Planned) -> FrameTruth:
    fault = FAULTS.get(one.fault)
    made = fault.plant(one.shot) if fault else Planted(render(one.shot), one.shot.exposure, {})
    write_fits(folder / one.file, made.pixels, nina_cards(one.shot.rig, Site(), made.exposure))
    reason = fault.reason if fault else None
    return FrameTruth(
        file=one.file, rig=one.run.rig_name, frame_type=one.run.kind.lower(), group=one.run.group, wave=one.run.wave,
        fault=one.fault or None, admitted=reason is None, reason=reason, planted=made.numbers,
    )  # fmt: skip


def _groups(plan: Plan, frames: Iterable[FrameTruth]) -> Iterator[GroupTruth]:
    members = [frame for frame in frames if frame.admitted]
    for name, states in plan.states.items():
        runs = [run for run in plan.runs if run.group == name]
        run, camera = runs[0], runs[0].rig.camera
        temperatures = [each.temperature_c for each in runs]
        yield GroupTruth(
            name=name, rig=run.rig_name, frame_type=run.kind.lower(), gain_setting=camera.gain_setting,
            offset_setting=camera.offset_setting, exposure_s=run.exposure_s, filter=run.filter_name,
            temp_c=sum(temperatures) / len(temperatures), rotator_deg=run.rotator_deg,
            frames=tuple(frame.file for frame in members if frame.group == name), states=states,
            active=tuple(GroupState.ACTIVE in states[: wave + 1] for wave in range(len(states))),
        )  # fmt: skip

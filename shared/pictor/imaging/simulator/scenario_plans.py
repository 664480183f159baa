"""The calibration scenarios: which sets are taken when, what is planted, and what must become of the groups."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pictor.imaging.simulator.camera import Camera
from pictor.imaging.simulator.names import ScenarioName
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.scenario_truth import GroupState
from pictor.imaging.simulator.truth import JsonValue

SIDE = 160
DARK_S = 60.0
FLAT_S = 2.0
NIGHT = datetime(2026, 10, 13, 4, 30, tzinfo=UTC)

ABSENT, ACCUMULATING, DEFERRED = GroupState.ABSENT, GroupState.ACCUMULATING, GroupState.DEFERRED
ACTIVE, NEEDS_REVIEW, REJECTED = GroupState.ACTIVE, GroupState.NEEDS_REVIEW, GroupState.REJECTED

CAMERA = Camera(name="Pictor SimCam 25k", serial="SIM0100", nx=SIDE, ny=SIDE, pixel_um=40.0, dark_current=0.1)
"""Its dark current is high, so that warmth and exposure show in the level of a dark."""

FIRST = Rig(name="Pictor SimScope 65", camera=CAMERA)
SECOND = Rig(name="Pictor SimScope 80", camera=replace(CAMERA, serial="SIM0101", seed=2, dark_current=0.14))
SWAPPED = replace(FIRST, camera=replace(CAMERA, serial="SIM0102", seed=3))
LOW_GAIN = replace(FIRST, camera=replace(CAMERA, gain_setting=0, offset_setting=30, egain=1.4, pedestal=300.0))
OTHER_OFFSET = replace(FIRST, camera=replace(CAMERA, offset_setting=80, pedestal=800.0))


@dataclass(frozen=True, slots=True)
class Run:
    """Exposures of one kind taken in a row, with the faults planted among them.

    Each of ``faults`` is one frame beside the ``count`` sound ones; ``every_second`` spoils every second frame of all.
    """

    group: str
    kind: str
    start: datetime
    count: int
    exposure_s: float = 0.0
    temperature_c: float = -10.0
    filter_name: str | None = None
    rotator_deg: float = 87.3
    rig: Rig = FIRST
    rig_name: str = "first"
    wave: int = 0
    faults: tuple[str, ...] = ()
    every_second: str = ""
    all_of_them: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """One scenario: settings of its observatory, runs in order, and state of each group after each wave."""

    settings: dict[str, JsonValue]
    runs: tuple[Run, ...]
    states: Mapping[str, tuple[GroupState, ...]]


def plan_of(name: ScenarioName) -> Plan:
    """Return the plan of a scenario."""
    return _PLANS[name]


def _month(number: int) -> datetime:
    return NIGHT - timedelta(days=30 * (6 - number))


def _six_months() -> Plan:
    runs = tuple(_six_months_runs())
    states: dict[str, tuple[GroupState, ...]] = {run.group: (ACTIVE,) for run in runs}
    states |= {"dark-summer": (ACCUMULATING,), "flat-summer": (DEFERRED,)}
    settings: dict[str, JsonValue] = {"min_frames": 3, "refresh_new_frames": 3, "flat_rotation": "required"}
    return Plan(settings, runs, states)


def _six_months_runs() -> Iterator[Run]:
    """Three frames each: two modes, four temperatures, three rotations; the darks of a drifted set-point join."""
    yield Run("bias", "BIAS", _month(1), 3)
    yield Run("dark", "DARK", _month(1), 3, DARK_S)
    yield Run("flat-dark", "DARK", _month(1), 3, FLAT_S)
    yield Run("flat-0", "FLAT", _month(1), 3, FLAT_S, filter_name="L", rotator_deg=0.4)
    yield Run("flat-90", "FLAT", _month(1), 3, FLAT_S, filter_name="L", rotator_deg=90.0)
    yield Run("low-gain-bias", "BIAS", _month(2), 3, rig=LOW_GAIN)
    yield Run("low-gain-dark", "DARK", _month(2), 3, 2 * DARK_S, rig=LOW_GAIN)
    yield Run("dark-spring", "DARK", _month(3), 3, DARK_S, temperature_c=-5.0)
    yield Run("dark", "DARK", _month(4), 3, DARK_S, temperature_c=-9.0)
    yield Run("offset-bias", "BIAS", _month(5), 3, rig=OTHER_OFFSET)
    yield Run("flat-0", "FLAT", _month(5), 3, FLAT_S, filter_name="L", rotator_deg=359.8)
    yield Run("dark-summer", "DARK", _month(6), 2, DARK_S, temperature_c=0.0)
    yield Run("flat-summer", "FLAT", _month(6), 3, FLAT_S, temperature_c=0.0, filter_name="R", rotator_deg=45.0)


def _poisoned_night() -> Plan:
    """Ten sound frames in every group and every fault a frame can have; all groups get their master all the same."""
    runs = (
        Run("bias", "BIAS", NIGHT, 10, faults=("step", "identical", "quiet")),
        Run("dark", "DARK", NIGHT, 10, DARK_S, faults=("warm", "mislabelled", "stacked")),
        Run("flat-dark", "DARK", NIGHT, 10, FLAT_S),
        Run("flat", "FLAT", NIGHT, 10, FLAT_S, filter_name="L", faults=("saturated", "faint")),
    )
    return Plan({}, runs, {run.group: (ACTIVE,) for run in runs})


def _poisoned_set() -> Plan:
    """Spoil a first set, whose halves differ, and put bands in all frames after a good master."""
    runs = (
        Run("bias", "BIAS", NIGHT, 10, every_second="halves"),
        Run("dark", "DARK", NIGHT, 10, DARK_S),
        Run("dark", "DARK", NIGHT + timedelta(days=1), 10, DARK_S, wave=1, all_of_them="banding"),
    )
    return Plan({}, runs, {"bias": (REJECTED, REJECTED), "dark": (ACTIVE, REJECTED)})


def _late_dark() -> Plan:
    runs = (
        Run("flat", "FLAT", NIGHT, 5, FLAT_S, filter_name="L"),
        Run("dark", "DARK", NIGHT, 5, DARK_S),
        Run("flat-dark", "DARK", NIGHT + timedelta(hours=1), 5, FLAT_S, wave=1),
    )
    states = {"flat": (DEFERRED, ACTIVE), "dark": (ACTIVE, ACTIVE), "flat-dark": (ABSENT, ACTIVE)}
    return Plan({"min_frames": 5}, runs, states)


def _second_rig() -> Plan:
    runs = (
        Run("first-dark", "DARK", NIGHT, 5, DARK_S),
        Run("second-dark", "DARK", NIGHT, 5, DARK_S, rig=SECOND, rig_name="second"),
    )
    return Plan({"min_frames": 5}, runs, {run.group: (ACTIVE,) for run in runs})


def _swapped_camera() -> Plan:
    """Put another camera of the model on the rig without telling: the master of the first one must stay in use."""
    runs = (
        Run("dark", "DARK", NIGHT, 5, DARK_S),
        Run("dark", "DARK", NIGHT + timedelta(days=1), 5, DARK_S, rig=SWAPPED, wave=1),
    )
    settings: dict[str, JsonValue] = {"min_frames": 5, "refresh_new_frames": 5}
    return Plan(settings, runs, {"dark": (ACTIVE, NEEDS_REVIEW)})


_PLANS = {
    ScenarioName.SIX_MONTHS: _six_months(),
    ScenarioName.POISONED_NIGHT: _poisoned_night(),
    ScenarioName.POISONED_SET: _poisoned_set(),
    ScenarioName.LATE_DARK: _late_dark(),
    ScenarioName.SECOND_RIG: _second_rig(),
    ScenarioName.SWAPPED_CAMERA: _swapped_camera(),
}

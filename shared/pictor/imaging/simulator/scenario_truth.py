"""What is true of a calibration scenario: what must become of every frame and of every group."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from pictor.imaging.simulator.names import ScenarioName
from pictor.imaging.simulator.truth import JsonValue


class GroupState(StrEnum):
    """What has become of a group."""

    ABSENT = "absent"
    ACCUMULATING = "accumulating"
    DEFERRED = "deferred"
    ACTIVE = "active"
    NEEDS_REVIEW = "needs-review"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """What is true of one file.

    Parameters
    ----------
    file
        Name in the folder of the scenario.
    rig
        Rig whose token it is uploaded with, ``first`` or ``second``.
    frame_type
        IMAGETYP as written, in lower case.
    group
        Group it would be stacked with; refused frames name the group they were planted in.
    wave
        Frames of a wave are uploaded only once all before have been worked off; from 0.
    fault
        Name of the planted fault; None for a sound frame.
    admitted
        Whether it may enter a stack.
    reason
        Stable class of the reason why not; None when admitted.
    planted
        The numbers planted in its pixels or header.
    """

    file: str
    rig: str
    frame_type: str
    group: str
    wave: int
    fault: str | None
    admitted: bool
    reason: str | None
    planted: dict[str, float]


@dataclass(frozen=True, slots=True)
class GroupTruth:
    """What is true of one group.

    Parameters
    ----------
    name
        Name within the scenario.
    rig, frame_type, gain_setting, offset_setting, exposure_s, filter, temp_c, rotator_deg
        What its frames have in common; temperature of the set-point, the mean of all.
    frames
        Files that may enter its stack.
    states
        State of its newest stack after each wave.
    active
        Whether a master is in use after each wave.
    """

    name: str
    rig: str
    frame_type: str
    gain_setting: int
    offset_setting: int
    exposure_s: float
    filter: str | None
    temp_c: float
    rotator_deg: float
    frames: tuple[str, ...]
    states: tuple[GroupState, ...]
    active: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Truth:
    """All that is true of a scenario.

    ``settings`` are the calibration settings the observatory must have; ``waves`` the number of waves.
    """

    scenario: ScenarioName
    seed: int
    settings: dict[str, JsonValue]
    waves: int
    frames: tuple[FrameTruth, ...]
    groups: tuple[GroupTruth, ...]

    def wave(self, number: int) -> tuple[FrameTruth, ...]:
        """Return the frames of one wave in the order of their upload."""
        return tuple(frame for frame in self.frames if frame.wave == number)

    def group(self, name: str) -> GroupTruth:
        """Return a group by its name."""
        return next(group for group in self.groups if group.name == name)


def write_truth(folder: Path, truth: Truth) -> None:
    """Write ``scenario.json``, and ``NAME.truth.json`` beside every ``NAME.fits``."""
    everything = {"simulated": True, **asdict(truth)}
    (folder / "scenario.json").write_text(json.dumps(everything, indent=1) + "\n", encoding="utf-8")
    for frame in truth.frames:
        path = (folder / frame.file).with_suffix(".truth.json")
        path.write_text(json.dumps({"simulated": True, **asdict(frame)}, indent=1) + "\n", encoding="utf-8")

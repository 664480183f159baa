"""Names of the calibration scenarios; nothing heavy is imported, so that a command line can list them."""

from enum import StrEnum


class ScenarioName(StrEnum):
    """A scenario of the virtual observatory's calibration library."""

    SIX_MONTHS = "six-months"
    POISONED_NIGHT = "poisoned-night"
    POISONED_SET = "poisoned-set"
    LATE_DARK = "late-dark"
    SECOND_RIG = "second-rig"
    SWAPPED_CAMERA = "swapped-camera"


TITLES = {
    ScenarioName.SIX_MONTHS: "gains, offsets, temperatures and rotations over six months",
    ScenarioName.POISONED_NIGHT: "sound sets with one of every kind of bad frame among them",
    ScenarioName.POISONED_SET: "sets that are bad as a whole: a first one, and one after a good master",
    ScenarioName.LATE_DARK: "flats that wait for their dark, which comes later",
    ScenarioName.SECOND_RIG: "a new camera of the same model on a second rig",
    ScenarioName.SWAPPED_CAMERA: "another camera of the model on the same rig, without a word",
}


def scenario_help() -> str:
    """Say in one paragraph what each scenario is about."""
    return "Instead of the night: " + "; ".join(f"{name} ({title})" for name, title in TITLES.items()) + "."

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


class AnyScenario(StrEnum):
    """Every scenario: the colour one, and those of the calibration library."""

    COLOUR = "colour"
    SIX_MONTHS = ScenarioName.SIX_MONTHS.value
    POISONED_NIGHT = ScenarioName.POISONED_NIGHT.value
    POISONED_SET = ScenarioName.POISONED_SET.value
    LATE_DARK = ScenarioName.LATE_DARK.value
    SECOND_RIG = ScenarioName.SECOND_RIG.value
    SWAPPED_CAMERA = ScenarioName.SWAPPED_CAMERA.value


TITLES = {
    ScenarioName.SIX_MONTHS: "gains, offsets, temperatures and rotations over six months",
    ScenarioName.POISONED_NIGHT: "sound sets with one of every kind of bad frame among them",
    ScenarioName.POISONED_SET: "sets that are bad as a whole: a first one, and one after a good master",
    ScenarioName.LATE_DARK: "flats that wait for their dark, which comes later",
    ScenarioName.SECOND_RIG: "a new camera of the same model on a second rig",
    ScenarioName.SWAPPED_CAMERA: "another camera of the model on the same rig, without a word",
}


COLOUR_TITLE = "a nebula in three colours and three lines, with frames for all masters; --small: red and H-alpha"


def scenario_help() -> str:
    """Say in one paragraph what each scenario is about."""
    told = [(AnyScenario.COLOUR, COLOUR_TITLE), *TITLES.items()]
    return "Instead of the night: " + "; ".join(f"{name} ({title})" for name, title in told) + "."

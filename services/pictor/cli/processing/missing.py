"""What calibration frames a folder lacks, in the words of the rules."""

from collections import defaultdict
from collections.abc import Sequence

from pictor.cli.processing.choosing import choose
from pictor.cli.processing.seen import Seen
from pictor.cli.processing.sorting import Sorted
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame

PLACES = ("dark", "flat")


def missing(files: Sorted, masters: Sequence[MasterFrame], policy: Policy) -> list[str]:
    """Say which masters lights lack, one sentence for all lights that lack the same for the same reason."""
    lacking: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for light in files.lights:
        choice = choose(light, masters, policy)
        if choice.came_calibrated:
            continue
        for why in choice.why:
            place, _, reason = why.partition(": ")
            if place in PLACES and reason.startswith("no master"):
                near = any(one.mode == light.frame().mode for one in masters if str(one.frame_type) == place)
                told = reason if near else f"there is no master {place} of this camera mode"
                lacking[place, f"{_wanted(place, light, exactly=near)}: {told}"].append(light)
    found = sorted(((text, len(lights)) for (_, text), lights in lacking.items()), key=str)
    return [f"{count} light{' lacks' if count == 1 else 's lack'} a {text}" for text, count in found]


def _wanted(place: str, light: Seen, *, exactly: bool) -> str:
    told = light.description
    words = [
        place,
        f"of {told['exposure_s']:g} s" if place == "dark" and told.get("exposure_s") else None,
        f"for filter {told['filter']}" if place == "flat" and told.get("filter") else None,
        None if told.get("set_temp_c") is None or not exactly else f"at {told['set_temp_c']:g} C",
        f"({light.rig}, {told.get('width')} x {told.get('height')})",
    ]
    return " ".join(word for word in words if word)

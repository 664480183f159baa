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
                lacking[place, f"{_wanted(place, light)}: {reason}"].append(light)
    return [
        f"{len(lights)} light{' lacks' if len(lights) == 1 else 's lack'} a {text}"
        for (_, text), lights in sorted(lacking.items())
    ]


def _wanted(place: str, light: Seen) -> str:
    told = light.description
    words = [
        place,
        f"of {told['exposure_s']:g} s" if place == "dark" and told.get("exposure_s") else None,
        f"for filter {told['filter']}" if place == "flat" and told.get("filter") else None,
        None if told.get("set_temp_c") is None else f"at {told['set_temp_c']:g} C",
        f"({light.rig}, {told.get('width')} x {told.get('height')})",
    ]
    return " ".join(word for word in words if word)

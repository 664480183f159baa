"""Groups of individual frames in words: what they are, how far they are, what would help."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pictor.gateway.pages.formats import NOTHING
from pictor.state.groups import Note

REMEDIES = {
    "defer": "Take darks of the flats' exposure in the same camera mode and at the same temperature; the flats are "
    "stacked by themselves once that dark is active.",
    "accumulate": "Take {missing} more, or create the master now below the threshold.",
}
AFTER_FAILURE = "Look at the rejected candidate or the failed stack, delete bad frames, then create the master by hand."


@dataclass(frozen=True, slots=True)
class Waiting:
    """A group as pages show it."""

    key: str
    frame_type: str
    camera: str
    mode: str
    what: str
    decision: str
    message: str
    have: int
    needed: int
    remedy: str | None
    new_frames: int | None = None

    @property
    def blocked(self) -> bool:
        """Whether something is in its way."""
        return self.decision == "defer" or self.remedy == AFTER_FAILURE


def waiting(note: Note, rigs: Mapping[str, str], *, has_master: bool = False) -> Waiting:
    """Describe a group from what was last decided about it; one with a master below the threshold lacks nothing."""
    facts = note.facts
    if has_master and note.decision == "accumulate":
        note = replace(note, decision="keep", message=f"{note.message}; its active master was made of fewer")
    remedy = REMEDIES.get(note.decision, "").format(missing=max(0, note.needed - note.have)) or None
    if note.decision == "keep" and "last stack" in note.message:
        remedy = AFTER_FAILURE
    mode = facts.get("mode") or {}
    return Waiting(
        note.group_key, str(facts.get("frame_type") or NOTHING), camera_of(mode, rigs), mode_of(mode), what_of(facts),
        note.decision, note.message, note.have, note.needed, remedy, facts.get("new_frames"),
    )  # fmt: skip


def camera_of(mode: Mapping[str, Any], rigs: Mapping[str, str]) -> str:
    """Name the rig of a camera mode."""
    rig = str(mode.get("rig_id") or NOTHING)
    return rigs.get(rig, rig)


def mode_of(mode: Mapping[str, Any]) -> str:
    """Write a camera mode short: gain, offset, binning, readout mode, and the size of its pictures."""
    parts = [
        f"{word} {value:g}" if isinstance(value, int | float) else f"{word} {value}"
        for word, name in (("gain", "gain_setting"), ("offset", "offset_setting"))
        if (value := mode.get(name)) is not None
    ]
    if mode.get("binning_x"):
        parts.append(f"bin {mode['binning_x']}\N{MULTIPLICATION SIGN}{mode.get('binning_y') or mode['binning_x']}")
    if mode.get("readout_mode") not in {None, ""}:
        parts.append(str(mode["readout_mode"]))
    if mode.get("width"):
        parts.append(f"{mode['width']}\N{MULTIPLICATION SIGN}{mode.get('height')}")
    return " \N{MIDDLE DOT} ".join(parts) or NOTHING


def what_of(facts: Mapping[str, Any]) -> str:
    """Write what sets a group apart within its camera mode."""
    parts = []
    if facts.get("exposure_s") is not None:
        parts.append(f"{facts['exposure_s']:g} s")
    if facts.get("filter"):
        parts.append(str(facts["filter"]))
    if facts.get("rotator_deg") is not None:
        parts.append(f"{facts['rotator_deg']:.0f}°")
    if facts.get("temp_c") is not None:
        parts.append(f"{facts['temp_c']:g} °C")
    return " \N{MIDDLE DOT} ".join(parts) or NOTHING

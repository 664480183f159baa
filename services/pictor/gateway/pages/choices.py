"""What of a night to show, as the address of the page says it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from typing import Self

from pictor.contracts.frames import FrameType
from pictor.state.nights import NightFrame

ANY = "any"


@dataclass(frozen=True, slots=True)
class Choice:
    """Filters of the night page; None means any. A frame whose type is not known yet is always shown."""

    night: date | None = None
    observatory: str | None = None
    rig: str | None = None
    frame_type: str = FrameType.LIGHT
    filter: str | None = None
    target: str | None = None
    grade: str | None = None

    def on(self, night: date) -> Self:
        """Return the same filters for another night."""
        return replace(self, night=night)

    def holds(self, frame: NightFrame, names: Collection[str] = ()) -> bool:
        """Say whether a frame is to be shown; ``names`` are those by which frames name the filter that is chosen."""
        return (
            (self.night is None or frame.night == self.night)
            and self.observatory in {None, frame.observatory}
            and self.rig in {None, frame.rig}
            and (self.frame_type in {ANY, frame.frame_type} or frame.frame_type is None)
            and (self.filter in {None, frame.filter} or frame.filter in names)
            and self.target in {None, frame.target}
            and self.grade in {None, frame.grade}
        )


def options(frames: list[NightFrame]) -> dict[str, list[str]]:
    """Return the values that occur in a night, for the filters to offer."""
    found: dict[str, set[str | None]] = {
        "observatory": {frame.observatory for frame in frames},
        "rig": {frame.rig for frame in frames},
        "type": {frame.frame_type for frame in frames},
        "filter": {frame.filter for frame in frames},
        "target": {frame.target for frame in frames},
        "grade": {frame.grade for frame in frames},
    }
    return {name: sorted(value for value in values if value) for name, values in found.items()}


def integration_s(frames: list[NightFrame]) -> float:
    """Sum the exposures of lights that were not rejected."""
    return sum(
        frame.exposure_s or 0.0 for frame in frames if frame.frame_type is FrameType.LIGHT and frame.grade != "rejected"
    )

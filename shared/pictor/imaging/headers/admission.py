"""Whether a described frame may enter the library, or waits for a person."""

from dataclasses import dataclass

from pictor.imaging.headers.description import FrameDescription

_EXPOSED = frozenset({"light", "dark", "flat", "flat-dark", "snapshot"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a frame is quarantined.

    Parameters
    ----------
    reason
        Stable reason class.
    message
        A sentence for a person.
    """

    reason: str
    message: str


def admission(description: FrameDescription) -> tuple[Problem, ...]:
    """List what keeps a frame out; empty means it is admitted.

    Parameters
    ----------
    description
        What the header says.

    Returns
    -------
    tuple of Problem
        Missing or impossible required facts: frame type, exposure (not for a bias), size.
    """
    problems = []
    if description.frame_type == "unknown":
        problems.append(
            Problem("unknown-frame-type", "The header does not say whether this is a light, dark, flat or bias.")
        )
    if description.frame_type in _EXPOSED and description.exposure_s is None:
        problems.append(Problem("no-exposure", "The header gives no usable exposure time (EXPTIME or EXPOSURE)."))
    if description.frame_type == "light" and description.exposure_s == 0:
        problems.append(Problem("no-exposure", "A light frame cannot have an exposure of 0 s."))
    if description.frame_type == "light" and min(description.width or 0, description.height or 0) < 2:
        size = f"{description.width} x {description.height}"
        problems.append(Problem("too-small", f"The frame is {size} pixels; a light needs at least 2 on each side."))
    return tuple(problems)

"""Where the pixels of a frame lie on their sensor."""

from collections.abc import Mapping


def place_of(described: Mapping[str, object]) -> dict[str, int]:
    """Return binning, first column and first row of a frame as it is described, in its own pixels."""
    wanted = {"binning": ("binning_x", 1), "x": ("roi_x", 0), "y": ("roi_y", 0)}
    values = {name: described.get(key) or default for name, (key, default) in wanted.items()}
    return {name: int(value) for name, value in values.items() if isinstance(value, int | float)}

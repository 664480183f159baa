"""Pictures of a master, drawn in the child."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pictor.imaging.calibration.picturing import MasterPictures, picture_master


def draw(path: str, scratch: str) -> dict[str, Any]:
    """Draw the pictures of a master into the scratch folder; return their paths and what black and white stand for."""
    return told(picture_master(Path(path), Path(scratch)))


def told(made: MasterPictures) -> dict[str, Any]:
    """Tell in JSON's words what was drawn."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(made).items()}

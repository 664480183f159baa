"""Write the sample night."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path

from rich.console import Console


def main(folder: Path, *, seed: int, small: bool, json: bool) -> int:
    """Write frames and truth into a folder."""
    from pictor.imaging.simulator.night import sample_night

    console = Console(stderr=json)
    with console.status("simulating"):
        night = sample_night(folder, seed=seed, scale="small" if small else "full")
    if json:
        print(jsonlib.dumps(asdict(night), default=str))
    else:
        console.print(f"{len(night.frames)} files in {folder}; truth in {folder / 'night.json'}")
    return 0

"""Write the sample night, or a calibration scenario."""

import json as jsonlib
from collections import Counter
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


def colour(folder: Path, *, seed: int, small: bool, json: bool) -> int:
    """Write the colour scenario."""
    from pictor.imaging.simulator.colour import TRUTH, colour_scenario

    console = Console(stderr=True)
    with console.status("simulating"):
        made = colour_scenario(folder, seed=seed, small=small)
    if json:
        print(jsonlib.dumps({"folder": str(folder), "frames": made.truths}))
        return 0
    kinds = Counter((truth["type"], truth["filter"] or f"{truth['exposure_s']:g} s") for truth in made.truths)
    print(f"{len(made.frames)} files in {folder}; truth in {folder / 'scenario.json'} and {folder / TRUTH}")
    print(", ".join(f"{count} {str(kind).lower()} {what}" for (kind, what), count in kinds.items()))
    return 0


def calibration(name: str, folder: Path, *, seed: int, json: bool) -> int:
    """Write the frames of a calibration scenario and what must become of them."""
    from pictor.imaging.simulator.scenarios import scenario

    truth = scenario(name, folder, seed)
    if json:
        print(jsonlib.dumps({"folder": str(folder), **asdict(truth)}))
        return 0
    bad = Counter(frame.reason for frame in truth.frames if frame.reason is not None)
    left_out = ", ".join(f"{count} {reason}" for reason, count in sorted(bad.items())) or "none"
    print(f"{len(truth.frames)} files in {folder}; truth in {folder / 'scenario.json'}")
    print(f"frames that may not enter a stack: {left_out}")
    for group in truth.groups:
        print(f"{group.name}: {len(group.frames)} frames, {' then '.join(group.states)}")
    if truth.settings:
        print(f"calibration settings: {jsonlib.dumps(truth.settings)}")
    return 0

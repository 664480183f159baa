"""The sample night: one rig, three fields, every kind of frame, and the truth about each."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from pictor.imaging.simulator.fields import index_files
from pictor.imaging.simulator.fits import Site, nina_cards, write_fits
from pictor.imaging.simulator.light import LightSpec, render_light
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.plan import Job, Scale, plan_night, sample_rig
from pictor.imaging.simulator.truth import JsonValue, describe, write_stars

Progress = Callable[[int, int], None]

# Places in the plan of the frame that is uploaded twice and of the one whose upload breaks off.
_DUPLICATED, _TRUNCATED = 0, 6


@dataclass(frozen=True, slots=True)
class NightFrame:
    """One file of the night: its path and what is true of it."""

    path: Path
    truth: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Night:
    """The files of a sample night in the order they would be uploaded."""

    folder: Path
    frames: list[NightFrame]
    index_files: list[Path]


def sample_night(
    folder: Path,
    *,
    seed: int = 1,
    scale: Scale = "full",
    before: datetime | None = None,
    progress: Progress | None = None,
) -> Night:
    """Write the files of the sample night and the truth about them.

    Beside every ``NAME.fits`` stands ``NAME.truth.json``, beside lights ``NAME.stars.npz``; ``night.json``
    lists all. Same seed, same bytes.

    Parameters
    ----------
    folder
        Created if missing.
    seed
        Of noise, pointing errors and events.
    scale
        ``full``: 4 MP, 75 files, 600 MB; ``small``: 1 MP, 150 MB, the same field of view.
    before
        The night is the last one that ended before this time, aware UTC; None: that of 12 October 2026.
    progress
        Called with the number of files written and the number of all.

    Returns
    -------
    Night
        Its folder, its frames with their truth, and the star index that solves them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rig, site = sample_rig(scale), Site()
    jobs = plan_night(rig, seed, before=before)
    report = progress or _silent
    frames: list[NightFrame] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for frame in pool.map(partial(_write, folder, rig, site), jobs):
            frames.append(frame)
            report(len(frames), len(jobs) + 2)
    frames += [_duplicate(frames[_DUPLICATED]), _truncate(frames[_TRUNCATED])]
    report(len(frames), len(frames))
    listing = {"seed": seed, "scale": scale, "simulated": True, "frames": [frame.truth for frame in frames]}
    (folder / "night.json").write_text(json.dumps(listing, indent=1))
    return Night(folder, frames, index_files())


def _silent(_done: int, _total: int) -> None:
    """Report progress to nobody."""


def _write(folder: Path, rig: Rig, site: Site, job: Job) -> NightFrame:
    path = folder / f"{job.name}.fits"
    truth: dict[str, JsonValue] = {
        "file": path.name,
        "simulated": True,
        "type": job.exposure.kind,
        "filter": job.exposure.filter_name,
        "exposure_s": job.exposure.exposure_s,
        "fault": job.fault or None,
        "expected": job.expected,
    }
    if isinstance(job.render, LightSpec):
        raw, light = render_light(job.render)
        write_stars(path.with_suffix(".stars.npz"), light)
        truth |= {"field": job.exposure.target.name if job.exposure.target else None, **describe(light)}
    else:
        raw = job.render()
    write_fits(path, raw, nina_cards(rig, site, job.exposure))
    return _with_truth(path, truth)


def _duplicate(frame: NightFrame) -> NightFrame:
    """Copy a frame byte for byte under another name."""
    path = frame.path.with_stem(f"{frame.path.stem}_again")
    shutil.copyfile(frame.path, path)
    expected: JsonValue = {"state": "duplicate", "of": frame.path.name}
    return _with_truth(path, {**frame.truth, "file": path.name, "fault": "duplicate", "expected": expected})


def _truncate(frame: NightFrame) -> NightFrame:
    """Write the first two thirds of a frame under another name."""
    path = frame.path.with_stem(f"{frame.path.stem}_truncated")
    content = frame.path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    expected: JsonValue = {"state": "refused", "reason": "data-truncated"}
    return _with_truth(path, {**frame.truth, "file": path.name, "fault": "truncated", "expected": expected})


def _with_truth(path: Path, truth: dict[str, JsonValue]) -> NightFrame:
    path.with_suffix(".truth.json").write_text(json.dumps(truth, indent=1))
    return NightFrame(path, truth)

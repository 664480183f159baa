"""Cosmic rays in frames in files, found and replaced."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pictor.cli.stages.fix_pixels import colour_pattern
from pictor.cli.stages.running import Told, checked, each, left_to_do, named, require_free
from pictor.imaging.calibration.cosmics import Limits
from pictor.imaging.calibration.mending import clean_cosmics
from pictor.imaging.frame import HIT, Frame
from pictor.imaging.products import Input, Provenance, write_product
from pictor.runtime.version import SOFTWARE


@dataclass(frozen=True, slots=True)
class Wish:
    """What is known of the noise, when a pixel counts as hit, and what is written where."""

    out: Path
    egain: float | None = None
    read_noise_e: float | None = None
    sigma: float = 4.5
    share: float = 0.3
    contrast: float = 5.0
    passes: int = 4
    bayer: bool | None = None
    masks: bool = False
    differences: bool = False
    overwrite: bool = False

    @property
    def suffixes(self) -> list[str]:
        """Names of what is written of every frame."""
        return ["clean", *(["hits"] if self.masks else []), *(["difference"] if self.differences else [])]


def main(files: Sequence[Path], wish: Wish, *, resume: bool, json: bool) -> int:
    """Clean every frame; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        left = left_to_do(
            files, lambda path: [named(path, suffix, wish.out) for suffix in wish.suffixes], resume=resume
        )
        targets = [named(path, suffix, wish.out) for path in left for suffix in wish.suffixes]
        require_free(targets, overwrite=wish.overwrite, inputs=files)
        return each(left, partial(_one, wish=wish), label="cosmic rays", say=_line, json=json)

    return checked(run)


def _one(path: Path, wish: Wish) -> Told:
    frame = Frame.from_fits(path)
    bayer = colour_pattern(frame) if wish.bayer is None else wish.bayer
    limits = Limits(wish.sigma, wish.share, wish.contrast, wish.passes)
    done = clean_cosmics(frame, egain=wish.egain, read_noise_e=wish.read_noise_e, bayer=bayer, limits=limits)
    settings = {
        "sigma": wish.sigma, "share": wish.share, "contrast": wish.contrast, "passes": wish.passes, "egain": wish.egain,
        "read noise": wish.read_noise_e, "colour pattern": bayer, "noise": done.header["CR_NOISE"],
    }  # fmt: skip
    cautions = _cautions(done)
    made = Provenance("cosmics", [Input.of(path)], settings, SOFTWARE, cautions)
    hit = np.zeros(frame.shape, np.uint8) if done.mask is None else (done.mask & HIT) // HIT
    made_of = {
        "clean": done,
        "hits": replace(done, data=hit, err=None, mask=None, unit=""),
        "difference": replace(done, data=frame.real() - done.data, err=None, mask=None),
    }
    for suffix in wish.suffixes:
        write_product(named(path, suffix, wish.out), made_of[suffix], made, overwrite=wish.overwrite)
    outputs = {suffix: str(named(path, suffix, wish.out)) for suffix in wish.suffixes}
    return {
        "hit": done.header["CR_NPIX"], "noise": done.header["CR_NOISE"], "bayer": bayer, "outputs": outputs,
        "cautions": cautions,
    }  # fmt: skip


def _cautions(done: Frame) -> list[str]:
    """Say where the values of a frame are too coarse for faint hits."""
    step = done.header.get("CR_STEP")
    if step is None:
        return []
    said = (
        f"the values are stored in steps of {step:g}, wider than their noise: hits fainter than a few steps cannot "
        "be told from rounding; look for hits before a frame is brought to so few bits"
    )
    return [said]


def _line(told: Told) -> str:
    line = f"{told['outputs']['clean']}: {told['hit']} pixels hit; noise from {told['noise']}"
    return "\n  ".join([line, *told["cautions"]])

"""Bad pixels of frames in files, replaced."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, checked, each, left_to_do, named, require_free
from pictor.imaging.calibration.badlist import BadPixelList, parse_bad_pixels
from pictor.imaging.calibration.mending import repair_frame
from pictor.imaging.errors import ImagingError
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance, card_name, write_product
from pictor.imaging.stars.bayer import shown_pattern
from pictor.imaging.types import Mask
from pictor.runtime.version import SOFTWARE

LISTS = frozenset({".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What is bad, how it is repaired, and where the results go."""

    bad: Path | None
    out: Path
    radius: int = 2
    bayer: bool | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Bad:
    """A map, shape (ny, nx), or a list of bad pixels, and the file it comes from."""

    source: Input
    pixels: "Mask | BadPixelList"

    def on(self, frame: Frame) -> Mask:
        """Give the bad pixels of one frame, 1 where bad."""
        if not isinstance(self.pixels, BadPixelList):
            return self.pixels
        header = frame.header
        binning, x, y = (_whole(header.get(key), usual) for key, usual in _PLACE)
        if binning == 1 and (x, y) == (0, 0):
            self.pixels.check(frame.shape)
        if binning % self.pixels.binning:
            raise ImagingError(
                f"the list is counted in pixels of binning {self.pixels.binning}, the frame has binning {binning}",
                reason="bad-pixel-list",
            )
        return self.pixels.draw(frame.shape, binning=binning, origin=(x, y))


_PLACE = (("XBINNING", 1), ("XORGSUBF", 0), ("YORGSUBF", 0))


def main(files: Sequence[Path], wish: Wish, *, resume: bool, json: bool) -> int:
    """Repair every frame; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        bad = None if wish.bad is None else _read(wish.bad)
        left = left_to_do(files, lambda path: [named(path, "fixed", wish.out)], resume=resume)
        targets = [named(path, "fixed", wish.out) for path in left]
        require_free(targets, overwrite=wish.overwrite, inputs=[*files, wish.bad])
        return each(
            left, partial(_one, wish=wish, bad=bad), label="fixing pixels", say=_line, json=json, beside=[wish.bad]
        )

    return checked(run)


def _read(path: Path) -> Bad:
    try:
        if path.suffix.lower() in LISTS:
            return Bad(Input.of(path), parse_bad_pixels(path.read_text(encoding="utf-8")))
        found = Frame.from_fits(path)
    except (ImagingError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}", 2) from error
    if found.data.ndim != 2:
        raise CommandError(f"{path}: a map of bad pixels has two axes, not {found.data.ndim}", 2)
    return Bad(Input.of(path), (found.data != 0).astype(np.uint8))


def _one(path: Path, wish: Wish, bad: Bad | None) -> Told:
    frame = Frame.from_fits(path)
    bayer = colour_pattern(frame) if wish.bayer is None else wish.bayer
    done = repair_frame(frame, None if bad is None else bad.on(frame), radius=wish.radius, bayer=bayer)
    header = done.header
    header["BPIXFILE"] = ("MASK" if bad is None else card_name(bad.source.name), "")
    target = named(path, "fixed", wish.out)
    inputs = [Input.of(path), *([] if bad is None else [bad.source])]
    settings = {"radius": wish.radius, "colour pattern": bayer}
    made = Provenance("fix-pixels", inputs, settings, SOFTWARE)
    write_product(target, replace(done, header=header), made, overwrite=wish.overwrite)
    counts = {"bad": header["BPIXNBAD"], "fixed": header["BPIXNFIX"], "left": header["BPIXNREM"]}
    return {**counts, "bayer": bayer, "output": str(target)}


def colour_pattern(frame: Frame) -> bool:
    """Tell whether the pixels of a frame lie under a Bayer pattern: by its cards, else by the levels of its sky."""
    if frame.data.ndim == 3:
        return False
    told = [frame.header.get(keyword) for keyword in ("BAYERPAT", "COLORTYP")]
    stated = any(isinstance(value, str) and value.strip().upper() in _PATTERNS for value in told)
    return stated or shown_pattern(frame.data) is not None


_PATTERNS = frozenset({"RGGB", "BGGR", "GRBG", "GBRG"})


def _whole(value: object, usual: int) -> int:
    return int(value) if isinstance(value, int | float) and value >= 0 else usual


def _line(told: Told) -> str:
    return f"{told['output']}: {told['fixed']} of {told['bad']} bad pixels replaced, {told['left']} left"

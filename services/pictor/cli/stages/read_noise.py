"""Read noise, gain and dark current of frames in files."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.members import Member, differing, frame_of, read_members, require_alike
from pictor.cli.stages.running import Told, checked, finite, once, require_free
from pictor.cli.telling import tell
from pictor.imaging.calibration.pairs import (
    difference_histogram,
    measure_dark_current,
    measure_gain,
    measure_read_noise,
)
from pictor.imaging.frame import Frame
from pictor.imaging.products import write_whole
from pictor.imaging.scratch import scratch_folder

SAME_EGAIN = 0.001
"""The cards of both frames agree to this, in e-/ADU."""

DISAGREES = 0.02
"""A measured gain farther from the stated one than this share is told."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The frames, and what is known of the camera."""

    bias1: Path
    bias2: Path
    flats: tuple[Path, Path] | None = None
    dark: Path | None = None
    egain: float | None = None
    mask_outliers: bool = True
    histogram: Path | None = None
    overwrite: bool = False


def main(wish: Wish, *, json: bool) -> int:
    """Measure; 0: done, 1: refused, 2: the call was wrong."""

    def run() -> int:
        inputs = [wish.bias1, wish.bias2, *(wish.flats or ()), wish.dark]
        if wish.histogram is not None:
            require_free([wish.histogram], overwrite=wish.overwrite, inputs=inputs)
        with scratch_folder() as scratch:
            return once(lambda: _measure(wish, scratch), say=_said, json=json, inputs=inputs)

    return checked(run)


def _measure(wish: Wish, scratch: Path) -> Told:
    files = [wish.bias1, wish.bias2, *(wish.flats or ()), *([wish.dark] if wish.dark else [])]
    members = read_members(files, scratch)
    pair, flats = members[:2], members[2:4] if wish.flats else []
    _require_pair(pair)
    require_alike(members, "camera", exposures=False)
    bias = [_frame(member) for member in pair]
    stated, source = _stated(wish, pair)
    found = measure_read_noise(*bias, mask_outliers=wish.mask_outliers)
    told: Told = {"inputs": [str(path) for path in files], "notes": []}
    if flats:
        require_alike(flats, "flat", exposures=True)
        told |= _gain(flats, members[4:], bias, found.adu, stated)
    egain, source = (stated, source) if stated else (told.get("measured_egain"), "measured from the flats")
    if egain is None:
        told["notes"].append(_no_gain(pair))
    told |= {
        "read_noise_adu": found.adu, "read_noise_e": found.adu * egain if egain else None, "egain": egain,
        "egain_from": source if egain else None, "pixels": found.pixels, "left_out": found.left_out,
        "mask_outliers": wish.mask_outliers, "levels_adu": found.levels,
    }  # fmt: skip
    if wish.dark is not None:
        told |= _dark(members[-1], bias, egain)
    if wish.histogram is not None:
        _write_histogram(wish.histogram, bias, overwrite=wish.overwrite)
        told["histogram"] = str(wish.histogram)
    for note in told["notes"]:
        tell(f"note: {note}", file=sys.stderr)
    result: Told = finite(told)
    return result


def _require_pair(pair: Sequence[Member]) -> None:
    kinds = {member.described.frame_type for member in pair}
    sentence = differing("type", pair, lambda member: member.described.frame_type)
    if sentence:
        raise CommandError(sentence)
    if kinds & {"light", "flat"}:
        raise CommandError(f"read noise is measured on bias frames, these are {kinds.pop()} frames")
    for member in pair:
        if member.described.is_master or (member.described.n_combined or 1) > 1:
            raise CommandError(f"{member.path} is a master: its noise is not that of one read-out; give single frames")


def _stated(wish: Wish, pair: Sequence[Member]) -> tuple[float | None, str]:
    """Find the conversion gain that is told: by the person, or by the card EGAIN of both frames."""
    if wish.egain is not None:
        return wish.egain, "--egain"
    one, two = (member.described.egain for member in pair)
    if one is not None and two is not None and abs(one - two) > SAME_EGAIN:
        raise CommandError(
            f"the cards EGAIN differ: {one:g} ({pair[0].path.name}) and {two:g} ({pair[1].path.name}); "
            "say --egain, or give frames of one camera mode"
        )
    return one if one is not None else two, "card EGAIN"


def _no_gain(pair: Sequence[Member]) -> str:
    told = "no conversion gain is known: there is no card EGAIN, so electrons are not given; say --egain or --flats"
    setting = pair[0].described.gain_setting
    return told if setting is None else f"{told} (GAIN = {setting:g} is a setting of the camera, not e-/ADU)"


def _frame(member: Member) -> Frame:
    """Read a frame with its pedestal applied, so that levels count from zero."""
    frame = frame_of(member)
    pedestal = member.described.pedestal or 0.0
    if not pedestal:
        return frame
    return Frame(frame.data.astype(float) + pedestal, frame.err, frame.mask, frame.header, frame.unit)


def _gain(
    flats: Sequence[Member], dark: Sequence[Member], bias: Sequence[Frame], read_noise_adu: float, stated: float | None
) -> Told:
    """Measure the gain of two flats above their dark, or above the bias frames."""
    from pictor.imaging.combine.frames import combine_frames
    from pictor.imaging.combine.method import Method

    below = _frame(dark[0]) if dark else combine_frames(bias, method=Method.MEAN).frame
    bayer = bool(flats[0].described.bayer)
    found = measure_gain(*(_frame(one) for one in flats), dark=below, read_noise_adu=read_noise_adu, bayer=bayer)
    notes = []
    if stated and abs(found.egain / stated - 1) > DISAGREES:
        notes.append(f"the flats give {found.egain:.4g} e-/ADU, the stated gain is {stated:.4g}")
    return {"measured_egain": found.egain, "signal_adu": found.signal, "notes": notes}


def _dark(dark: Member, bias: Sequence[Frame], egain: float | None) -> Told:
    """Measure the dark current above the bias frames."""
    exposure = dark.described.exposure_s
    if egain is None or not exposure:
        return {"dark_current_e_per_s": None}
    from pictor.imaging.combine.frames import combine_frames
    from pictor.imaging.combine.method import Method

    below = combine_frames(bias, method=Method.MEAN).frame
    current = measure_dark_current(_frame(dark), bias=below, egain=egain, exposure_s=exposure)
    return {"dark_current_e_per_s": current, "dark_exposure_s": exposure}


def _write_histogram(path: Path, bias: Sequence[Frame], *, overwrite: bool) -> None:
    values, counts = difference_histogram(*bias)

    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="ascii") as file:
            rows = csv.writer(file)
            rows.writerow(["difference_adu", "pixels"])
            rows.writerows(zip(values.tolist(), counts.tolist(), strict=True))

    write_whole(path, write, overwrite=overwrite)


def _said(told: Told) -> str:
    used = f"{told['pixels']} pixels, {told['left_out']} left out"
    lines = [f"read noise {told['read_noise_adu']:.4g} ADU ({used})"]
    if told["read_noise_e"] is not None:
        lines[0] = f"read noise {told['read_noise_e']:.4g} e-, {told['read_noise_adu']:.4g} ADU ({used})"
        lines.append(f"gain {told['egain']:.4g} e-/ADU ({told['egain_from']})")
    if "measured_egain" in told:
        signal = " and ".join(f"{level:.0f}" for level in told["signal_adu"])
        lines.append(f"gain measured from the flats {told['measured_egain']:.4g} e-/ADU (signal {signal} ADU)")
    if told.get("dark_current_e_per_s") is not None:
        lines.append(f"dark current {told['dark_current_e_per_s']:.4g} e-/s ({told['dark_exposure_s']:g} s)")
    if "histogram" in told:
        lines.append(told["histogram"])
    return "\n".join(lines)

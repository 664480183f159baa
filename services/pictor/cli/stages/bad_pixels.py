"""Maps of bad pixels, from files to a file."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.calibration_stacker.sensor import place_of
from pictor.cli.client import CommandError
from pictor.cli.stages.members import Member, frame_of, read_members, require_alike
from pictor.cli.stages.running import Told, checked, finite, once, require_free
from pictor.cli.telling import tell
from pictor.imaging.calibration.badindark import bad_pixel_map
from pictor.imaging.calibration.badlist import parse_bad_pixels
from pictor.imaging.calibration.badmap import BadPixelMap, map_bad_pixels
from pictor.imaging.calibration.badpixels import PIXEL_SIGMA
from pictor.imaging.calibration.measuring import dark_current
from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.frame import BAD, Frame
from pictor.imaging.products import Input, Provenance, card_name, product_header, write_whole
from pictor.imaging.scratch import scratch_folder
from pictor.imaging.types import Mask
from pictor.runtime.version import SOFTWARE

SENSOR = (
    "TELESCOP", "INSTRUME", "CAMERAID", "XBINNING", "YBINNING", "GAIN", "OFFSET", "EGAIN", "READOUTM", "SET-TEMP",
    "CCD-TEMP", "EXPTIME", "XPIXSZ", "YPIXSZ", "XORGSUBF", "YORGSUBF", "ROWORDER", "BAYERPAT",
)  # fmt: skip
"""Cards that tell which sensor a map is of."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Where bad pixels are told of, and where the map goes."""

    darks: Sequence[Path]
    out: Path
    flats: Sequence[Path] = ()
    user: Path | None = None
    sigma: float = PIXEL_SIGMA
    overwrite: bool = False


def main(wish: Wish, *, json: bool) -> int:
    """Make the map; 0: done, 1: refused, 2: the call was wrong."""

    def run() -> int:
        require_free([wish.out], overwrite=wish.overwrite, inputs=[*wish.darks, *wish.flats, wish.user])
        with scratch_folder() as scratch:
            return once(lambda: _make(wish, scratch), say=_said, json=json, inputs=[*wish.darks, *wish.flats])

    return checked(run)


def _make(wish: Wish, scratch: Path) -> Told:
    members = read_members([*wish.darks, *wish.flats], scratch)
    darks, flats = members[: len(wish.darks)], members[len(wish.darks) :]
    require_alike(members, "camera", exposures=False)
    frames = [_dark(member) for member in darks]
    light = [frame_of(member) for member in flats]
    listed = None if wish.user is None else read_list(wish.user, darks[0], frames[0].shape)
    bayer = any(member.described.bayer for member in flats)
    found = map_bad_pixels(frames, flats=light, listed=listed, sigma=wish.sigma, bayer=bayer)
    if found.automatic > found.bits.size / 10:
        share = f"{100 * found.automatic / found.bits.size:.1f} %"
        tell(f"note: {share} of the pixels are found bad; is this a master dark?", file=sys.stderr)
    header = _header(wish, members, frames[0], found)
    planes = [Plane("BADPIX", "u1", lambda rows: found.bits[rows])]
    write_whole(wish.out, lambda part: write_planes(part, header, planes, frames[0].shape), overwrite=wish.overwrite)
    told: Told = finite(
        {
            "output": str(wish.out), "automatic": found.automatic, "user": found.listed, "bad": found.bad,
            "pixels": found.bits.size, **_facts(darks[0], frames[0]),
        }
    )  # fmt: skip
    return told


def _dark(member: Member) -> Frame:
    """Read a dark; of the bad pixels in the mask of a master of ours only the unsteady ones count.

    The others are what the dark itself shows, and are looked for again with the threshold of this call.
    """
    frame = frame_of(member)
    if frame.mask is None or "CALROLE" not in frame.header:
        return frame
    again = (bad_pixel_map(frame.real()) != 0) & ((frame.mask & BAD) != 0)
    return replace(frame, mask=np.where(again, frame.mask & np.uint8(255 - BAD), frame.mask))


def read_list(path: Path, member: Member, shape: tuple[int, int]) -> Mask:
    """Draw a person's list on a frame.

    Raises
    ------
    CommandError
        If the list does not say which binning it counts in and the frame is binned, or if it counts in coarser pixels.
    ImagingError
        If it is no list, or names pixels outside the frame.
    """
    text = path.read_text(encoding="utf-8")
    found = parse_bad_pixels(text)
    place = place_of({name: getattr(member.described, name) for name in ("binning_x", "roi_x", "roi_y")})
    binning = place["binning"]
    if binning > 1 and not found.says_binning:
        raise CommandError(
            f"{path} does not say which pixels it counts, and {member.path.name} is binned {binning} x {binning}: "
            f"add the line 'binning: {binning}' for pixels of this frame, or 'binning: 1' for those of the sensor"
        )
    if binning % found.binning:
        raise CommandError(f"{path} counts in pixels binned {found.binning}, {member.path.name} is binned {binning}")
    if found.binning == binning and not (place["x"] or place["y"]):
        found.check(shape)
    return found.draw(shape, binning=binning, origin=(place["x"], place["y"]))


def _header(wish: Wish, members: Sequence[Member], first: Frame, found: BadPixelMap) -> fits.Header:
    """Say what the map is made of, and of which sensor it is."""
    cards = fits.Header([card for card in first.header.cards if card.keyword in SENSOR])
    inputs = [member.input for member in members]
    cards["IMAGETYP"] = ("Bad Pixel Map", "bit 1 found, bit 2 listed, 0 good")
    cards["NBAD"] = (found.bad, "bad pixels")
    cards["NBADAUTO"] = (found.automatic, "bad pixels found (bit 1)")
    cards["NBADUSER"] = (found.listed, "bad pixels listed (bit 2)")
    cards["DATAFILE"] = card_name(inputs[0].name)
    if wish.user is not None:
        inputs.append(Input.of(wish.user))
        cards["USERFILE"] = card_name(wish.user.name)
    settings = {"sigma": wish.sigma, "darks": len(wish.darks), "flats": len(wish.flats)}
    return product_header(
        Frame(found.bits, None, None, cards, ""), Provenance("bad-pixels", inputs, settings, SOFTWARE)
    )


def _facts(member: Member, dark: Frame) -> Told:
    """Measure the dark current where the dark says what is needed."""
    level = dark.header.get("BIASLVL")
    if not isinstance(level, int | float) or not member.described.exposure_s:
        return {}
    found = dark_current(
        dark.real(), bias_level=float(level), egain=member.described.egain, exposure_s=member.described.exposure_s
    )
    return {"dark_current_e_per_s": found.electrons_per_s, "hot_pixels": found.hot_pixels}


def _said(told: Told) -> str:
    share = 100 * told["bad"] / told["pixels"]
    line = (
        f"{told['output']}: {told['bad']} bad pixels ({share:.3g} %): {told['automatic']} found, {told['user']} listed"
    )
    current = told.get("dark_current_e_per_s")
    return line if current is None else f"{line}\ndark current {current:.4g} e-/s, {told['hot_pixels']} hot pixels"

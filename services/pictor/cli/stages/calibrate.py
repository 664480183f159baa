"""Lights in files calibrated with masters in files, as a stage."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pictor.calibration_stacker.sensor import place_of
from pictor.cli.calib_apply import Compared, compare
from pictor.cli.calib_files import LocalFrame, read_frame_file
from pictor.cli.calib_settings import read_settings
from pictor.cli.calib_stack import bias_level
from pictor.cli.client import CommandError
from pictor.cli.stages.fix_pixels import LISTS
from pictor.cli.stages.masters import Chosen, MasterFile, chosen_for, folder_of, given_as
from pictor.cli.stages.running import Told, checked, each, finite, left_to_do, named, require_free
from pictor.cli.stages.sums import sums_once
from pictor.cli.telling import tell
from pictor.imaging.calibration.files import calibrate_file
from pictor.imaging.calibration.lightcards import CalibratedFile, corrections
from pictor.imaging.calibration.lightcards import Told as ToldCards
from pictor.imaging.matching.policy import Policy, PolicyError, validate
from pictor.imaging.products import Input, Provenance, card_name, stamp, write_whole
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.version import SOFTWARE

EXPOSURES = ("camera_type", "CCD")
"""Only darks of a CCD are scaled; the rules ask this setting."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Masters as they were given, how they are applied, and where the results go."""

    out: Path
    given: Mapping[str, Path]
    folder: Path | None = None
    settings: Sequence[str] = ()
    egain: float | None = None
    read_noise_e: float | None = None
    cosmics: bool = False
    scale_dark: bool = False
    insist: bool = False
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """What lights are calibrated with: masters that were given, those of a folder, bad pixels, and the rules."""

    policy: Policy
    given: Mapping[str, MasterFile]
    folder: Sequence[MasterFile] = ()
    bad: Input | None = None
    bad_path: Path | None = None


def main(lights: Sequence[Path], wish: Wish, *, resume: bool, json: bool) -> int:
    """Calibrate every light; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        with scratch_folder() as scratch:
            shelf = _shelf(wish, scratch)
            left = left_to_do(lights, lambda path: [named(path, "calibrated", wish.out)], resume=resume)
            targets = [named(path, "calibrated", wish.out) for path in left]
            require_free(targets, overwrite=wish.overwrite, inputs=lights)
            return each(left, partial(_one, wish=wish, shelf=shelf), label="calibrating", say=_line, json=json)

    return checked(run)


def _shelf(wish: Wish, scratch: Path) -> Shelf:
    """Read what the lights are calibrated with; a call without anything to take off is wrong."""
    if wish.folder is None and not {"dark", "bias"} & set(wish.given):
        raise CommandError("give --dark or --bias, or a folder --masters: a flat alone would scale the offset too", 2)
    try:
        policy = validate(read_settings(list(wish.settings)) | (dict([EXPOSURES]) if wish.scale_dark else {}))
    except PolicyError as error:
        raise CommandError(str(error), 2) from error
    given = {kind: given_as(kind, path, scratch) for kind, path in wish.given.items() if kind != "bad_pixels"}
    found, left_out = ([], {}) if wish.folder is None else folder_of(wish.folder, scratch)
    for path, why in left_out.items():
        tell(f"pictor: {path} is left out: {why}", file=sys.stderr)
    bad = wish.given.get("bad_pixels")
    return Shelf(policy, given, found, None if bad is None else Input.of(bad), bad)


def _one(path: Path, wish: Wish, shelf: Shelf) -> Told:
    """Calibrate one light."""
    target = named(path, "calibrated", wish.out)
    with scratch_folder() as scratch:
        light = read_frame_file(path, scratch)
        chosen = chosen_for(light, shelf.given, shelf.folder, shelf.policy)
        compared = compare(light, {kind: one.seen for kind, one in chosen.masters.items()}, shelf.policy)
        if compared.misses and not wish.insist:
            raise CommandError(f"{'; '.join(compared.misses)}. --insist uses these masters all the same")
        found: list[CalibratedFile] = []
        write_whole(
            target,
            lambda part: found.append(_calibrated(part, light, chosen, compared, wish=wish, shelf=shelf)),
            overwrite=wish.overwrite,
        )
    told = _told(found[0], target, chosen, compared)
    warnings = [one for path in _applied(chosen, shelf) for one in sums_once(path)]
    return {**told, "warnings": warnings} if warnings else told


def _applied(chosen: Chosen, shelf: Shelf) -> list[Path]:
    """Name the files a light is calibrated with."""
    return [*(one.path for one in chosen.masters.values()), *([] if shelf.bad_path is None else [shelf.bad_path])]


def _calibrated(
    out: Path, light: LocalFrame, chosen: Chosen, compared: Compared, *, wish: Wish, shelf: Shelf
) -> CalibratedFile:
    """Say to the pixel function what the service would say; a bias beside a dark that holds it only tells its level."""
    described, measured = light.stored.description or {}, light.stored.statistics or {}
    applied = {kind: one for kind, one in chosen.masters.items() if not (kind == "bias" and chosen.bias_is_held)}
    bias, bad = chosen.masters.get("bias"), shelf.bad_path
    listed = bad is not None and bad.suffix.lower() in LISTS
    place, added = place_of(described), abs(described.get("pedestal") or 0.0)
    full = measured.get("saturation_adu")
    return calibrate_file(
        light.pixels, out, **{kind: one.pixels for kind, one in applied.items()},
        bad_pixels=None if listed else bad,
        bad_pixel_list=bad.read_text(encoding="utf-8") if bad is not None and listed else None,
        egain=wish.egain or described.get("egain"), read_noise_e=wish.read_noise_e,
        bias_level=None if bias is None else bias_level(bias.pixels), saturation=None if full is None else full - added,
        pedestal=added,
        dark_scale=compared.scale, bayer=bool(described.get("bayer")), cosmics=wish.cosmics,
        sensor=(place.get("binning", 1), place.get("x", 0), place.get("y", 0)),
        told=_cards(light, applied, compared, wish=wish, shelf=shelf),
    )  # fmt: skip


def _cards(
    light: LocalFrame, applied: Mapping[str, MasterFile], compared: Compared, *, wish: Wish, shelf: Shelf
) -> ToldCards:
    """Make the cards of a stage: what was applied, of which files, with which settings."""
    identities = {kind: one.input.name for kind, one in applied.items()}
    cards = corrections(identities)
    added = (light.stored.description or {}).get("pedestal")
    if added:
        cards["PEDESTAL"] = (0, "[adu] that of the raw light is taken off")
    if shelf.bad is not None:
        cards["BPIXFILE"] = (card_name(shelf.bad.name), "")
    inputs = [
        Input(light.path.name, light.stored.sha256), *(one.input for one in applied.values()),
        *([] if shelf.bad is None else [shelf.bad]),
    ]  # fmt: skip
    settings = {
        "cosmics": wish.cosmics or None, "egain": wish.egain, "read noise": wish.read_noise_e,
        "dark scaled by": None if compared.scale == 1.0 else round(compared.scale, 6), "insisted": wish.insist or None,
        "pedestal taken off": abs(added) if added else None,
    }  # fmt: skip
    stamp(
        cards, Provenance("calibrate", inputs, settings, SOFTWARE, [f"does not fit: {one}" for one in compared.misses])
    )
    hashes = {kind: one.input.sha256 for kind, one in applied.items()}
    return ToldCards(identities, hashes, SOFTWARE, bool(compared.weak), cards)


def _told(found: CalibratedFile, target: Path, chosen: Chosen, compared: Compared) -> Told:
    told: dict[str, Any] = {
        "output": target, "calstat": found.calstat, "repaired": found.repaired, "left": found.left,
        "hit": found.cleaned, "egain": found.egain, "egain_assumed": found.egain_assumed,
        "read_noise_e": found.read_noise_e, "dark_scale": compared.scale,
        "masters": {kind: one.path for kind, one in chosen.masters.items()},
        "missing": chosen.missing, "misses": compared.misses, "weak": compared.weak,
    }  # fmt: skip
    answer: Told = finite(told)
    return answer


def _line(told: Told) -> str:
    line = f"{told['output']}: {told['calstat']}, {told['repaired']} bad pixels replaced, {told['left']} left"
    line += f", {told['hit']} hit" if told["hit"] else ""
    line += "; EGAIN is not known, 1 e-/ADU assumed for ERR" if told["egain_assumed"] else ""
    return "\n".join([line, *(f"  without {kind}: {why}" for kind, why in told["missing"].items())])

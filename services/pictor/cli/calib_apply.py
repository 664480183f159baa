"""Calibrate lights that lie in files, with the pixels of the services and no server."""

import json as jsonlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pictor.calibration_stacker.sensor import place_of
from pictor.cli.calib_files import (
    LocalFrame,
    put,
    read_frame_file,
    read_master_file,
    require_free,
    sha256_of,
)
from pictor.cli.client import CommandError, guarded
from pictor.cli.stages.running import shown
from pictor.cli.telling import tell
from pictor.contracts.frames import FrameType as StoredType
from pictor.imaging.calibration.masters import bias_level
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.policy import Policy, PolicyError, validate
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.matching.selection import candidate
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.library import frame_seen
from pictor.runtime.version import SOFTWARE

SCALED = "exposure ratio"
"""The rule that lets a dark of another exposure fit, by scaling it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Lights, the masters in their files, and where the results go."""

    lights: Sequence[Path]
    out: Path
    masters: Mapping[str, Path]
    settings: Mapping[str, Any]
    read_noise_e: float | None = None
    cosmics: bool = False
    insist: bool = False
    overwrite: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """By which rules the masters do not fit a light, which it leaves open, and how much the dark is scaled."""

    misses: list[str]
    weak: list[str]
    scale: float


def main(wish: Wish) -> int:
    """Calibrate every light; exit 1 when one was refused, after the others are done."""
    try:
        done = _all(wish)
    except (PolicyError, OSError) as error:
        return guarded(CommandError(str(error), 2))
    except ImagingError as error:
        return guarded(CommandError(str(error)))
    except CommandError as error:
        return guarded(error)
    if wish.json:
        tell(jsonlib.dumps(done, indent=2))
    return 1 if any("refused" in one for one in done) else 0


def _all(wish: Wish) -> list[dict[str, Any]]:
    if not {"dark", "bias"} & set(wish.masters):
        raise CommandError("give --dark or --bias: a flat alone would scale the offset too", 2)
    policy = validate(dict(wish.settings))
    wish.out.mkdir(parents=True, exist_ok=True)
    targets = [_target(wish, path) for path in wish.lights]
    if len(set(targets)) < len(targets):
        raise CommandError("two of the lights have the same name; calibrate them into folders of their own", 2)
    require_free(targets, overwrite=wish.overwrite)
    masters = {kind: _master(kind, path) for kind, path in wish.masters.items() if kind != "bad_pixels"}
    return [_one(path, wish, masters, policy) for path in shown(wish.lights, "calibrating")]


def _master(kind: str, path: Path) -> MasterFrame:
    """Read a master, which must be of the kind it is given as."""
    master = read_master_file(path)
    if str(master.frame_type) not in {kind, "flat-dark" if kind == "dark" else kind}:
        raise CommandError(f"{path.name} is a master {master.frame_type}, not a {kind}", 2)
    return master


def _target(wish: Wish, light: Path) -> Path:
    name = light.name
    for packed in (".gz", ".fz"):
        name = name.removesuffix(packed)
    return wish.out / f"{Path(name).stem}_calibrated.fits"


def _one(path: Path, wish: Wish, masters: Mapping[str, MasterFrame], policy: Policy) -> dict[str, Any]:
    """Calibrate one light; what is wrong with it is told and leaves the others alone."""
    with scratch_folder(wish.out) as folder:
        try:
            light = read_frame_file(path, folder / "in")
            compared = compare(light, masters, policy)
            require_fit(compared, wish)
            found = _calibrated(light, wish, masters, compared, folder)
        except (ImagingError, CommandError) as error:
            tell(f"pictor: {path.name}: {error}", file=sys.stderr)
            return {"light": str(path), "refused": str(error)}
        target = _target(wish, path)
        put(Path(found["path"]), target, overwrite=wish.overwrite)
    if not wish.json:
        tell(f"{target}: {found['calstat']}, {found['repaired']} bad pixels repaired, {found['left']} left")
    return {"light": str(path), **found, "path": str(target), "misses": compared.misses, "weak": compared.weak}


def require_fit(compared: Compared, wish: Wish) -> None:
    """Refuse masters that do not fit unless a person insists on them."""
    if compared.misses and not wish.insist:
        raise CommandError(f"{'; '.join(compared.misses)}. --insist uses these masters all the same")


def compare(light: LocalFrame, masters: Mapping[str, MasterFrame], policy: Policy) -> Compared:
    """Hold the masters against a light by the rules of the library."""
    done = (light.stored.description or {}).get("calstat")
    if done and set("BDF") & set(str(done).upper()):
        raise CommandError(f"the light came calibrated already (CALSTAT '{done}')")
    if light.stored.frame_type not in {StoredType.LIGHT, StoredType.SNAPSHOT, StoredType.UNKNOWN}:
        raise CommandError(f"this is a {light.stored.frame_type}; only lights are calibrated")
    seen = frame_seen(replace(light.stored, frame_type=StoredType.LIGHT))
    misses, weak, scale = [], [], 1.0
    for kind, master in masters.items():
        one = candidate(seen, master, policy)
        if one.failures:
            failed = "; ".join(rule.sentence for rule in one.failures)
            misses.append(f"the {kind} {master.master_id} does not fit: {failed}")
        weak += [f"{kind} {name}" for name in one.weak]
        if any(rule.name == SCALED and rule.passed for rule in one.rules):
            scale = (seen.exposure_s or 1.0) / (master.exposure_s or 1.0)
    return Compared(misses, weak, scale)


def _calibrated(
    light: LocalFrame, wish: Wish, masters: Mapping[str, MasterFrame], compared: Compared, folder: Path
) -> dict[str, Any]:
    """Say to the pixel function what the service would say; a bias beside a dark that holds it only tells its level."""
    from pictor.calibration_stacker.compute import calibrate

    described, measured = light.stored.description or {}, light.stored.statistics or {}
    bias, listed = wish.masters.get("bias"), bad_list_of(wish)
    held = "dark" in masters and masters["dark"].holds_bias
    applied = {kind: wish.masters[kind] for kind in masters if not (held and kind == "bias")}
    mapped = {"bad_pixels": wish.masters["bad_pixels"]} if "bad_pixels" in wish.masters and listed is None else {}
    return calibrate(
        path=str(light.pixels), scratch=str(folder),
        masters={kind: str(path) for kind, path in {**applied, **mapped}.items()},
        identities={kind: path.name for kind, path in applied.items()},
        sha256s={kind: sha256_of(path) for kind, path in applied.items()},
        egain=described.get("egain"), read_noise_e=wish.read_noise_e,
        bias_level_adu=None if bias is None else bias_level(bias), saturation_adu=measured.get("saturation_adu"),
        dark_scale=compared.scale, bayer=bool(described.get("bayer")), cosmics=wish.cosmics, software=SOFTWARE,
        bad_pixel_list=None if listed is None else listed.read_text(encoding="utf-8"), weak=bool(compared.weak),
        sensor=place_of(described),
    )  # fmt: skip


def bad_list_of(wish: Wish) -> Path | None:
    """Return the list of bad pixels when it is one; a FITS file is a map."""
    path = wish.masters.get("bad_pixels")
    return path if path is not None and path.suffix in {".yaml", ".yml"} else None

"""Make a master of a group of files, with the admission and the gate of the services; runs in a child."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pictor.calibration_stacker.compute import stack
from pictor.calibration_stacker.sensor import place_of
from pictor.cli.calib_files import LocalFrame, as_kind, read_master_file
from pictor.cli.calib_stack import Wish, admitted, bias_level
from pictor.cli.client import CommandError
from pictor.cli.processing.seen import Seen, seen_of, told_of_master
from pictor.cli.processing.unpacking import opened
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.unpack import unpack

ACTIVE = "active"


def make_master(
    *,
    members: Sequence[Mapping[str, Any]],
    kind: str,
    out: str,
    scratch: str,
    policy: Mapping[str, object],
    dark: str | None = None,
    bias: str | None = None,
) -> dict[str, object]:
    """Stack files into a master.

    Parameters
    ----------
    members
        Of each file its ``label``, ``source`` and what its survey ``told``.
    kind
        What the master calibrates.
    out
        File to write; a master that does not pass its gate gets the verdict into its name.
    scratch
        Empty folder on the same file system.
    policy
        Settings of the stacking.
    dark, bias
        Masters: the dark of flats, and the bias that tells the level.

    Returns
    -------
    dict
        ``verdict``, ``checks``, ``facts``, ``ncombine``, ``left_out`` (file and reason), ``outputs``,
        and ``master`` as the rules see it, None unless the verdict is active.
    """
    frames = [_local(one, Path(scratch) / f"{number:04d}") for number, one in enumerate(members)]
    bias_path = None if bias is None else Path(bias)
    try:
        kept, left_out = admitted([as_kind(frame, kind) for frame in frames], Wish((), Path(out), bias=bias_path))
    except CommandError as error:
        raise ImagingError(str(error), reason="too-few-frames") from error
    first, level = kept[0].stored, None if bias_path is None else bias_level(bias_path)
    described, measured = first.description or {}, first.statistics or {}
    found: dict[str, Any] = stack(
        paths=[str(frame.pixels) for frame in kept], frame_ids=[frame.path.name for frame in kept],
        sha256s=[frame.stored.sha256 for frame in kept], kind=kind, scratch=scratch,
        policy=policy, egain=described.get("egain"), bias_level_adu=level,
        saturation_adu=measured.get("saturation_adu"), bayer=bool(described.get("bayer")), dark_path=dark,
        sensor=place_of(described),
    )  # fmt: skip
    return {**_kept(found, Path(out)), "left_out": left_out}


def _local(one: Mapping[str, Any], scratch: Path) -> LocalFrame:
    """Give a member as the stacking wants it; its label stands for its path in every sentence."""
    seen: Seen = seen_of(one["label"], one["told"])
    path = opened(one["source"], scratch)
    if seen.packed:
        scratch.mkdir(parents=True, exist_ok=True)
        path = unpack(path, scratch).path
    return LocalFrame(Path(seen.label), path, seen.stored())


def _kept(found: Mapping[str, Any], out: Path) -> dict[str, object]:
    """Give the files their names, the map of bad pixels only beside a master that passed."""
    passed = found["verdict"] == ACTIVE
    target = out if passed else out.with_name(f"{out.stem}.{found['verdict']}{out.suffix}")
    Path(found["master_path"]).replace(target)
    mapped = None
    if passed and found["bad_pixels_path"]:
        mapped = out.with_name(f"{out.stem}_bad_pixels.fits")
        Path(found["bad_pixels_path"]).replace(mapped)
    told = {name: found[name] for name in ("verdict", "checks", "facts", "ncombine")}
    return {
        **told,
        "outputs": {"master": str(target)} | ({} if mapped is None else {"bad_pixels": str(mapped)}),
        "master": told_of_master(read_master_file(target)) if passed else None,
    }

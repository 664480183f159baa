"""Masters in files, and which of a folder a light gets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pictor.cli.calib_files import LocalFrame, read_master_file
from pictor.cli.client import CommandError
from pictor.cli.stages.running import sentence_of
from pictor.contracts.frames import FrameType as StoredType
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import read_cards
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.frame import Frame
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.stacks import read_stack
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.matching.selection import select_set
from pictor.imaging.products import Input, Provenance, write_product
from pictor.runtime.library import frame_seen

ENDINGS = (".fits", ".fit", ".fts", ".fits.fz", ".fits.gz", ".fit.fz", ".fit.gz", ".xisf")


@dataclass(frozen=True, slots=True)
class MasterFile:
    """A master: its file, that of its pixels where it is packed, its hash, and what the rules see of it."""

    path: Path
    pixels: Path
    input: Input
    seen: MasterFrame


@dataclass(frozen=True, slots=True)
class Chosen:
    """The masters of one light by place, and why a place is empty."""

    masters: Mapping[str, MasterFile]
    missing: Mapping[str, str]

    @property
    def bias_is_held(self) -> bool:
        """Whether the dark takes the bias with it."""
        return "dark" in self.masters and self.masters["dark"].seen.holds_bias


def given_as(kind: str, path: Path, scratch: Path) -> MasterFile:
    """Read a master that must be of the kind it is given as.

    Raises
    ------
    CommandError
        If it is another one or cannot be read; with exit code 2.
    """
    try:
        found = _read(path, scratch)
    except (ImagingError, CommandError) as error:
        raise CommandError(f"{path}: {error}", 2) from error
    if str(found.seen.frame_type) not in {kind, "flat-dark" if kind == "dark" else kind}:
        raise CommandError(f"{path} is a master {found.seen.frame_type}, not a {kind}", 2)
    return found


def folder_of(folder: Path, scratch: Path) -> tuple[list[MasterFile], dict[str, str]]:
    """Read the masters of a folder and its sub-folders; tell which files are left out and why.

    Raises
    ------
    CommandError
        If there is none; with exit code 2.
    """
    found, left_out = [], {}
    for path in _files(folder):
        try:
            if is_master(path, scratch):
                found.append(_read(path, scratch))
        except (ImagingError, CommandError, OSError) as error:
            left_out[str(path)] = sentence_of(error).removeprefix(f"{path}: ")
    if not found:
        why = "".join(f"\n  {path}: {reason}" for path, reason in left_out.items())
        raise CommandError(f"there is no master in {folder}; IMAGETYP must name a master bias, dark or flat{why}", 2)
    return found, left_out


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name.lower().endswith(ENDINGS) and not path.name.startswith("."):
            yield path


def is_master(path: Path, scratch: Path) -> bool:
    """Tell by its header whether a file is a master; individual frames are none."""
    plain = _plain(path, scratch)
    described = describe(read_cards(plain, prescan_file(plain)), name=path.name)
    return described.is_master and described.frame_type in {"bias", "dark", "flat", "flat-dark"}


def _plain(path: Path, scratch: Path) -> Path:
    """Unpack a packed file into a folder of its own; once."""
    place = scratch / Input.of(path).sha256[:16]
    made = place / "unpacked.fits"
    if made.exists():
        return made
    place.mkdir(exist_ok=True)
    return unpack(path, place).path


def _read(path: Path, scratch: Path) -> MasterFile:
    plain = _plain(path, scratch)
    added = read_stack(read_cards(plain, prescan_file(plain))).pedestal_adu
    if added:
        plain = _lowered(plain, added, scratch)
    return MasterFile(path, plain, Input.of(path), replace(read_master_file(plain), master_id=path.name))


def chosen_for(
    light: LocalFrame, given: Mapping[str, MasterFile], folder: Sequence[MasterFile], policy: Policy
) -> Chosen:
    """Choose the masters of a light: those that were given, else the best of the folder by the rules of the library.

    Raises
    ------
    CommandError
        If neither a dark nor a bias fits, with the reasons.
    """
    if not folder:
        return Chosen(given, {})
    by_name = {str(number): one for number, one in enumerate(folder)}
    seen = [replace(one.seen, master_id=name) for name, one in by_name.items()]
    found = select_set(frame_seen(replace(light.stored, frame_type=StoredType.LIGHT)), seen, policy)
    masters, missing = dict(given), {}
    for kind, selection in (("bias", found.bias), ("dark", found.dark), ("flat", found.flat)):
        if kind in masters:
            continue
        if selection.master is None:
            missing[kind] = selection.reason
        else:
            masters[kind] = by_name[selection.master.master_id]
    if not {"dark", "bias"} & set(masters):
        raise CommandError(f"{missing['dark']}; {missing['bias']}")
    if "dark" in masters and masters["dark"].seen.holds_bias:
        missing.pop("bias", None)
    return Chosen(masters, missing)


def _lowered(path: Path, added: float, scratch: Path) -> Path:
    """Copy a master without its pedestal, what a program added so that no value is negative."""
    frame = Frame.from_fits(path)
    header = frame.header.copy()
    header["PEDESTAL"] = 0
    made = scratch / f"{Input.of(path).sha256[:16]}-lowered.fits"
    lowered = replace(frame, data=frame.real() - np.float32(added), header=header)
    write_product(made, lowered, Provenance("calibrate"), overwrite=True)
    return made

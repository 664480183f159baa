"""Which frames belong together: files and folders, what their headers say, and where they differ."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from pictor.cli.client import CommandError
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import read_cards
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.frame import Frame
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.matching.filters import FilterNames
from pictor.imaging.products import Input

ENDINGS = (".fit", ".fits", ".fts", ".fz", ".gz", ".xisf")
DARKS = frozenset({"dark", "flat-dark"})


@dataclass(frozen=True, slots=True)
class Member:
    """A frame to combine: the file as given, a FITS file of the same name, its hash, what its header says."""

    path: Path
    plain: Path
    input: Input
    described: FrameDescription

    @property
    def size(self) -> str:
        """Columns and rows, as people write them."""
        return f"{self.described.width} x {self.described.height}"


def listed(files: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Replace folders by the frames in them; return the files and what is to be told.

    Raises
    ------
    CommandError
        If a folder holds no frames, or a file is given twice.
    """
    found: list[Path] = []
    notes: list[str] = []
    for path in files:
        inside = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
        masters = [one for one in inside if path.is_dir() and one.name.lower().startswith("master")]
        notes += [f"{one} is left alone: its name begins with master" for one in masters]
        frames = [one for one in inside if one not in masters and (one is path or one.suffix.lower() in ENDINGS)]
        if not frames:
            raise CommandError(f"{path} holds no frames to combine ({', '.join(ENDINGS)})")
        found += frames
    if len(set(found)) < len(found):
        twice = next(path for path in found if found.count(path) > 1)
        raise CommandError(f"{twice} is given twice; its noise would count as less than it is", 2)
    return found, notes


def read_members(paths: Sequence[Path], scratch: Path) -> list[Member]:
    """Read what the headers say; ``scratch`` takes unpacked copies.

    Raises
    ------
    CommandError
        If a file is no frame, or two are the same.
    """
    rooms = [scratch / f"{number:04d}" for number in range(len(paths))]
    with ThreadPoolExecutor(2) as pool:
        members = list(pool.map(read_member, paths, rooms))
    seen: dict[str, Path] = {}
    for member in members:
        other = seen.setdefault(member.input.sha256, member.path)
        if other is not member.path:
            raise CommandError(f"{other} and {member.path} are the same frame; give it once")
    return members


def read_member(path: Path, room: Path) -> Member:
    """Read what one header says; ``room`` is a folder to be made for its unpacked copy.

    Raises
    ------
    CommandError
        If the file is no frame.
    """
    room.mkdir()
    try:
        unpacked = unpack(path, room)
        plain = unpacked.path
        if unpacked.converted:
            plain = plain.rename(room / path.name)
        return Member(path, plain, Input.of(path), describe(read_cards(plain, prescan_file(plain)), name=path.name))
    except ImagingError as error:
        raise CommandError(f"{path}: {error}") from error


def frame_of(member: Member) -> Frame:
    """Read the pixels of a frame of two axes; a cube of colour planes is told with its name.

    Raises
    ------
    CommandError
        If it cannot be read, has colour planes, or no pixel that has a value.
    """
    try:
        frame = Frame.from_fits(member.plain)
    except ImagingError as error:
        raise CommandError(f"{member.path}: {error}") from error
    if frame.data.ndim != 2:
        raise CommandError(f"{member.path} has {frame.data.shape[0]} colour planes; give frames of one plane")
    if not np.isfinite(frame.data).any():
        raise CommandError(f"{member.path}: no pixel has a value, all are NaN")
    return frame


def kind_of(members: Sequence[Member], asked: str | None) -> tuple[str, list[str]]:
    """Settle what the frames are; return it and what is to be told.

    Raises
    ------
    CommandError
        If the headers disagree and nothing was asked for.
    """
    told = sorted({member.described.frame_type for member in members})
    if asked is not None:
        allowed = {asked, "unknown"} | (DARKS if asked in DARKS else set())
        others = [kind for kind in told if kind not in allowed] if asked != "plain" else []
        return asked, [f"headers say {' and '.join(others)}; taken as {asked}, as --kind says"] if others else []
    if len(told) > 1:
        raise CommandError(differing("type", members, lambda member: member.described.frame_type) or "")
    if told[0] in {"bias", "dark", "flat", "flat-dark"}:
        return told[0], []
    if told[0] == "unknown":
        raise CommandError("no header says what the frames are; give --kind bias, dark, flat, flat-dark or plain", 2)
    return "plain", [f"{told[0]} frames are combined as they are (plain)"]


def require_alike(members: Sequence[Member], kind: str, *, exposures: bool) -> None:
    """Refuse frames that do not belong together, with the values and who has them; ``camera``: one camera mode only.

    Raises
    ------
    CommandError
        With everything in which they differ.
    """
    wanted: dict[str, Callable[[Member], object]] = {"size": lambda member: member.size}
    if kind != "plain":
        wanted |= {
            "telescope": lambda member: member.described.telescope,
            "camera": lambda member: member.described.camera,
            "binning": lambda member: f"{member.described.binning_x} x {member.described.binning_y}",
            "gain setting": lambda member: member.described.gain_setting,
            "offset setting": lambda member: member.described.offset_setting,
            "readout mode": lambda member: member.described.readout_mode,
        }
    if kind not in {"plain", "camera"}:
        wanted["set temperature (C)"] = lambda member: member.described.set_temp_c
    if kind == "flat":
        wanted["filter"] = lambda member: FilterNames().read(member.described.filter)
    if exposures and kind in {"dark", "flat-dark", "flat"}:
        wanted["exposure (s)"] = _exposures(members)
    found = [differing(name, members, value) for name, value in wanted.items()]
    if any(found):
        raise CommandError("; ".join(sentence for sentence in found if sentence))


def _exposures(members: Sequence[Member]) -> Callable[[Member], object]:
    """Compare exposures as far as drivers tell them exactly: within 0.5 %, for short ones within 1 ms."""
    told = [member.described.exposure_s for member in members if member.described.exposure_s is not None]
    first = told[0] if told else 0.0

    def value(member: Member) -> object:
        exposure = member.described.exposure_s
        same = exposure is not None and abs(exposure - first) <= max(0.001, 0.005 * first)
        return first if same else exposure

    return value


def differing(name: str, members: Sequence[Member], value: Callable[[Member], object]) -> str | None:
    """Say which values frames have; None where those that say anything agree."""
    holders: dict[object, list[str]] = {}
    for member in members:
        said = value(member)
        if said is not None:
            holders.setdefault(said, []).append(member.path.name)
    if len(holders) < 2:
        return None
    told = ", ".join(f"{said} ({_names(names)})" for said, names in holders.items())
    return f"the frames differ in {name}: {told}"


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def at_temperature(members: Sequence[Member], tolerance_c: float) -> tuple[list[Member], list[dict[str, str]]]:
    """Part frames whose sensor was at its set point from the others.

    Without a set point the median sensor temperature of the frames stands for it; a frame that does not tell its
    temperature is kept.
    """
    sensor = [one.described.ccd_temp_c for one in members if one.described.ccd_temp_c is not None]
    middle = median(sensor) if sensor else None
    kept, left_out = [], []
    for member in members:
        wanted = member.described.set_temp_c if member.described.set_temp_c is not None else middle
        found = member.described.ccd_temp_c
        if wanted is None or found is None or abs(found - wanted) <= tolerance_c + 1e-9:
            kept.append(member)
            continue
        told = f"the sensor was at {found:.2f} C, {abs(found - wanted):.2f} C from {wanted:.2f} C"
        left_out.append({"file": str(member.path), "reason": f"{told}; --temperature-tolerance is {tolerance_c:g} C"})
    return kept, left_out

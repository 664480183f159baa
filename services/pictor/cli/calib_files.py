"""Frames and masters that lie in files, as the rules of the library see them."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from pictor.calibration_stacker.scaling import Evidence, decide_scale, values_of
from pictor.cli.client import CommandError
from pictor.contracts.frames import FrameState
from pictor.contracts.frames import FrameType as StoredType
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import luminance, read_cards, read_frame
from pictor.imaging.headers.describe import describe as describe_header
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.stacks import ADU, StackFacts, read_stack
from pictor.imaging.matching.frames import CameraMode, FrameType
from pictor.imaging.matching.rules import MasterFrame
from pictor.ingest.compute import describe
from pictor.state.frames import Frame

NOWHERE = UUID(int=0)
"""The observatory of frames that lie in a folder."""


@dataclass(frozen=True, slots=True)
class LocalFrame:
    """A frame in a file: where its pixels are, and what the gateway would have stored of it."""

    path: Path
    pixels: Path
    stored: Frame


def read_frame_file(path: Path, scratch: Path) -> LocalFrame:
    """Describe a file as ingest does; ``scratch`` takes the unpacked copy of a packed one."""
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        found: dict[str, Any] = describe(str(path), path.name, str(scratch))
    except ImagingError as error:
        raise CommandError(f"{path}: {error}") from error
    described, state = found["description"], path.stat()
    digest = sha256_of(path)
    stored = Frame(
        id=uuid5(NOWHERE, digest), observatory_id=NOWHERE, observatory="", rig_id=None, rig=None, sha256=digest,
        size=state.st_size, name=path.name, raw_key="", state=FrameState.REGISTERED, reason=None, message=None,
        received_at=datetime.fromtimestamp(state.st_mtime, UTC), uploaded_by=None, metadata={},
        frame_type=StoredType(described["frame_type"]), is_master=described["is_master"], filter=described["filter"],
        exposure_s=described["exposure_s"], target=described["target_name"], start_utc=_moment(described["start_utc"]),
        night=None, camera_mode=None, description=described, cards=found["cards"], statistics=found["statistics"],
        geometry=found["geometry"], observation=None, warnings=found["warnings"],
    )  # fmt: skip
    return LocalFrame(path, Path(found["converted"] or path), stored)


def as_kind(frame: LocalFrame, kind: str) -> LocalFrame:
    """Take a frame for what the command says it is, unless its header says otherwise."""
    told = str(frame.stored.frame_type)
    darks = {str(FrameType.DARK), str(FrameType.FLAT_DARK)}
    if told not in {kind, "unknown"} and not {told, kind} <= darks:
        raise CommandError(f"{frame.path.name} says it is a {told}, not a {kind}")
    return replace(frame, stored=replace(frame.stored, frame_type=StoredType(kind)))


def read_master_file(path: Path) -> MasterFrame:
    """Read what the header of a master tells the rules; a bias or dark that is not in ADU is refused."""
    written = read_cards(path, prescan_file(path))
    found = describe_header(written, name=path.name)
    cards = {card.keyword: card.value for card in reversed(written)}
    role = str(cards.get("CALROLE") or found.frame_type)
    if role not in set(FrameType) - {FrameType.LIGHT}:
        raise CommandError(f"{path.name} does not say what it is a master of; IMAGETYP must name bias, dark or flat")
    if role != FrameType.FLAT:
        _require_adu(path, read_stack(written), found)
    start = _moment(found.start_utc) or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    temperature = found.set_temp_c if found.set_temp_c is not None else found.ccd_temp_c
    return MasterFrame(
        master_id=path.name, frame_type=FrameType(role), mode=_mode(found), start_utc=start,
        frames=found.n_combined or 1, exposure_s=found.exposure_s, filter=found.filter,
        rotator_deg=found.rotator_deg, temp_c=temperature, holds_bias=not read_stack(written).bias_removed,
    )  # fmt: skip


def _require_adu(path: Path, facts: StackFacts, found: FrameDescription) -> None:
    """Refuse real numbers that are shares of a range, or of which nothing tells what they stand for."""
    if facts.unit in ADU or not facts.real_valued:
        return
    try:
        known = Evidence(facts, egain=found.egain, exposure_s=found.exposure_s)
        scale = decide_scale(values_of(luminance(read_frame(path).data)), known)
    except ImagingError as error:
        raise CommandError(f"{path.name}: {error}. Here it must be in ADU, with BUNIT = adu") from error
    if scale.adu_per_unit != 1.0:
        raise CommandError(
            f"{path.name} is not in ADU: {scale.sentence}. Write it as 16-bit whole numbers, or multiply it and say so "
            "by BUNIT = adu; the upload of masters does that by itself"
        )


def _mode(found: FrameDescription) -> CameraMode:
    values: dict[str, Any] = {
        name: getattr(found, name) for name in CameraMode.__dataclass_fields__ if name != "rig_id"
    }
    return CameraMode(rig_id=str(found.camera), **values)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_free(targets: Sequence[Path], *, overwrite: bool) -> None:
    """Refuse names that are taken before any work is done."""
    for target in targets:
        if not target.parent.is_dir():
            raise CommandError(f"there is no folder {target.parent}", 2)
        if target.exists() and not overwrite:
            raise CommandError(f"{target} exists; --overwrite replaces it", 2)


def put(made: Path, target: Path, *, overwrite: bool) -> None:
    """Give a finished file its name: whole or not at all, and over another file only when told."""
    if not overwrite:
        try:
            target.open("xb").close()
        except FileExistsError:
            raise CommandError(f"{target} exists; --overwrite replaces it", 2) from None
    try:
        made.replace(target)
    except OSError as error:
        if not overwrite:
            with suppress(OSError):
                target.unlink()
        raise CommandError(f"{target} cannot be written: {error.strerror}", 2) from error

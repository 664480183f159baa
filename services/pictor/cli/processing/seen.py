"""What is known of one file once it was read: what the sorting, the rules and the report ask."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from pictor.contracts.frames import FrameState
from pictor.contracts.frames import FrameType as StoredType
from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.rules import MasterFrame, MasterStatus
from pictor.runtime.library import frame_seen
from pictor.state.frames import Frame as StoredFrame

NOWHERE = UUID(int=0)
"""The observatory of frames that lie in a folder."""

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """One file that was read.

    Parameters
    ----------
    label
        Path below the folder.
    sha256
        Of the file, or of the member of an archive.
    description
        The header in Pictor's vocabulary.
    statistics
        What ingest measures of every frame.
    problems
        Sentences: what keeps it out.
    warnings
        Sentences about odd cards.
    master
        The master as the rules see it; None for single exposures.
    whole
        Whether the pixels are whole numbers.
    packed
        Whether it must be unpacked before its pixels are read.
    """

    label: str
    sha256: str
    description: Mapping[str, Any]
    statistics: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    master: MasterFrame | None = None
    whole: bool = True
    packed: bool = False

    @property
    def kind(self) -> str:
        """Frame type as the header tells it; a snapshot is a light."""
        told = str(self.description.get("frame_type") or "unknown")
        return "light" if told == "snapshot" else told

    @property
    def start(self) -> datetime:
        """Start of the exposure; the beginning of time where the header is silent."""
        told = self.description.get("start_utc")
        return datetime.fromisoformat(told) if told else NEVER

    @property
    def rig(self) -> str:
        """Telescope and camera, as the header names them."""
        return " / ".join(str(self.description[name]) for name in ("telescope", "camera") if self.description.get(name))

    @property
    def camera(self) -> str:
        """What the matching rules take for the rig."""
        return str(self.description.get("camera"))

    def stored(self) -> StoredFrame:
        """Give what the gateway would have stored."""
        described = dict(self.description)
        return StoredFrame(
            id=uuid5(NOWHERE, self.sha256), observatory_id=NOWHERE, observatory="", rig_id=None, rig=None,
            sha256=self.sha256, size=0, name=self.label, raw_key="", state=FrameState.REGISTERED, reason=None,
            message=None, received_at=self.start, uploaded_by=None, metadata={}, frame_type=StoredType(self.kind),
            is_master=bool(described.get("is_master")), filter=described.get("filter"),
            exposure_s=described.get("exposure_s"), target=described.get("target_name"), start_utc=self.start,
            night=None, camera_mode=None, description=described, cards=[], statistics=dict(self.statistics),
            geometry={"bitpix": 16 if self.whole else -32}, observation=None, warnings=[],
        )  # fmt: skip

    def frame(self) -> Frame:
        """Give it as the matching rules see it, named by its label."""
        return replace(frame_seen(self.stored()), frame_id=self.label)


def seen_of(label: str, told: Mapping[str, Any]) -> Seen:
    """Take over what the survey of a file told."""
    return Seen(
        label, told["sha256"], told["description"], told["statistics"], tuple(told["problems"]),
        tuple(told["warnings"]), None if told["master"] is None else master_of(told["master"]),
        whole=told["whole"], packed=told["packed"],
    )  # fmt: skip


def master_of(told: Mapping[str, Any]) -> MasterFrame:
    """Take over a master written by `told_of_master`."""
    times = {name: None if told[name] is None else datetime.fromisoformat(told[name]) for name in _TIMES}
    kinds = {"frame_type": FrameType(told["frame_type"]), "status": MasterStatus(told["status"])}
    mode = CameraMode(**told["mode"])
    return MasterFrame(**{**told, **kinds, **times, "mode": mode})


def told_of_master(master: MasterFrame) -> dict[str, Any]:
    """Write a master as JSON values."""
    times = {name: None if (at := getattr(master, name)) is None else at.isoformat() for name in _TIMES}
    kinds = {"frame_type": str(master.frame_type), "status": str(master.status)}
    return {**asdict(master), **kinds, **times}


_TIMES = ("start_utc", "first_utc", "last_utc")

"""Needs and groups as the API shows them."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Self

from pydantic import BaseModel, Field

from pictor.gateway.views import View
from pictor.imaging.matching.coverage import Aging, Coverage, Need, Waiting
from pictor.imaging.matching.frames import CameraMode
from pictor.runtime.stacking.decide import DEFERRED
from pictor.state.observatories import Rig

DAY_S = 86_400


class Rigs:
    """The rigs of an observatory by id; frames that came without one go by the name of their camera."""

    def __init__(self, rigs: Iterable[Rig]) -> None:
        self._known = {str(rig.id): rig for rig in rigs}

    def names(self, rig_id: str) -> tuple[str | None, str | None]:
        """Return the names of a rig and its camera."""
        rig = self._known.get(rig_id)
        return (rig.name, rig.camera) if rig else (None, rig_id)


class ModeView(View):
    """A camera mode: what must be equal for two frames to show the same detector."""

    rig_id: str
    rig: str | None
    camera: str | None
    width: int | None
    height: int | None
    binning_x: int | None
    binning_y: int | None
    gain_setting: float | None
    offset_setting: float | None
    readout_mode: str | None
    bayer: str | None
    roi_x: float | None
    roi_y: float | None

    @classmethod
    def of(cls, mode: CameraMode, rigs: Rigs) -> Self:
        """Show a camera mode under the names of its rig."""
        rig, camera = rigs.names(mode.rig_id)
        known = {name: getattr(mode, name) for name in CameraMode.__dataclass_fields__}
        return cls(**known, rig=rig, camera=camera)


class InHandView(View):
    """Individual frames of one temperature cluster."""

    temp_c: float | None
    exposure_s: float | None
    frames: int
    unused: int = Field(description="In no active master")
    refused: int = Field(description="More that are never stacked; each frame tells why")
    fits: bool = Field(description="Whether their master would match")


class MissView(BaseModel):
    """The master that comes nearest, and what it fails."""

    master_id: str
    failed: list[str] = Field(description="Names of the rules")
    reason: str


class NeedView(BaseModel):
    """One kind of master that lights or their flats ask for."""

    need_id: str
    kind: str
    coverage: Coverage
    reason: str
    message: str | None = Field(description="The sentence of a deferred flat")
    mode: ModeView
    exposure_s: float | None = Field(description="For flats that of the newest of the filter, if any")
    filter: str | None
    rotator_deg: float | None
    temp_c: float | None
    lights: int
    nights: int
    first_night: date | None
    last_night: date | None
    waiting_lights: int = Field(description="Lights without this master")
    waiting_nights: int
    minimum: int = Field(description="Frames a master needs")
    have: int = Field(description="Frames in hand of the cluster that would match")
    missing: int
    in_hand: list[InHandView]
    master_id: str | None
    master_taken_at: datetime | None
    master_frames: int | None
    age_days: float | None
    expires_at: datetime | None
    nearest_miss: MissView | None
    stand_in: str | None = Field(description="A master bias in place of a missing dark")
    blocks: list[str] = Field(description="Needs that wait for this one")
    waits_for: list[str]

    @classmethod
    def of(cls, need: Need, rigs: Rigs) -> Self:
        """Show a need."""
        same = ("need_id", "coverage", "reason", "exposure_s", "filter", "rotator_deg", "temp_c", "lights", "minimum",
                "waiting_lights", "waiting_nights", "have", "missing", "expires_at", "stand_in")  # fmt: skip
        master = need.master
        return cls(
            **{name: getattr(need, name) for name in same},
            kind=str(need.kind), mode=ModeView.of(need.mode, rigs), message=DEFERRED if need.deferred else None,
            nights=len(need.nights), first_night=need.nights[0] if need.nights else None,
            last_night=need.nights[-1] if need.nights else None,
            in_hand=[InHandView.model_validate(one) for one in need.in_hand],
            master_id=master.master_id if master else None, master_taken_at=master.start_utc if master else None,
            master_frames=master.frames if master else None,
            age_days=None if need.age is None else round(need.age.total_seconds() / DAY_S, 2),
            nearest_miss=_miss(need), blocks=list(need.blocks), waits_for=list(need.waits_for),
        )  # fmt: skip


def _miss(need: Need) -> MissView | None:
    if need.nearest is None:
        return None
    failures = need.nearest.failures
    return MissView(
        master_id=need.nearest.master.master_id, failed=[rule.name for rule in failures],
        reason="; ".join(rule.sentence for rule in failures),
    )  # fmt: skip


class WaitingView(BaseModel):
    """Individual frames without a master."""

    group_key: str = Field(description="Name to ask for a stack under")
    kind: str
    mode: ModeView
    exposure_s: float | None
    filter: str | None
    rotator_deg: float | None
    temp_c: float | None
    have: int
    minimum: int
    missing: int
    refused: int
    newest_utc: datetime
    deferred: bool
    message: str = Field(description="Why there is no master yet")
    waits_for: list[str] = Field(description="Needs of the darks it waits for")

    @classmethod
    def of(cls, one: Waiting, name: str, rigs: Rigs) -> Self:
        """Show a group under way."""
        return cls(
            group_key=name, kind=str(one.key.frame_type), mode=ModeView.of(one.key.mode, rigs),
            exposure_s=one.exposure_s if one.key.exposure_s is None else one.key.exposure_s, filter=one.key.filter,
            rotator_deg=one.key.rotator_deg, temp_c=one.key.temp_c, have=one.frames, minimum=one.minimum,
            missing=max(0, one.minimum - one.frames), refused=one.refused, newest_utc=one.newest_utc,
            deferred=one.deferred,
            message=DEFERRED if one.deferred else _progress(one),
            waits_for=list(one.waits_for),
        )  # fmt: skip


def _progress(one: Waiting) -> str:
    told = f"{one.frames} of {one.minimum} frames"
    return f"{told}, {one.refused} refused, each for its reason" if one.refused else told


class AgingView(BaseModel):
    """An active master that is worth renewing, whether or not recent lights ask for it."""

    master_id: str
    kind: str
    coverage: Coverage = Field(description="expiring or expired-in-use")
    mode: ModeView
    exposure_s: float | None
    filter: str | None
    rotator_deg: float | None
    temp_c: float | None
    age_days: float = Field(description="Since the newest of its frames")
    expires_at: datetime

    @classmethod
    def of(cls, one: Aging, rigs: Rigs) -> Self:
        """Show a master that ages."""
        master = one.master
        return cls(
            master_id=master.master_id, kind=str(master.frame_type), coverage=one.coverage,
            mode=ModeView.of(master.mode, rigs), exposure_s=master.exposure_s, filter=master.filter,
            rotator_deg=master.rotator_deg, temp_c=master.temp_c, age_days=round(one.age.total_seconds() / DAY_S, 2),
            expires_at=one.expires_at,
        )  # fmt: skip

"""The detector diary: read noise, gain, dark current, hot pixels and bias level over time, by rig and camera mode."""

from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import Parameter
from pydantic import Field

from pictor.contracts.access import Role, Scope
from pictor.gateway.auth import require
from pictor.gateway.observatories import own_observatory
from pictor.gateway.paging import aware
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.state import diary
from pictor.state.diary import DatedReading, RejectedMaster

READ = [require(Scope.CALIBRATION_READ, role=Role.MEMBER)]


class ReadingKind(StrEnum):
    """What a master measures of its camera."""

    READ_NOISE = "read-noise"
    GAIN = "gain"
    DARK_CURRENT = "dark-current"
    HOT_PIXELS = "hot-pixels"
    BIAS_LEVEL = "bias-level"


class DiaryReading(View):
    """One reading and the master it comes from."""

    taken_at: datetime
    value: float
    temp_c: float | None
    exposure_s: float | None
    master_id: UUID
    superseded: bool


MEASURED_BY = {
    ReadingKind.READ_NOISE: ("bias",), ReadingKind.BIAS_LEVEL: ("bias",), ReadingKind.GAIN: ("flat",),
    ReadingKind.DARK_CURRENT: ("dark", "flat-dark"), ReadingKind.HOT_PIXELS: ("dark", "flat-dark"),
}  # fmt: skip
"""Types of the masters that measure each kind."""


class DiaryGap(View):
    """A master that would have given a reading, and why it did not."""

    id: UUID = Field(description="The master")
    taken_at: datetime
    state: str = Field(description="rejected or needs-review")
    reasons: list[str]


class DiarySeries(View):
    """The readings of one kind of one rig and camera mode, in order of time."""

    kind: ReadingKind
    unit: str
    rig_id: UUID | None
    rig: str | None
    camera_name: str | None
    camera_mode: str
    gain_setting: float | None
    offset_setting: float | None = Field(description="Null once retention deleted all of its masters")
    binning_x: int | None
    readings: list[DiaryReading]
    gaps: list[DiaryGap] = Field(description="Masters that were rejected or wait for review: a line breaks there")


class Diary(View):
    """What the frames already taken tell about the cameras of an observatory."""

    series: list[DiarySeries] = Field(description="At most 5000 readings in all, the newest")


@get("/calibration/diary/{observatory_id:uuid}", guards=READ, summary="Detector diary")
async def read_diary(
    runtime: RuntimeDep, caller: Caller, observatory_id: UUID, *,
    rig_id: UUID | None = None, kind: ReadingKind | None = None,
    since: Annotated[datetime | None, Parameter(description="Readings taken from then on")] = None,
) -> Diary:  # fmt: skip
    """Return read noise, gain, dark current, hot pixels and bias level over time, from the masters that were used."""
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id)
        found = await diary.readings(
            db, observatory_id, rig_id=rig_id, kind=None if kind is None else str(kind), since=aware("since", since)
        )  # fmt: skip
        refused = await diary.rejected(db, observatory_id, rig_id=rig_id, since=aware("since", since))
    parts = groupby(found, key=lambda one: (one.rig_id, one.camera_mode, one.kind, one.unit))
    return Diary(series=[_series(list(part), refused) for _, part in parts])


def _series(part: list[DatedReading], refused: list[RejectedMaster]) -> DiarySeries:
    first = part[0]
    gaps = [
        one for one in refused
        if (one.rig_id, one.camera_mode) == (first.rig_id, first.camera_mode)
        and one.frame_type in MEASURED_BY[ReadingKind(first.kind)]
    ]  # fmt: skip
    return DiarySeries(
        kind=ReadingKind(first.kind), unit=first.unit, rig_id=first.rig_id, rig=first.rig,
        camera_name=first.camera_name, camera_mode=first.camera_mode, gain_setting=first.gain_setting,
        offset_setting=next((one.offset_setting for one in part if one.offset_setting is not None), None),
        binning_x=first.binning_x, readings=[DiaryReading.model_validate(one) for one in part],
        gaps=[DiaryGap.model_validate(one) for one in gaps],
    )  # fmt: skip

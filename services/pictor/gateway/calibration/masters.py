"""Masters by hand: ask for a stack, decide about a candidate, take back a bad one."""

import math
from typing import Annotated
from uuid import UUID

from litestar import post
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import CALIBRATION_TYPES, FrameType
from pictor.gateway import trail
from pictor.gateway.auth import changing, require
from pictor.gateway.bodies import body_of
from pictor.gateway.observatories import own_observatory
from pictor.gateway.problems import FieldError, Http, Problem
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.runtime.stacking import manual
from pictor.runtime.stacking.manual import Asked, NoSingleGroupError, NotStackedError, TooOftenError, Wanted
from pictor.state.asking import Configuration

WRITE = [require(Scope.CALIBRATION_WRITE, role=Role.OBSERVATORY_ADMIN)]
Name = Annotated[str | None, Field(min_length=1, max_length=200)]
Number = Annotated[float | None, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class CreateMaster(BaseModel):
    """Which group to stack now: its key, or enough of what its frames have in common."""

    model_config = ConfigDict(extra="forbid")

    observatory_id: UUID
    group_key: Name = None
    frame_type: FrameType | None = None
    camera_name: Name = None
    filter: Name = None
    exposure_s: Number = None
    gain_setting: Number = None
    offset_setting: Number = None
    binning_x: int | None = Field(default=None, ge=1, le=64)
    temp_c: Number = None
    force: bool = Field(default=False, description="Waives the threshold of frames, never the missing dark")

    @model_validator(mode="after")
    def _says_which(self) -> "CreateMaster":
        if self.group_key is None and self.frame_type is None:
            raise ValueError("name the group by group_key, or at least by frame_type")
        if self.frame_type is not None and self.frame_type not in CALIBRATION_TYPES:
            raise ValueError("frame_type is dark, flat, bias or flat-dark")
        return self

    def wanted(self) -> Wanted:
        """Return what is asked for as the decision takes it."""
        names = Configuration.__dataclass_fields__
        known = Configuration(**{name: getattr(self, name) for name in names})
        return Wanted(self.group_key, known, force=self.force)


class MasterAsked(BaseModel):
    """The stack that is under way now."""

    job_id: UUID
    group_key: str
    frames: int
    message: str
    already_open: bool = Field(description="True when a stack of this group was under way; no second one was made")


@post(
    "/calibration/masters/create",
    guards=WRITE,
    opt={"body": CreateMaster},
    status_code=202,
    summary="Create a master",
)
async def create_master(request: Http, runtime: RuntimeDep, caller: Caller) -> MasterAsked:
    """Stack one group now; below the threshold only with ``force``, and a flat never without its dark."""
    wanted = await body_of(request, CreateMaster)
    async with changing(runtime, caller) as db:
        await own_observatory(db, caller, wanted.observatory_id, role=Role.OBSERVATORY_ADMIN)
        try:
            asked = await manual.ask(db, wanted.observatory_id, wanted.wanted(), owner=caller.actor)
        except NoSingleGroupError as error:
            raise _which(error) from error
        except TooOftenError as error:
            raise _too_often(error) from error
        if isinstance(asked, Asked) and not asked.already_open:
            await trail.record(
                db, request, caller, "calibration.create", asked.group_key, observatory_id=wanted.observatory_id,
                detail={"job": str(asked.job_id), "frames": asked.frames, "force": wanted.force},
            )  # fmt: skip
    await runtime.bus.publish(list(asked.outgoing))
    if isinstance(asked, NotStackedError):
        told = FieldError(field=asked.group_key, message=f"{asked.frames} usable frames")
        raise Problem("conflict", str(asked), errors=[told])
    return MasterAsked(
        job_id=asked.job_id, group_key=asked.group_key, frames=asked.frames, message=asked.message,
        already_open=asked.already_open,
    )  # fmt: skip


def _which(error: NoSingleGroupError) -> Problem:
    """Say that several groups are meant, or none; the groups and their keys are in ``errors``."""
    if error.matching:
        detail = f"{len(error.matching)} groups match; name one of them by its group_key."
        groups = [FieldError(field=one.group_key, message=f"{one.told}: {one.frames} frames") for one in error.matching]
        return Problem("conflict", detail, errors=groups)
    groups = [FieldError(field=one.group_key, message=f"{one.frames} frames: {one.told}") for one in error.others]
    return Problem("not-found", "No group of individual frames matches; errors lists those there are.", errors=groups)


def _too_often(error: TooOftenError) -> Problem:
    wait = max(1, math.ceil(error.wait_s))
    detail = f"An observatory may ask for {manual.PER_HOUR} stacks per hour by hand; the next one in {wait} s."
    return Problem("too-many-requests", detail, headers={"Retry-After": str(wait)})

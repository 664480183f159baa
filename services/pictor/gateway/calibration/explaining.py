"""Why a light gets its masters and no others: every candidate, every rule."""

import asyncio
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import Parameter
from pydantic import BaseModel, Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.frames import FrameType
from pictor.gateway.auth import permit, require
from pictor.gateway.calibration.settings import policy_of
from pictor.gateway.frames import own_frame
from pictor.gateway.views import SupersededUse, View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.imaging.matching.explaining import Explanation, Verdict, explain
from pictor.runtime.filters import set_key
from pictor.runtime.library import calibrated_before, frame_seen, master_seen
from pictor.runtime.stacking.succession import superseded_for
from pictor.state import light_sets, needs
from pictor.state.database import Connection
from pictor.state.frames import Frame
from pictor.state.light_sets import LightSet
from pictor.state.masters import Master

READ = [require(Scope.CALIBRATION_READ, role=Role.MEMBER)]

Shown = Annotated[int, Parameter(ge=1, le=500, description="Candidates told per place, the nearest first")]

NO_MASTERS = "A {kind} is calibrated with nothing: it is what masters are made of."
DONE_BEFORE = "No masters are applied: {done}."
NO_TYPE = "The header does not say whether this is a light, dark, flat or bias; nothing is chosen for it."
SNAPSHOT = "A snapshot is not calibrated; only lights are."
UNREAD = "The frame is not registered yet; nothing is known of its camera mode."

OTHERS = {FrameType.UNKNOWN: NO_TYPE, FrameType.SNAPSHOT: SNAPSHOT}


class RuleView(View):
    """One rule between the frame and a master."""

    name: str
    passed: bool
    weak: bool = Field(description="Passed only because the frame does not state the value")
    wanted: float | str | None = Field(description="Value of the frame")
    found: float | str | None = Field(description="Value of the master")
    tolerance: float | None
    sentence: str


class ChangeView(View):
    """A setting, as it is and as it would have to be."""

    setting: str
    now: float | int | str
    needed: float | int | str


class CandidateView(BaseModel):
    """One master against the frame."""

    master_id: str
    frame_type: str
    status: str
    taken_at: datetime
    frames: int
    matches: bool
    chosen: bool
    expired: bool = Field(description="Farther from the frame in time than the policy's largest age")
    weak: list[str]
    failed: list[str] = Field(description="Names of the rules it fails")
    rules: list[RuleView]
    changes: list[ChangeView] | None = Field(description="Settings that would make it match; null where none would")


class PlaceView(BaseModel):
    """One place of the frame: dark, flat, bias; of a flat: its dark."""

    place: str
    sentence: str
    master_id: str | None
    pinned_id: str | None = Field(description="What the set of this night, target and filter holds")
    candidates: list[CandidateView] = Field(description="The chosen one first, then by rank, then the nearest misses")
    candidates_total: int


class ExplanationView(BaseModel):
    """Why a frame gets its masters."""

    frame_id: UUID
    frame_type: str | None
    sentence: str
    reference_utc: datetime | None = Field(description="The time masters are chosen for: that of the set, if any")
    places: list[PlaceView]
    superseded: list[SupersededUse] = Field(
        default=[], description="Masters it was measured with that were superseded since"
    )


@get("/frames/{frame_id:uuid}/calibration/explain", guards=READ, summary="Explain a light's masters")
async def explain_frame(
    runtime: RuntimeDep, caller: Caller, frame_id: UUID, *, candidates: Shown = 20
) -> ExplanationView:  # fmt: skip
    """Return every candidate master with every rule, both values and the tolerance, the nearest miss first."""
    async with runtime.pool.acquire() as db:
        frame = await own_frame(db, caller, frame_id)
        permit(caller, Role.MEMBER, frame.observatory_id)
        return await explanation_of(db, frame, shown=candidates)


async def explanation_of(db: Connection, frame: Frame, *, shown: int) -> ExplanationView:
    """Explain every place of a frame, with so many candidates of each."""
    if frame.frame_type is None or frame.camera_mode is None:
        return _nothing(frame, UNREAD)
    if frame.frame_type in OTHERS:
        return _nothing(frame, OTHERS[frame.frame_type])
    done = calibrated_before(frame)
    if done is not None:
        return _nothing(frame, DONE_BEFORE.format(done=done))
    policy = await policy_of(db, frame.observatory_id)
    library = [one for one in await needs.masters(db, frame.observatory_id) if _related(one, frame)]
    key = await set_key(db, frame, policy)
    pinned = None if key is None else await light_sets.of_lights(db, key)
    seen = frame_seen(frame)
    at = pinned.reference_utc if pinned else seen.start_utc
    found = await asyncio.to_thread(
        explain, seen, [master_seen(master) for master in library], policy, at=at, shown=shown
    )
    if not found:
        return _nothing(frame, NO_MASTERS.format(kind=frame.frame_type))
    return ExplanationView(
        frame_id=frame.id, frame_type=frame.frame_type, reference_utc=at,
        sentence="; ".join(f"{one.place}: {one.sentence}" for one in found),
        places=[_place(one, pinned, shown) for one in found],
        superseded=[SupersededUse.model_validate(one) for one in await superseded_for(db, frame)],
    )  # fmt: skip


def _related(master: Master, frame: Frame) -> bool:
    """Tell whether a master is of the frame's rig, whatever the settings: a miss wants an explanation."""
    return master.camera_mode == frame.camera_mode or master.rig_id == frame.rig_id


def _nothing(frame: Frame, why: str) -> ExplanationView:
    return ExplanationView(
        frame_id=frame.id, frame_type=frame.frame_type, sentence=why, reference_utc=None, places=[]
    )  # fmt: skip


def _place(one: Explanation, pinned: LightSet | None, shown: int) -> PlaceView:
    held = pinned.masters.get(str(one.place)) if pinned else None
    chosen = one.selection.master.master_id if one.selection.master else None
    return PlaceView(
        place=str(one.place), sentence=one.sentence, master_id=chosen, pinned_id=str(held) if held else None,
        candidates=[_candidate(verdict, chosen) for verdict in one.verdicts[:shown]],
        candidates_total=len(one.selection.candidates),
    )  # fmt: skip


def _candidate(verdict: Verdict, chosen: str | None) -> CandidateView:
    one, master = verdict.candidate, verdict.candidate.master
    changes = None if verdict.changes is None else [ChangeView.model_validate(change) for change in verdict.changes]
    return CandidateView(
        master_id=master.master_id, frame_type=str(master.frame_type), status=str(master.status),
        taken_at=master.start_utc, frames=master.frames, matches=one.matches, chosen=master.master_id == chosen,
        expired=one.expired, weak=list(one.weak), failed=[rule.name for rule in one.failures],
        rules=[RuleView.model_validate(rule) for rule in one.rules], changes=changes,
    )  # fmt: skip

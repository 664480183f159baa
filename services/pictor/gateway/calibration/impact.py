"""What the deletion of a master or an individual frame would take along."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from litestar import get
from pydantic import Field

from pictor.contracts.access import Role, Scope
from pictor.contracts.masters import MasterState
from pictor.gateway.auth import require
from pictor.gateway.calibration.library import own_entry
from pictor.gateway.calibration.losses import Loss, losses_of, merged, sentence_of, waiting_flats
from pictor.gateway.calibration.settings import policy_of
from pictor.gateway.problems import not_found
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.imaging.matching.frames import Frame, FrameType
from pictor.imaging.matching.grouping import FrameGroup, group_frames
from pictor.imaging.matching.policy import Policy
from pictor.runtime.library import master_seen
from pictor.runtime.stacking.decide import DEFERRED
from pictor.runtime.stacking.judging import frames_of
from pictor.runtime.stacking.library import group_name
from pictor.state import entries, groups, individuals, masters, removal
from pictor.state.calibrations import LibraryRow
from pictor.state.database import Connection
from pictor.state.groups import NamedGroup
from pictor.state.masters import Master
from pictor.state.removal import Weight

ADMIN = [require(Scope.CALIBRATION_WRITE, role=Role.OBSERVATORY_ADMIN)]
LOOK_BACK = timedelta(days=30)
NAMED = 50
"""Lines of lights that are named; the counts are of all."""

MAX_FRAMES = 1000
"""Newest frames of each kind that are grouped to see whether a group falls below its threshold."""


class GroupImpact(View):
    """A group that would have fewer frames than a master needs."""

    frame_type: FrameType
    filter: str | None
    exposure_s: float | None
    temp_c: float | None
    frames_before: int
    frames_after: int
    min_frames: int


class LightsLost(View):
    """Lights of the last 30 days, alike and of one night, that would lose the master or get another."""

    place: str
    effect: str = Field(description="uncalibrated or changed")
    lights: int
    night: date | None
    target: str | None
    filter: str | None
    exposure_s: float | None
    example_id: UUID = Field(description="One of the lights")
    instead_id: UUID | None = Field(description="The master they would get")
    sentence: str = ""


class FlatsDeferred(View):
    """Flats whose only matching dark goes."""

    group_key: str
    filter: str | None
    exposure_s: float | None
    temp_c: float | None
    frames: int
    has_active_master: bool = Field(description="Its active master stays; only a newer one would be deferred")
    sentence: str


class Impact(View):
    """What a deletion would do."""

    id: UUID
    is_master: bool
    name: str
    status: str
    rows: dict[str, int] = Field(description="Rows that go, by table")
    objects: int = Field(description="Stored objects that go")
    size: int = Field(description="Their bytes")
    calibrated_lights: int = Field(description="Cached calibrated lights among them; they are made anew when asked for")
    active_master: str | None = Field(description="The group whose active master goes; its predecessor stays replaced")
    lights_uncalibrated: int = Field(description="Lights of the last 30 days left without such a master")
    lights_changed: int = Field(description="Lights of the last 30 days that would get another master")
    lights: list[LightsLost] = Field(description="These lights, those of one night together; at most 50 lines")
    flats_deferred: list[FlatsDeferred] = Field(description="Groups of flats that have their dark from it alone")
    stacked_again: bool = Field(description="Enough frames stay for the group to be stacked again by itself")
    groups_below: list[GroupImpact]
    masters_made_of_it: list[UUID] = Field(description="They keep their pixels, and the name of the frame")
    warnings: list[str]


@get("/calibration/frames/{calibration_id:uuid}/impact", guards=ADMIN, summary="What a deletion would do")
async def read_impact(runtime: RuntimeDep, caller: Caller, calibration_id: UUID) -> Impact:
    """Tell what goes with a master or an individual frame, and what would be missing afterwards."""
    async with runtime.pool.acquire() as db:
        row = await own_entry(db, caller, calibration_id, role=Role.OBSERVATORY_ADMIN)
        policy = await policy_of(db, row.observatory_id)
        return await (_of_master if row.is_master else _of_frame)(db, row, policy)


async def _of_master(db: Connection, row: LibraryRow, policy: Policy) -> Impact:
    master = await masters.get(db, row.id)
    if master is None:
        raise not_found("calibration frame", row.id)
    active = master.state is MasterState.ACTIVE
    losses = await _losses(db, master, policy)
    note = await groups.note_of(db, master.observatory_id, master.group_key) if active else None
    again = note is not None and note.have >= policy.min_frames
    impact = _impact(row, await removal.weigh_master(db, row.id)).model_copy(update={
        "active_master": master.group_key if active else None,
        "lights_uncalibrated": sum(one.lights for one in losses if one.instead_id is None),
        "lights_changed": sum(one.lights for one in losses if one.instead_id is not None),
        "lights": [_named(one) for one in losses[:NAMED]],
        "flats_deferred": await _deferred(db, master, policy) if active else [], "stacked_again": again,
    })  # fmt: skip
    return impact.model_copy(update={"warnings": _warnings(impact)})


async def _losses(db: Connection, master: Master, policy: Policy) -> list[Loss]:
    if master.state not in {MasterState.ACTIVE, MasterState.SUPERSEDED}:
        return []
    since = datetime.now(UTC) - LOOK_BACK
    alike = await removal.recent_lights(db, master.observatory_id, master.camera_mode, since)
    library = await masters.usable(db, master.observatory_id, master.camera_mode)
    seen = [master_seen(one) for one in library if one.frame_type is master.frame_type]
    return merged(losses_of(alike, seen, str(master.id), policy))


def _named(one: Loss) -> LightsLost:
    return LightsLost.model_validate(one).model_copy(update={"sentence": sentence_of(one)})


async def _deferred(db: Connection, master: Master, policy: Policy) -> list[FlatsDeferred]:
    """Return the groups of flats that have their dark from this master alone."""
    if str(master.frame_type) == str(FrameType.FLAT):
        return []
    library = await masters.usable(db, master.observatory_id, master.camera_mode)
    active = [one for one in library if one.state is MasterState.ACTIVE]
    frames = await individuals.admitted(db, master.observatory_id, master.camera_mode, among="\n", most=MAX_FRAMES)
    flats = [one for one in frames if str(one.frame_type) == str(FrameType.FLAT)]
    mode = await individuals.mode_of(db, master.observatory_id, master.camera_mode)
    found = group_frames(frames_of(flats, mode), policy)
    waiting = waiting_flats(found, [master_seen(one) for one in active], str(master.id), policy)
    named: list[Master | NamedGroup] = [*library, *await groups.named_groups(db, master.observatory_id)]
    return [_flats(one, group_name(one, named, policy), active, policy) for one in waiting]


def _flats(group: FrameGroup, name: str, active: list[Master], policy: Policy) -> FlatsDeferred:
    key, count = group.key, len(group.frames)
    covered = any(one.group_key == name for one in active)
    what = " ".join(part for part in (key.filter or "", f"{group.frames[-1].exposure_s or 0:g} s") if part)
    short = "" if count >= policy.min_frames else f" of {policy.min_frames}"
    return FlatsDeferred(
        group_key=name, filter=key.filter, exposure_s=group.frames[-1].exposure_s, temp_c=key.temp_c, frames=count,
        has_active_master=covered,
        sentence=f"Flats {what} ({count}{short} frames): {'a newer master' if covered else 'their master'} would be "
        f"deferred. {DEFERRED}",
    )  # fmt: skip


async def _of_frame(db: Connection, row: LibraryRow, policy: Policy) -> Impact:
    below = await _below(db, row, policy)
    impact = _impact(row, await removal.weigh_frame(db, row.id)).model_copy(update={
        "groups_below": below, "masters_made_of_it": [one.id for one in await entries.masters_with(db, row.id)],
    })  # fmt: skip
    return impact.model_copy(update={"warnings": _warnings(impact)})


async def _below(db: Connection, row: LibraryRow, policy: Policy) -> list[GroupImpact]:
    """Group the admitted frames of the camera mode with and without one of them."""
    if row.camera_mode is None or row.not_stacked:
        return []
    alike = await individuals.admitted(db, row.observatory_id, row.camera_mode, among="\n", most=MAX_FRAMES)
    same = [one for one in alike if one.frame_type is row.frame_type]
    mode = await individuals.mode_of(db, row.observatory_id, row.camera_mode)
    return below(frames_of(same, mode), str(row.id), policy)


def below(frames: Sequence[Frame], gone: str, policy: Policy) -> list[GroupImpact]:
    """Return the groups that would fall below the threshold without a frame."""
    found = []
    rest = [frame for frame in frames if frame.frame_id != gone]
    for before in group_frames(frames, policy):
        members = {frame.frame_id for frame in before.frames}
        if gone not in members or len(members) < policy.min_frames:
            continue
        left = max(
            (len(members & {f.frame_id for f in after.frames}) for after in group_frames(rest, policy)), default=0
        )
        if left < policy.min_frames:
            key = before.key
            found.append(GroupImpact(
                frame_type=key.frame_type, filter=key.filter, exposure_s=key.exposure_s, temp_c=key.temp_c,
                frames_before=len(members), frames_after=left, min_frames=policy.min_frames,
            ))  # fmt: skip
    return found


def _impact(row: LibraryRow, weight: Weight) -> Impact:
    return Impact(
        id=row.id, is_master=row.is_master, name=row.name, status=row.status, rows=dict(weight.rows),
        objects=weight.objects, size=weight.size, calibrated_lights=weight.calibrated, active_master=None,
        lights_uncalibrated=0, lights_changed=0, lights=[], flats_deferred=[], stacked_again=False, groups_below=[],
        masters_made_of_it=[], warnings=[],
    )  # fmt: skip


def _warnings(impact: Impact) -> list[str]:
    """Say what a person should know before they delete."""
    told = []
    if impact.active_master is not None:
        told.append(
            "This is the active master of its group. Light frames that match it will no longer be calibrated with it; "
            "the master it replaced is not taken back into use."
        )
    if impact.lights_uncalibrated:
        told.append(f"{impact.lights_uncalibrated} light frames of the last 30 days would have no such master.")
    told += [one.sentence + "." for one in impact.flats_deferred]
    if impact.stacked_again:
        told.append("Its group still has enough frames: the next sweep stacks them again.")
    told += [
        f"Its group falls from {one.frames_before} to {one.frames_after} frames; a master needs {one.min_frames}."
        for one in impact.groups_below
    ]
    if impact.masters_made_of_it:
        told.append(f"{len(impact.masters_made_of_it)} masters were made of it; they keep their pixels and its name.")
    return told

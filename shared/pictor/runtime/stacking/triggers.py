"""Trigger, sweep and manual request call the same decision; one at a time per camera mode."""

from dataclasses import dataclass
from statistics import median
from uuid import UUID, uuid4

import structlog

from pictor.contracts.frames import FrameType as StoredType
from pictor.contracts.jobs import JobKind
from pictor.contracts.masters import MasterState, StackingDeferred
from pictor.contracts.modules import Lane, Module
from pictor.contracts.subjects import STACKING_DEFERRED
from pictor.contracts.work import WorkOrder
from pictor.imaging.combine.method import MAX_FRAMES
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.grouping import FrameGroup, group_frames
from pictor.imaging.matching.policy import Policy, as_facts
from pictor.imaging.matching.rules import MasterStatus
from pictor.imaging.matching.selection import dark_for_flats
from pictor.runtime.filters import policy_of
from pictor.runtime.library import master_seen
from pictor.runtime.outages import is_outage
from pictor.runtime.passing import give_first
from pictor.runtime.runtime import Runtime
from pictor.runtime.stacking.decide import Decision, Group, Outcome, decide
from pictor.runtime.stacking.judging import frames_of, judge_new, judge_together, newest
from pictor.runtime.stacking.library import facts_of, gone_into, group_name
from pictor.runtime.stacking.outliers import AMONG
from pictor.runtime.stacking.roles import roles_of
from pictor.state import groups, individuals, jobs, masters, observatories, outbox, premade, stacks
from pictor.state.database import Connection
from pictor.state.groups import NamedGroup, Note
from pictor.state.masters import Master
from pictor.state.outbox import Outgoing
from pictor.state.stacks import StackRequest

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shelf:
    """The groups of one camera mode by name, its masters, and the policy they are judged by."""

    observatory_id: UUID
    policy: Policy
    library: list[Master]
    groups: dict[str, FrameGroup]
    camera_mode: str = ""
    all_judged: bool = True


async def shelf_of(db: Connection, observatory_id: UUID, camera_mode: str) -> Shelf:
    """Judge the new frames of a camera mode whose library is locked, and read its groups."""
    policy = await policy_of(db, observatory_id)
    library = await masters.usable(db, observatory_id, camera_mode)
    fresh, all_judged = await judge_new(db, observatory_id, camera_mode, bias_level=level_below(library))
    alike = await individuals.admitted(db, observatory_id, camera_mode, among=AMONG, most=MAX_FRAMES)
    unlike = {name for one in alike if one.unlike for name in one.ids}
    seen = frames_of(alike, await individuals.mode_of(db, observatory_id, camera_mode))
    named = await groups.named_groups(db, observatory_id)
    known: list[Master | NamedGroup] = [*library, *named]
    found: dict[str, FrameGroup] = {}
    for every in group_frames(seen, policy):
        group = await judge_together(db, newest(every), fresh=fresh, unlike=unlike)
        if not group.frames:
            continue
        name = group_name(group, known, policy)
        known = [one for one in known if one.group_key != name]
        found[name] = group
    await groups.forget_notes(db, observatory_id, gone_into(found, named, policy))
    return Shelf(observatory_id, policy, library, found, camera_mode, all_judged)


def level_below(library: list[Master]) -> float | None:
    """Return the level flats stand on, in ADU: that of the active bias, else of the shortest active dark."""
    active = [one for one in library if one.state is MasterState.ACTIVE and one.statistics.get("levels_adu")]
    below = [one for one in active if one.frame_type is not StoredType.FLAT]
    first = min(
        below, key=lambda one: (one.frame_type is not StoredType.BIAS, one.facts.get("exposure_s") or 0.0), default=None
    )
    return None if first is None else float(median(first.statistics["levels_adu"]))


async def evaluate(runtime: Runtime, observatory_id: UUID, camera_mode: str, *, force: bool = False) -> int:
    """Decide about every group of a camera mode; return how many stacks were ordered."""
    async with runtime.pool.acquire() as db, db.transaction():
        await masters.lock_library(db, observatory_id, camera_mode)
        changed = await masters.changed_at(db, observatory_id, camera_mode)
        requested = await stacks.requested_groups(db, observatory_id)
        shelf = await shelf_of(db, observatory_id, camera_mode)
        outgoing: list[Outgoing] = []
        for name in shelf.groups:
            if name in requested:
                changed = None  # what came meanwhile is decided about once the stack has ended
                continue
            outgoing += await settle(db, shelf, name, force=force)
        if changed is not None and shelf.all_judged:
            await masters.decided(db, observatory_id, camera_mode, changed)
    await runtime.bus.publish(outgoing)
    return sum(message.module == Module.STACK for message in outgoing)


async def settle(
    db: Connection, shelf: Shelf, name: str, *, force: bool = False, owner: str | None = None
) -> list[Outgoing]:
    """Decide about one group, note it, and order its stack where it is due; ``owner`` is who asks by hand."""
    observatory_id, group, policy = shelf.observatory_id, shelf.groups[name], shelf.policy
    outcome, new = await _decide(db, observatory_id, name, group, library=shelf.library, policy=policy, force=force)
    before = await groups.note_of(db, observatory_id, name)
    roles = await roles_of(
        db, observatory_id, shelf.camera_mode, group, others=shelf.groups.values(), policy=policy
    )  # fmt: skip
    facts = {**facts_of(group.key), "new_frames": new, "roles": roles}
    note = Note(name, str(outcome.decision), outcome.reason, len(group.frames), policy.min_frames, facts)
    await groups.save_notes(db, observatory_id, [note])
    if outcome.decision is Decision.STACK:
        return await _order(db, observatory_id, name, group, policy=policy, force=force, owner=owner)
    if outcome.decision is Decision.DEFER and (before is None or before.decision != note.decision):
        log.warning(outcome.reason, group=name, observatory=str(observatory_id))
        return [await _deferred(db, observatory_id, name, group, outcome.reason)]
    return []


async def _decide(
    db: Connection, observatory_id: UUID, name: str, group: FrameGroup, *,
    library: list[Master], policy: Policy, force: bool,
) -> tuple[Outcome, int]:  # fmt: skip
    active = next((m for m in library if m.group_key == name and m.state is MasterState.ACTIVE), None)
    ids = {UUID(frame.frame_id) for frame in group.frames}
    used = await masters.components(db, active.id) if active else set()
    if active is not None and active.origin == "upload":
        used = await premade.older(db, active.id, list(ids))
    seen = Group(
        frame_type=group.key.frame_type,
        usable_frames=len(ids),
        new_frames=len(ids - used),
        has_active_master=active is not None,
        has_matching_dark=dark_of(group, library, policy) is not None,
        doubtful=active is not None and await masters.dark_recalled(db, active),
    )
    outcome = decide(seen, min_frames=policy.min_frames, refresh_new_frames=policy.refresh_new_frames, force=force)
    if outcome.decision is Decision.STACK and not force:
        failed = await stacks.tried(db, observatory_id, name)
        if failed and ids <= failed:
            why = "the last master of these frames failed its gate or was recalled; ask for it by hand"
            return Outcome(Decision.KEEP, why), seen.new_frames
        if ids == await groups.failed_request(db, observatory_id, name):
            why = "the last stack of these frames failed or was cancelled; ask for it by hand"
            return Outcome(Decision.KEEP, why), seen.new_frames
    return outcome, seen.new_frames


def dark_of(group: FrameGroup, library: list[Master], policy: Policy) -> UUID | None:
    """Return the active master that takes the dark current out of a group of flats."""
    if group.key.frame_type is not FrameType.FLAT:
        return None
    active = [seen for master in library if (seen := master_seen(master)).status is MasterStatus.ACTIVE]
    found = dark_for_flats(group.frames[-1], active, policy)
    return UUID(found.master.master_id) if found.master else None


async def _order(
    db: Connection, observatory_id: UUID, name: str, group: FrameGroup, *,
    policy: Policy, force: bool, owner: str | None = None,
) -> list[Outgoing]:  # fmt: skip
    observatory = await observatories.get(db, observatory_id)
    if observatory is None:
        return []
    mixed = group.key.frame_type is FrameType.FLAT and len({frame.filter for frame in group.frames}) > 1
    job_id = uuid4()
    lane = Lane.HIGH if force or owner else Lane.LIVE
    await jobs.create(
        db, job_id, observatory_id, frame_id=None, kind=JobKind.STACK, lane=lane, owner=owner or "calibration-stacker"
    )
    wanted = StackRequest(
        job_id=job_id, observatory_id=observatory_id, group_key=name,
        frame_type=StoredType(str(group.key.frame_type)), frame_ids=tuple(UUID(f.frame_id) for f in group.frames),
        facts=facts_of(group.key), policy=as_facts(policy, mixed=mixed), force=force,
    )  # fmt: skip
    if not await stacks.request(db, wanted):
        await jobs.cancel(db, job_id)
        return []
    order = WorkOrder(
        observatory=observatory.slug, observatory_id=observatory_id, job_id=job_id, module=Module.STACK, lane=lane
    )
    return [await give_first(db, order)]


async def _deferred(db: Connection, observatory_id: UUID, name: str, group: FrameGroup, reason: str) -> Outgoing:
    observatory = await observatories.get(db, observatory_id)
    fact = StackingDeferred(
        observatory=observatory.slug if observatory else "unknown",
        frame_type=StoredType(str(group.key.frame_type)),
        group_key=name,
        reason=reason,
    )
    return await outbox.put(db, STACKING_DEFERRED, fact)


async def sweep(runtime: Runtime) -> int:
    """Decide about every camera mode in which something changed, wherever; return how many stacks were ordered.

    A mode that cannot be decided about keeps no other waiting; its error is raised once all had their turn.
    """
    async with runtime.pool.acquire() as db:
        modes = await masters.due_modes(db)
    ordered, failure = 0, None
    for observatory_id, mode in modes:
        try:
            ordered += await evaluate(runtime, observatory_id, mode)
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("camera mode not decided about", observatory=str(observatory_id), mode=mode)
            failure = error
    if failure is not None:
        raise failure
    return ordered

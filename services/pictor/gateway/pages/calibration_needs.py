"""The tab of needs: what lights lack, what is on its way, and what to shoot tonight."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pictor.gateway.pages.calibration_coverage import coverage
from pictor.gateway.pages.calibration_groups import Waiting, camera_of, mode_of, what_of
from pictor.gateway.pages.calibration_tabs import Wanted, groups_of, rig_names
from pictor.imaging.matching.coverage import Aging, Assessment, Coverage, Need
from pictor.imaging.matching.plan import PlanItem, plan
from pictor.runtime.runtime import Runtime
from pictor.runtime.stacking.needs import Situation, assessment, situation
from pictor.state import shelves

WORDS = {
    Coverage.UNCOVERED: ("missing", "uncovered"),
    Coverage.EXPIRED: ("expired", "expired, still used"),
    Coverage.EXPIRING: ("expiring", "expires soon"),
    Coverage.WEAK: ("weak", "covered, weak match"),
    Coverage.COVERED: ("active", "covered"),
}
"""The colour and the words of each coverage."""

OPEN = (Coverage.UNCOVERED, Coverage.EXPIRED, Coverage.EXPIRING)


@dataclass(frozen=True, slots=True)
class NeedLine:
    """One need as the page shows it."""

    kind: str
    camera: str
    mode: str
    what: str
    word: str
    text: str
    lights: int
    nights: int
    waiting: int
    have: int
    minimum: int
    missing: int
    reason: str
    remedy: str
    others: str
    master_id: str | None
    refused: int


@dataclass(frozen=True, slots=True)
class AgingLine:
    """An active master that is expired or will be soon, whether or not lights ask for it."""

    master_id: str
    kind: str
    camera: str
    mode: str
    what: str
    word: str
    text: str
    days: float
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One item of the capture plan."""

    item: PlanItem
    camera: str


async def look(runtime: Runtime, observatory_id: UUID) -> tuple[Situation, Assessment]:
    """Look at an observatory and find out what it needs."""
    async with runtime.pool.acquire() as db:
        seen = await situation(db, observatory_id, now=datetime.now(UTC))
    return seen, await assessment(seen)


async def read_needs(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read what lights of the last days need, which groups are blocked, and the capture plan."""
    del wanted
    _, found = await look(runtime, observatory_id)
    async with runtime.pool.acquire() as db:
        names = await rig_names(db, observatory_id)
        groups = await groups_of(db, observatory_id)
    lines = [need_line(need, names) for need in found.needs]
    return {
        "open": [line for need, line in zip(found.needs, lines, strict=True) if need.coverage in OPEN],
        "covered": [line for need, line in zip(found.needs, lines, strict=True) if need.coverage not in OPEN],
        "groups": [group for group in groups if _under_way(group)],
        "aging": [aging_line(one, names) for one in found.aging],
        "plan": [PlanLine(item, names.get(item.rig_id, item.rig_id)) for item in plan(found.needs)],
    }


def _under_way(group: Waiting) -> bool:
    return group.blocked or group.decision == "accumulate"


def need_line(need: Need, rigs: Mapping[str, str]) -> NeedLine:
    """Write one need."""
    mode = asdict(need.mode)
    word, text = WORDS[need.coverage]
    return NeedLine(
        str(need.kind), camera_of(mode, rigs), mode_of(mode), what_of(facts_of(need)), word, text, need.lights,
        len(need.nights), need.waiting_lights, need.have, need.minimum, need.missing, need.reason, remedy_of(need),
        _others(need), None if need.master is None else need.master.master_id,
        sum(one.refused for one in need.in_hand if one.fits),
    )  # fmt: skip


def aging_line(one: Aging, rigs: Mapping[str, str]) -> AgingLine:
    """Write one expiry warning."""
    master, mode = one.master, asdict(one.master.mode)
    facts = {"exposure_s": master.exposure_s, "filter": master.filter, "rotator_deg": master.rotator_deg,
             "temp_c": master.temp_c}  # fmt: skip
    word, text = WORDS[one.coverage]
    return AgingLine(
        master.master_id, str(master.frame_type), camera_of(mode, rigs), mode_of(mode), what_of(facts), word, text,
        one.age / timedelta(days=1), one.expires_at,
    )  # fmt: skip


def _others(need: Need) -> str:
    """Tell the frames in hand whose temperature does not fit."""
    known = [one for one in need.in_hand if not one.fits and one.temp_c is not None]
    return ", ".join(f"{one.frames} at {one.temp_c:g} °C" for one in known)


def facts_of(need: Need) -> dict[str, Any]:
    """Return what sets a need apart, in the words of a group's facts."""
    return {
        "mode": asdict(need.mode), "frame_type": str(need.kind), "exposure_s": need.exposure_s, "filter": need.filter,
        "rotator_deg": need.rotator_deg, "temp_c": need.temp_c, "reason": need.reason,
    }  # fmt: skip


def remedy_of(need: Need) -> str:
    """Say what would help."""
    if need.coverage not in OPEN:
        return ""
    kind = f"{need.kind} frames"
    if need.deferred:
        return f"Take the dark these flats wait for; the {need.have} {kind} are stacked by themselves then."
    if need.missing == 0:
        return "Enough frames are there; the stack is made by itself, or fails with a reason under stacking jobs."
    if need.kind == "flat" and need.waits_for:
        return f"Take {need.missing} {kind}, and the dark of their exposure first."
    return f"Take {need.missing} {kind} like this."


def missing_of(found: Assessment) -> list[dict[str, Any]]:
    """Return the facts of what lights need and no master covers."""
    return [facts_of(need) for need in found.needs if need.coverage is Coverage.UNCOVERED]


async def read_coverage(runtime: Runtime, observatory_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """Read which camera modes have which masters, and which their lights lack."""
    del wanted
    seen, found = await look(runtime, observatory_id)
    async with runtime.pool.acquire() as db:
        masters = await shelves.active_masters(db, observatory_id)
        notes = await shelves.notes(db, observatory_id)
        names = await rig_names(db, observatory_id)
    return {"tables": coverage(masters, notes, seen.policy, names, missing_of(found))}

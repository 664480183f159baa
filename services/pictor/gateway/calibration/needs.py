"""What the calibration library is short of, what to shoot tonight, and what another policy would change."""

from dataclasses import asdict
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import Parameter
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import Role, Scope
from pictor.gateway import trail
from pictor.gateway.auth import changing, require
from pictor.gateway.bodies import body_of
from pictor.gateway.calibration.needed import AgingView, NeedView, Rigs, WaitingView
from pictor.gateway.calibration.settings import Value, checked, known_rigs
from pictor.gateway.files import disposition
from pictor.gateway.observatories import own_observatory
from pictor.gateway.problems import Http
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.imaging.matching.dryrun import DryRun, Effect, Effected
from pictor.imaging.matching.plan import PlanItem, as_csv, plan
from pictor.runtime.filters import told
from pictor.runtime.stacking import needs
from pictor.runtime.stacking.needs import WINDOW_DAYS
from pictor.state import observatories

READ = [require(Scope.CALIBRATION_READ, role=Role.MEMBER)]
ADMIN = [require(Scope.CALIBRATION_READ, role=Role.OBSERVATORY_ADMIN)]

MAX_EFFECTS = 500
"""Groups of lights a dry run tells one by one; the counts are of all."""

Days = Annotated[int, Parameter(ge=1, le=3650, description="Lights of so many days count")]


class Needs(BaseModel):
    """What an observatory's lights ask for and what its library has of it."""

    observatory_id: UUID
    as_of: datetime
    window_days: int
    lights: int = Field(description="Lights of the window")
    coverage: dict[str, int] = Field(description="Needs by how well they are covered")
    needs: list[NeedView] = Field(description="By lights that wait, then nights, then age")
    groups: list[WaitingView] = Field(description="Frames without a master: deferred first, then the fullest")
    aging: list[AgingView] = Field(description="Active masters that expire soon or are expired, the oldest first")


class PlanFormat(StrEnum):
    """How a capture plan is written."""

    JSON = "json"
    CSV = "csv"


class PlanItemView(View):
    """Frames to take in one go."""

    kind: str
    count: int
    exposure_s: float | None = Field(description="Null where the program must find it: flats never taken before")
    gain_setting: float | None
    offset_setting: float | None
    binning: str | None
    readout_mode: str | None
    set_temp_c: float | None = Field(description="Null for a camera without set points")
    filter: str | None
    rotator_deg: float | None
    reason: str
    blocks: tuple[str, ...] = Field(description="Needs that wait for these frames")
    need_id: str
    rig_id: str
    waiting_lights: int
    waiting_nights: int
    width: int = Field(description="Binned pixels")
    height: int
    roi_x: int | None = Field(description="Where a subframe begins; null for the whole sensor")
    roi_y: int | None


class CapturePlan(BaseModel):
    """What to shoot, in this order."""

    observatory_id: UUID
    as_of: datetime
    window_days: int
    items: list[PlanItemView]


class SettingsTried(BaseModel):
    """Settings as they would be; what is not named has its default."""

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Value] = Field(max_length=100)
    days: int = Field(default=WINDOW_DAYS, ge=1, le=3650, description="Lights of so many days are tried")


class EffectView(BaseModel):
    """Lights of one night whose master for one place would be another."""

    effect: Effect
    place: str
    night: date
    lights: int
    rig_id: str
    gain_setting: float | None
    offset_setting: float | None
    exposure_s: float | None
    filter: str | None
    temp_c: float | None
    before: str | None = Field(description="The master now; null for none")
    after: str | None
    reason: str


class Tried(BaseModel):
    """What other settings would do; nothing was changed."""

    lights: int
    unchanged: int
    gaining: int
    losing: int
    changing: int
    effects: list[EffectView] = Field(description=f"Losses first, at most {MAX_EFFECTS}")
    effects_total: int


@get("/calibration/needs/{observatory_id:uuid}", guards=READ, summary="Calibration needs")
async def read_needs(
    runtime: RuntimeDep, caller: Caller, observatory_id: UUID, *, days: Days = WINDOW_DAYS
) -> Needs:  # fmt: skip
    """Return what recent lights ask for, how well it is covered, and what is missing."""
    now = datetime.now(UTC)
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id)
        seen = await needs.situation(db, observatory_id, now=now, days=days)
        rigs = Rigs(await observatories.rigs(db, [observatory_id]))
    found = await needs.assessment(seen)
    counts: dict[str, int] = {}
    for need in found.needs:
        counts[str(need.coverage)] = counts.get(str(need.coverage), 0) + 1
    return Needs(
        observatory_id=observatory_id, as_of=now, window_days=days, lights=sum(one.count for one in seen.lights),
        coverage=counts, needs=[NeedView.of(need, rigs) for need in found.needs],
        groups=[WaitingView.of(one, seen.names.of(one.key), rigs) for one in found.waiting],
        aging=[AgingView.of(one, rigs) for one in found.aging],
    )  # fmt: skip


@get("/calibration/plan/{observatory_id:uuid}", guards=READ, summary="Capture plan")
async def read_plan(
    runtime: RuntimeDep, caller: Caller, observatory_id: UUID, *,
    plan_format: Annotated[PlanFormat, Parameter(query="format")] = PlanFormat.JSON, days: Days = WINDOW_DAYS,
) -> Response[CapturePlan] | Response[str]:  # fmt: skip
    """Return the frames to take, in order: bias, dark, flat-dark, flat; as JSON or CSV."""
    now = datetime.now(UTC)
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id)
        seen = await needs.situation(db, observatory_id, now=now, days=days)
    items = plan((await needs.assessment(seen)).needs)
    if plan_format is PlanFormat.CSV:
        headers = {"Content-Disposition": disposition(f"capture-plan-{now:%Y-%m-%d}.csv")}
        return Response(as_csv(items), media_type="text/csv", headers=headers)
    return Response(
        CapturePlan(observatory_id=observatory_id, as_of=now, window_days=days, items=[_item(one) for one in items])
    )


def _item(one: PlanItem) -> PlanItemView:
    return PlanItemView.model_validate(one)


@post(
    "/observatories/{observatory_id:uuid}/calibration-settings/dry-run",
    guards=ADMIN,
    opt={"body": SettingsTried},
    status_code=200,
    summary="Try calibration settings",
)
async def try_settings(request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> Tried:
    """Tell which recent lights would gain, lose or change a master with other settings; change no setting."""
    wanted = await body_of(request, SettingsTried)
    async with changing(runtime, caller) as db:
        await own_observatory(db, caller, observatory_id, role=Role.OBSERVATORY_ADMIN)
        policy = checked(wanted.settings)
        await known_rigs(db, observatory_id, policy)
        tried = await told(db, observatory_id, policy)
        seen = await needs.situation(db, observatory_id, now=datetime.now(UTC), days=wanted.days, policy=tried)
        await trail.record(
            db, request, caller, "calibration.settings.try", str(observatory_id), observatory_id=observatory_id,
            detail=trail.difference(asdict(seen.policy), asdict(tried)),
        )  # fmt: skip
    return _tried(await needs.dry_run_of(seen, tried))


def _tried(found: DryRun) -> Tried:
    return Tried(
        lights=found.lights, unchanged=found.unchanged, gaining=found.count(Effect.GAINS),
        losing=found.count(Effect.LOSES), changing=found.count(Effect.CHANGES),
        effects=[_effect(one) for one in found.effects[:MAX_EFFECTS]], effects_total=len(found.effects),
    )  # fmt: skip


def _effect(one: Effected) -> EffectView:
    mode = one.lights.mode
    return EffectView(
        effect=one.effect, place=str(one.place), night=one.lights.nights[0], lights=one.lights.count,
        rig_id=mode.rig_id, gain_setting=mode.gain_setting, offset_setting=mode.offset_setting,
        exposure_s=one.lights.exposure_s, filter=one.lights.filter, temp_c=one.lights.temperature_c,
        before=one.before, after=one.after, reason=one.reason,
    )  # fmt: skip

"""Summary of the calibration library by camera and configuration."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from litestar import get
from pydantic import BaseModel, Field

from pictor.contracts.frames import FrameType
from pictor.gateway.calibration.library import READ
from pictor.gateway.calibration.settings import ages_of, policy_of
from pictor.gateway.observatories import own_observatory
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.imaging.matching.policy import Policy
from pictor.state import holdings
from pictor.state.holdings import Configuration, FrameCount, MasterCount

COLDEST = -1000.0


class ActiveMaster(View):
    """An active master of a configuration."""

    id: UUID
    group_key: str
    ncombine: int
    set_temp_c: float | None
    taken_at: datetime
    expires_at: datetime
    expired: bool


class ConfigurationView(View):
    """One camera and configuration: its masters in use, and its individual frames."""

    frame_type: FrameType
    camera_name: str | None
    filter: str | None
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning_x: int | None
    set_temp_c: float | None
    masters: list[ActiveMaster]
    individual_frames: int
    unmastered_frames: int = Field(description="Not part of an active master")
    not_admitted_frames: int = Field(description="Kept, but never stacked")
    newest_at: datetime | None = Field(description="When the newest individual frame was taken")


class RefusedView(View):
    """A reason that keeps frames out of stacks, and how many frames it keeps out."""

    reason: str = Field(description="The sentence without its numbers")
    frames: int
    example: str


class LibrarySummary(BaseModel):
    """How much an observatory's library holds."""

    masters: dict[str, int] = Field(description="Masters by state; expired ones are active as well")
    individual_frames: int
    unmastered_frames: int
    not_admitted_frames: int
    not_admitted: list[RefusedView]
    configurations: list[ConfigurationView]


@get("/calibration/summary/{observatory_id:uuid}", guards=READ, summary="Calibration summary")
async def read_summary(runtime: RuntimeDep, caller: Caller, observatory_id: UUID) -> LibrarySummary:
    """Count masters by state, and masters and individual frames by camera and configuration."""
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id)
        policy = await policy_of(db, observatory_id)
        states = await holdings.masters_by_state(db, observatory_id)
        active = await holdings.active_masters(db, observatory_id, ages_of(policy))
        counts = await holdings.frames_by_configuration(db, observatory_id)
        refused = await holdings.refused(db, observatory_id)
    return LibrarySummary(
        masters={**states, "expired": sum(one.expired for one in active)},
        individual_frames=sum(one.frames for one in counts),
        unmastered_frames=sum(one.unmastered for one in counts),
        not_admitted_frames=sum(one.not_admitted for one in counts),
        not_admitted=[RefusedView.model_validate(one) for one in refused],
        configurations=joined(counts, active, policy),
    )


def joined(counts: list[FrameCount], active: list[MasterCount], policy: Policy) -> list[ConfigurationView]:
    """Put each master to the frames of its configuration; the nearest in temperature, within the tolerance."""
    views = [_view(one.configuration, one) for one in counts]
    known: dict[Configuration, list[ConfigurationView]] = {}
    for count, view in zip(counts, views, strict=True):
        known.setdefault(_bare(count.configuration), []).append(view)
    for master in active:
        bare = _bare(master.configuration)
        alike = known.setdefault(bare, []) or _named_else(bare, known, policy)
        near = [view for view in alike if _apart(view, master) <= policy.temperature_tolerance_c]
        if not near:
            near = [_view(master.configuration, None)]
            alike += near
            views += near
        own = min(near, key=lambda view: _apart(view, master))
        own.masters.append(_shown(master))
    return sorted(views, key=_order)


def _named_else(
    wanted: Configuration, known: Mapping[Configuration, list[ConfigurationView]], policy: Policy
) -> list[ConfigurationView]:
    """Return the frames that name the filter of a master otherwise, where none name it as the master does."""
    for one, views in known.items():
        if views and replace(one, filter=wanted.filter) == wanted and policy.filters.same(one.filter, wanted.filter):
            return views
    return known[wanted]


def _bare(one: Configuration) -> Configuration:
    """Leave out the temperature, which only needs to be close, and what lies behind the point of the exposure."""
    return Configuration(
        one.frame_type, one.camera_name, one.filter, None if one.exposure_s is None else round(one.exposure_s, 2),
        one.gain_setting, one.offset_setting, one.binning_x, None,
    )  # fmt: skip


def _apart(view: ConfigurationView, master: MasterCount) -> float:
    one, two = view.set_temp_c, master.configuration.set_temp_c
    if one is None or two is None:
        return 0.0 if one is two else float("inf")
    return abs(one - two)


def _view(one: Configuration, count: FrameCount | None) -> ConfigurationView:
    named = {name: getattr(one, name) for name in Configuration.__dataclass_fields__}
    return ConfigurationView(
        **named, masters=[], individual_frames=count.frames if count else 0,
        unmastered_frames=count.unmastered if count else 0, not_admitted_frames=count.not_admitted if count else 0,
        newest_at=count.newest_at if count else None,
    )  # fmt: skip


def _shown(master: MasterCount) -> ActiveMaster:
    return ActiveMaster(
        id=master.id, group_key=master.group_key, ncombine=master.ncombine,
        set_temp_c=master.configuration.set_temp_c, taken_at=master.taken_at, expires_at=master.expires_at,
        expired=master.expired,
    )  # fmt: skip


def _order(view: ConfigurationView) -> tuple[object, ...]:
    return (
        str(view.frame_type), view.camera_name or "", view.filter or "", view.exposure_s or 0.0,
        view.gain_setting or 0.0, view.offset_setting or 0.0, view.binning_x or 0,
        COLDEST if view.set_temp_c is None else view.set_temp_c,
    )  # fmt: skip

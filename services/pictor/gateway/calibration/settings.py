"""The calibration settings of an observatory: every one with its default, its range and what it is for."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Response, get, put
from litestar.params import Parameter
from pydantic import BaseModel, ConfigDict, Field

from pictor.contracts.access import Role, Scope
from pictor.gateway import trail
from pictor.gateway.auth import changing, require
from pictor.gateway.bodies import body_of
from pictor.gateway.observatories import own_observatory
from pictor.gateway.problems import FieldError, Http, Problem
from pictor.gateway.views import View
from pictor.gateway.wiring import Caller, RuntimeDep
from pictor.imaging.matching.filters import rigs_named
from pictor.imaging.matching.policy import CHOICES, RANGES, TEXTS, Policy, PolicyError, consistent, validate
from pictor.runtime.filters import policy_of as told_policy
from pictor.state import observatories, policies
from pictor.state.calibrations import MaxAges
from pictor.state.database import Connection
from pictor.state.observatories import Rig
from pictor.state.policies import Stored

READ = [require(Scope.CALIBRATION_READ, role=Role.MEMBER)]
ADMIN = [require(Scope.CALIBRATION_WRITE, role=Role.OBSERVATORY_ADMIN)]

Value = int | float | str
IfMatch = Annotated[str | None, Parameter(header="If-Match", max_length=200)]

DESCRIPTIONS: dict[str, str] = {
    "min_frames": "Individual frames needed before auto-stacking triggers",
    "camera_type": "Affects dark frame matching (CMOS requires exposure time match)",
    "stacking_method": "Algorithm for combining frames: mean, median, or sigma_clip",
    "sigma_clip_value": "Rejection threshold in standard deviations (only for sigma_clip)",
    "sigma_clip_iterations": "Number of rejection passes (only for sigma_clip)",
    "temperature_tolerance_c": "Maximum temperature difference for frame grouping and dark matching",
    "dark_max_age_days": "Days before a master dark triggers an expiry warning",
    "flat_max_age_days": "Days before a master flat triggers an expiry warning",
    "bias_max_age_days": "Days before a master bias triggers an expiry warning",
    "individual_retention_days": "Days to keep individual frames after they've been used in a master",
    "master_retention_days": "Days to keep superseded masters before deletion",
    "flat_rotation": "Whether flat masters must match the rotation angle of light frames",
    "rotation_tolerance_deg": "Acceptable rotation angle difference",
    "exposure_tolerance_s": "Least difference of exposure, in seconds, within which darks and lights count as equal",
    "exposure_tolerance_share": "The same as a share of the exposure; the larger of the two counts",
    "flat_dark_exposure_share": "Difference of exposure, as a share of a flat's, within which a dark is its flat-dark",
    "dark_scale_min": "Smallest factor a dark without bias may be scaled by (only for CCD)",
    "dark_scale_max": "Largest factor a dark without bias may be scaled by (only for CCD)",
    "bias_for_flats_below_s": "Exposure in seconds below which a bias may stand in for a flat-dark; 0 for never",
    "refresh_new_frames": "New individual frames since the active master that trigger an updated one",
    "filters_as_named": "Do not take R and Red, or L and Luminance, for one filter",
    "filter_synonyms": "Names that are one filter here, such as Ha = Ha 7nm; [rig] L = Clear",
    "filters_apart": "Names that are filters of their own here, such as R; [rig] Lum",
}
"""What each setting is for, in the words of the users' manual where it has some."""


class SettingView(View):
    """One setting: what it is, what it would be, and what it may be."""

    name: str
    value: Value
    default: Value
    low: float | None = Field(description="Smallest value; null where it is a choice or text")
    high: float | None
    choices: list[str] | None
    description: str
    changed: bool = Field(description="Whether it differs from the default")


class CalibrationSettings(View):
    """All settings of an observatory; the ETag holds their version."""

    settings: list[SettingView]
    version: int = Field(description="0 when nothing was ever changed")
    changed_by: str | None
    changed_at: datetime | None


class SettingsChange(BaseModel):
    """The settings from now on; what is not named has its default."""

    model_config = ConfigDict(extra="forbid")

    settings: dict[str, Value] = Field(max_length=100)


@get("/observatories/{observatory_id:uuid}/calibration-settings", guards=READ, summary="Calibration settings")
async def read_calibration_settings(
    runtime: RuntimeDep, caller: Caller, observatory_id: UUID
) -> Response[CalibrationSettings]:
    """Return every setting with default, range and description."""
    async with runtime.pool.acquire() as db:
        await own_observatory(db, caller, observatory_id)
        stored = await policies.stored(db, observatory_id)
    return _answered(stored)


@put(
    "/observatories/{observatory_id:uuid}/calibration-settings",
    guards=ADMIN,
    opt={"body": SettingsChange},
    summary="Change calibration settings",
)
async def change_calibration_settings(
    request: Http, runtime: RuntimeDep, caller: Caller, observatory_id: UUID, *, if_match: IfMatch = None
) -> Response[CalibrationSettings]:
    """Replace the settings; masters that exist keep those they were made with, groups are decided about anew."""
    wanted = await body_of(request, SettingsChange)
    async with changing(runtime, caller) as db:
        await own_observatory(db, caller, observatory_id, role=Role.OBSERVATORY_ADMIN)
        before = await policies.stored(db, observatory_id)
        if if_match not in {None, "*", tag_of(before.version)}:
            raise _changed_meanwhile()
        policy = checked(wanted.settings)
        await known_rigs(db, observatory_id, policy)
        named = {name: value for name, value in asdict(policy).items() if name in wanted.settings}
        expected = None if if_match in {None, "*"} else before.version
        if await policies.save(db, observatory_id, named, changed_by=caller.actor, version=expected) is None:
            raise _changed_meanwhile()
        await trail.record(
            db, request, caller, "calibration.settings", str(observatory_id), observatory_id=observatory_id,
            detail=trail.difference(asdict(validate(dict(before.settings))), asdict(policy)),
        )  # fmt: skip
        return _answered(await policies.stored(db, observatory_id))


def checked(settings: dict[str, Value]) -> Policy:
    """Make a policy of settings as they were sent; the refusal names every one that is wrong, its value and range."""
    errors = []
    for name, value in settings.items():
        try:
            validate({name: value})
        except PolicyError as error:
            errors.append(FieldError(field=name, message=str(error)))
    if errors:
        raise Problem("invalid-value", "; ".join(one.message for one in errors[:5]) + ".", errors=errors[:20])
    try:
        return consistent(validate(dict(settings)))
    except PolicyError as error:
        wrong = [FieldError(field=name, message=str(error)) for name in TEXTS]
        raise Problem("invalid-value", f"{error}.", errors=wrong) from error


async def known_rigs(db: Connection, observatory_id: UUID, policy: Policy) -> None:
    """Refuse settings that name a rig the observatory does not have."""
    rigs = await observatories.rigs(db, [observatory_id])
    known = {one.name for one in rigs} | {str(one.id) for one in rigs}
    errors = [
        FieldError(field=name, message=f"{name}: there is no rig {rig!r} here; rigs are {_listed(rigs)}")
        for name in TEXTS for rig in rigs_named(getattr(policy, name)) if rig not in known
    ]  # fmt: skip
    if errors:
        raise Problem("invalid-value", "; ".join(one.message for one in errors[:5]) + ".", errors=errors[:20])


def _listed(rigs: list[Rig]) -> str:
    return ", ".join(one.name for one in rigs) or "not there yet"


async def policy_of(db: Connection, observatory_id: UUID) -> Policy:
    """Return the policy of an observatory as it is now, told which names of filters are in use."""
    return await told_policy(db, observatory_id)


def ages_of(policy: Policy) -> MaxAges:
    """Return the ages from which masters count as expired."""
    return MaxAges(policy.dark_max_age_days, policy.flat_max_age_days, policy.bias_max_age_days)


def tag_of(version: int) -> str:
    """Return the entity tag of a version of the settings."""
    return f'"{version}"'


def shown(stored: Stored) -> CalibrationSettings:
    """Show settings with everything a person needs to choose them."""
    now, default = asdict(validate(dict(stored.settings))), asdict(Policy())
    views = [_setting(field.name, now[field.name], default[field.name]) for field in fields(Policy)]
    return CalibrationSettings(
        settings=views, version=stored.version, changed_by=stored.changed_by, changed_at=stored.changed_at
    )


def _setting(name: str, value: Value, default: Value) -> SettingView:
    low, high = RANGES.get(name, (None, None))
    choices = [str(choice) for choice in CHOICES[name]] if name in CHOICES else None
    return SettingView(
        name=name, value=str(value) if choices else value, default=str(default) if choices else default,
        low=low, high=high, choices=choices, description=DESCRIPTIONS[name], changed=value != default,
    )  # fmt: skip


def _answered(stored: Stored) -> Response[CalibrationSettings]:
    return Response(shown(stored), headers={"ETag": tag_of(stored.version)})


def _changed_meanwhile() -> Problem:
    return Problem("precondition-failed", "Someone changed these settings in the meantime; look again.")

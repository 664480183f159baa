"""The plan of the sample night: which frames are taken when, and what must become of each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.simulator.calibration import render_bias, render_dark, render_flat
from pictor.imaging.simulator.camera import Camera
from pictor.imaging.simulator.fields import FIELDS
from pictor.imaging.simulator.fits import Exposure, Target
from pictor.imaging.simulator.light import LightSpec
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing
from pictor.imaging.simulator.truth import JsonValue

Scale = Literal["full", "small"]

LIGHT_EXPOSURE_S = 60.0
FLAT_EXPOSURE_S = 2.0
TEMPERATURE_C = -10.0
WARM_LIGHT_C = -5.0
"""Sensor and set-point of the light for which the night takes no darks."""

PLANNED_PA_DEG = 32.0
FRAMES_PER_SET = 10
FIRST_LIGHT = datetime(2026, 10, 12, 18, 40, tzinfo=UTC)
FIRST_CALIBRATION = datetime(2026, 10, 13, 4, 30, tzinfo=UTC)
END_OF_NIGHT = datetime(2026, 10, 13, 5, 30, tzinfo=UTC)
SIDEREAL_DAY = timedelta(seconds=86164.0905)
_SPACING = timedelta(seconds=75)
_FIELD_HOURS = {"NGC 7000": 0.0, "M 31": 2.5, "M 45": 6.0}


@dataclass(frozen=True, slots=True)
class PlannedLight:
    """One row of the plan of the night; ``fault`` is empty for a good frame."""

    field: str
    filter_name: str
    fault: str = ""


LIGHT_PLAN = (
    PlannedLight("NGC 7000", "L"),
    PlannedLight("NGC 7000", "R"),
    PlannedLight("NGC 7000", "Ha"),
    PlannedLight("NGC 7000", "L", "satellite"),
    PlannedLight("M 31", "R"),
    PlannedLight("M 31", "Ha"),
    PlannedLight("M 31", "L"),
    PlannedLight("M 31", "R", "trailed"),
    PlannedLight("M 45", "Ha"),
    PlannedLight("M 45", "L", "clouds"),
    PlannedLight("M 45", "R"),
    PlannedLight("M 45", "Ha", "starless"),
    PlannedLight("M 31", "L", "no-darks"),
)
FLAT_FILTERS = ("L", "R", "Ha")

# What each fault must lead to: solved (None: either is right, a wrong solution never is), grade and its reason.
EXPECTED: dict[str, dict[str, JsonValue]] = {
    "": {"solved": True, "grade": "good", "reason": None},
    "satellite": {"solved": True, "grade": "good", "reason": None},
    "clouds": {"solved": None, "grade": "bad", "reason": "clouds"},
    "trailed": {"solved": None, "grade": "bad", "reason": "trailed"},
    "starless": {"solved": False, "grade": "bad", "reason": "too-few-stars"},
    "no-darks": {"solved": True, "grade": "good", "reason": None},
}


@dataclass(frozen=True, slots=True)
class Job:
    """A file to make: how to render it, what the capture program knows, and what must become of it."""

    name: str
    render: LightSpec | Callable[[], NDArray[np.uint16]]
    exposure: Exposure
    fault: str
    expected: dict[str, JsonValue]


def sample_rig(scale: Scale = "full") -> Rig:
    """Rig of the sample night; ``small`` has a quarter of the pixels on the same field of view."""
    if scale == "full":
        return Rig()
    return Rig(camera=Camera(name="Pictor SimCam 1M", serial="SIM0002", nx=1164, ny=880, pixel_um=7.6))


def plan_night(rig: Rig, seed: int, *, before: datetime | None = None) -> list[Job]:
    """List all frames of the night in the order they are taken.

    ``before`` moves the night by whole sidereal days, so that the targets stand where they stood, to end at most one
    before that time; None leaves it where it is.
    """
    jobs = [*_light_jobs(rig, seed), *_calibration_jobs(rig, seed)]
    if before is None:
        return jobs
    shift = (before - END_OF_NIGHT) // SIDEREAL_DAY * SIDEREAL_DAY
    return [replace(job, exposure=replace(job.exposure, start=job.exposure.start + shift)) for job in jobs]


def temperature_of(plan: PlannedLight) -> float:
    """Return the set-point a light is taken at."""
    return WARM_LIGHT_C if plan.fault == "no-darks" else TEMPERATURE_C


def light_spec(rig: Rig, plan: PlannedLight, number: int, seed: int) -> LightSpec:
    """Specification of one light of the plan: pointing error, seeing and its fault."""
    rng = np.random.default_rng([seed, number, 9])
    field = FIELDS[plan.field]
    away = rng.normal(0.0, 0.03, size=2)
    flipped = plan.field == "NGC 7000"
    pointing = Pointing(
        ra_deg=field.ra_deg + away[0] / np.cos(np.radians(field.dec_deg)),
        dec_deg=field.dec_deg + away[1],
        scale_arcsec=rig.scale_arcsec,
        pa_deg=(PLANNED_PA_DEG + 0.8 + (180.0 if flipped else 0.0)) % 360.0,
        parity=1,
    )
    psf = Psf("moffat", float(rng.uniform(2.6, 3.1)), 3.5, float(rng.uniform(0.03, 0.08)), float(rng.uniform(0, 180)))
    spec = LightSpec(
        pointing, rig, plan.filter_name, LIGHT_EXPOSURE_S, temperature_of(plan), psf, seed=1000 * seed + number
    )  # fmt: skip
    return _with_fault(spec, plan.fault)


def _with_fault(spec: LightSpec, fault: str) -> LightSpec:
    if fault == "satellite":
        return replace(spec, satellite=150.0)
    if fault == "trailed":
        return replace(spec, psf=replace(spec.psf, trail_px=14.0, trail_angle_deg=20.0))
    if fault == "clouds":
        return replace(spec, transparency=0.15, patchiness=0.4)
    if fault == "starless":
        return replace(spec, stars=False, sky_factor=6.0)
    return spec


def _light_jobs(rig: Rig, seed: int) -> Iterator[Job]:
    for number, plan in enumerate(LIGHT_PLAN):
        spec = light_spec(rig, plan, number, seed)
        start = FIRST_LIGHT + timedelta(hours=_FIELD_HOURS[plan.field]) + _SPACING * number
        error = np.random.default_rng([seed, number, 10]).normal(0.0, 0.04, size=2)
        field = FIELDS[plan.field]
        target = Target(
            plan.field,
            field.ra_deg,
            field.dec_deg,
            round(spec.pointing.ra_deg + float(error[0]), 6),
            round(spec.pointing.dec_deg + float(error[1]), 6),
            PLANNED_PA_DEG,
        )
        exposure = Exposure("LIGHT", start, LIGHT_EXPOSURE_S, temperature_of(plan), plan.filter_name, target)
        calibrated = plan.fault != "no-darks"
        expected = {"state": "completed", "type": "LIGHT", "calibrated": calibrated, **EXPECTED[plan.fault]}
        yield Job(f"light_{number:02d}_{plan.filter_name}", spec, exposure, plan.fault, expected)


def _calibration_jobs(rig: Rig, seed: int) -> Iterator[Job]:
    """Make flats, flat-darks, darks and biases, taken at dawn in this order."""
    sets: list[tuple[str, str, float, str | None]] = [
        *((f"flat_{name}", "FLAT", FLAT_EXPOSURE_S, name) for name in FLAT_FILTERS),
        ("flatdark", "DARK", FLAT_EXPOSURE_S, None),
        ("dark", "DARK", LIGHT_EXPOSURE_S, None),
        ("bias", "BIAS", 0.0, None),
    ]
    start, number = FIRST_CALIBRATION, 100
    for name, kind, exposure_s, filter_name in sets:
        for place in range(FRAMES_PER_SET):
            render = _calibration_renderer(rig, kind, exposure_s, filter_name, 1000 * seed + number)
            exposure = Exposure(kind, start, exposure_s, TEMPERATURE_C, filter_name)
            yield Job(f"{name}_{place:02d}", render, exposure, "", {"state": "completed", "type": kind})
            start, number = start + timedelta(seconds=exposure_s + 3.0), number + 1


def _calibration_renderer(
    rig: Rig,
    kind: str,
    exposure_s: float,
    filter_name: str | None,
    seed: int,
) -> Callable[[], NDArray[np.uint16]]:
    if kind == "BIAS":
        return partial(render_bias, rig.camera, temperature_c=TEMPERATURE_C, seed=seed)
    if filter_name is None:
        return partial(render_dark, rig.camera, exposure_s=exposure_s, temperature_c=TEMPERATURE_C, seed=seed)
    return partial(render_flat, rig, filter_name, exposure_s=exposure_s, temperature_c=TEMPERATURE_C, seed=seed)

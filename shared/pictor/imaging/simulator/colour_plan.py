"""The plan of the colour scenario: which lights and calibration frames are taken when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from pictor.imaging.simulator.camera import Camera
from pictor.imaging.simulator.fields import FIELDS
from pictor.imaging.simulator.fits import Exposure, Site, Target, horizontal
from pictor.imaging.simulator.light import LightSpec
from pictor.imaging.simulator.nebula import Nebula
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing

TARGET = FIELDS["NGC 7000"]
TEMPERATURE_C = -10.0
FLAT_S = 2.0
PA_DEG = 12.0
BEGIN = datetime(2026, 10, 12, 18, 37, tzinfo=UTC)
"""Half an hour before the target crosses the meridian and the mount flips."""

DAWN = datetime(2026, 10, 13, 4, 30, tzinfo=UTC)
_DITHER_PX = 9.0
_TURN_DEG = 0.15
_SPACING_S = 15.0
_SATELLITE = 7
"""Place of the light a satellite crosses."""


@dataclass(frozen=True, slots=True)
class ColourPlan:
    """How many frames of what.

    Parameters
    ----------
    rig
        What they are taken with.
    filters
        Exposure of a light in each filter, in seconds.
    lights
        Lights in each filter.
    calibration
        Biases, darks of each exposure, and flats of each filter.
    """

    rig: Rig
    filters: dict[str, float]
    lights: int
    calibration: int


FULL = ColourPlan(
    Rig(camera=Camera(name="Pictor SimCam 1M", serial="SIM0003", nx=1164, ny=880, pixel_um=7.6)),
    {"Red": 60.0, "Green": 60.0, "Blue": 60.0, "Ha": 180.0, "OIII": 180.0, "SII": 180.0},
    lights=5,
    calibration=6,
)
"""One megapixel, about 85 files."""

SMALL = ColourPlan(
    Rig(camera=Camera(name="Pictor SimCam 120k", serial="SIM0004", nx=400, ny=300, pixel_um=22.0)),
    {"Red": 60.0, "Ha": 180.0},
    lights=3,
    calibration=5,
)
"""The same field on 400 by 300 pixels, in red and H-alpha only."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One file: its name, what the capture program knows, and the light it follows from; None for calibration."""

    name: str
    exposure: Exposure
    light: LightSpec | None
    seed: int


def plan_colour(plan: ColourPlan, seed: int) -> list[Planned]:
    """List all frames in the order they are taken."""
    return [*_lights(plan, seed), *_calibration(plan, seed)]


def _lights(plan: ColourPlan, seed: int) -> Iterator[Planned]:
    start, number = BEGIN, 0
    for turn in range(plan.lights):
        for filter_name, exposure_s in plan.filters.items():
            yield _light(plan, (filter_name, exposure_s), f"light_{filter_name}_{turn + 1:02d}", start, (seed, number))
            start, number = start + timedelta(seconds=exposure_s + _SPACING_S), number + 1


def _light(plan: ColourPlan, exposed: tuple[str, float], name: str, start: datetime, draw: tuple[int, int]) -> Planned:
    """Plan one light: dithered, a little turned, flipped in the west, with its own seeing, haze and gradient."""
    filter_name, exposure_s = exposed
    rng = np.random.default_rng([*draw, 13])
    scale = plan.rig.scale_arcsec
    dither, error = rng.normal(0.0, _DITHER_PX * scale / 3600.0, 2), rng.normal(0.0, 0.03, 2)
    squeeze = np.cos(np.radians(TARGET.dec_deg))
    ra, dec = float(TARGET.ra_deg + dither[0] / squeeze), float(TARGET.dec_deg + dither[1])
    mount = round(ra + error[0] / squeeze, 6), round(dec + error[1], 6)
    target = Target(TARGET.name, TARGET.ra_deg, TARGET.dec_deg, *mount, planned_pa_deg=PA_DEG)
    exposure = Exposure("LIGHT", start, exposure_s, TEMPERATURE_C, filter_name, target)
    flipped = not horizontal(Site(), exposure)[2]
    pa = (PA_DEG + float(rng.normal(0.0, _TURN_DEG)) + (180.0 if flipped else 0.0)) % 360.0
    side = -1.0 if flipped else 1.0
    light = LightSpec(
        Pointing(ra, dec, scale, pa, parity=1), plan.rig, filter_name, exposure_s, TEMPERATURE_C,
        Psf("moffat", float(rng.uniform(2.1, 3.1)), 3.5, float(rng.uniform(0.02, 0.07)), float(rng.uniform(0, 180))),
        seed=1000 * draw[0] + draw[1], transparency=float(rng.uniform(0.88, 1.0)),
        gradient=(side * float(rng.uniform(0.05, 0.15)), side * float(rng.uniform(-0.12, -0.04))),
        satellite=400.0 if draw[1] == _SATELLITE % (plan.lights * len(plan.filters)) else 0.0,
        nebula=Nebula(TARGET.ra_deg, TARGET.dec_deg),
    )  # fmt: skip
    return Planned(name, exposure, light, light.seed)


def _calibration(plan: ColourPlan, seed: int) -> Iterator[Planned]:
    """Flats, flat-darks, darks and biases at dawn."""
    sets: list[tuple[str, str, float, str | None]] = [
        *((f"flat_{name}", "FLAT", FLAT_S, name) for name in plan.filters),
        *((f"dark_{exposed:.0f}s", "DARK", exposed, None) for exposed in sorted({FLAT_S, *plan.filters.values()})),
        ("bias", "BIAS", 0.0, None),
    ]
    start, number = DAWN, 500
    for name, kind, exposure_s, filter_name in sets:
        for place in range(plan.calibration):
            exposure = Exposure(kind, start, exposure_s, TEMPERATURE_C, filter_name)
            yield Planned(f"{name}_{place + 1:02d}", exposure, None, 1000 * seed + number)
            start, number = start + timedelta(seconds=exposure_s + 3.0), number + 1

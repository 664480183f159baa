"""24-megapixel light frames of the sample fields, and any number of distinct exposures made of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from pictor.imaging.simulator.camera import Camera
from pictor.imaging.simulator.fields import FIELDS
from pictor.imaging.simulator.fits import Exposure, Site, Target, nina_cards, write_fits
from pictor.imaging.simulator.light import LightSpec, LightTruth, render_light
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing

START = datetime(2026, 10, 12, 18, 40, tzinfo=UTC)
EXPOSURE_S, TEMPERATURE_C = 60.0, -10.0
CAMERA = Camera(name="Pictor SimCam 24M", serial="SIM0024", nx=6000, ny=4000)
SMALL = Camera()


def make_lights(folder: Path, number: int, *, camera: Camera = CAMERA) -> list[tuple[Path, LightTruth]]:
    """Write lights, one per field in turn; the same number gives the same bytes."""
    rig = Rig(camera=camera)
    return [_make(folder, rig, place, name) for place, name in zip(range(number), 10 * list(FIELDS), strict=False)]


def _make(folder: Path, rig: Rig, place: int, name: str) -> tuple[Path, LightTruth]:
    field = FIELDS[name]
    pointing = Pointing(field.ra_deg + 0.02, field.dec_deg - 0.01, rig.scale_arcsec, 32.8, 1)
    psf = Psf("moffat", 2.8, 3.5, 0.05, 40.0)
    spec = LightSpec(pointing, rig, "L", EXPOSURE_S, TEMPERATURE_C, psf, seed=2400 + place)
    raw, truth = render_light(spec)
    target = Target(name, field.ra_deg, field.dec_deg, field.ra_deg, field.dec_deg, 32.0)
    exposure = Exposure("LIGHT", START, EXPOSURE_S, TEMPERATURE_C, "L", target)
    path = folder / f"light-{place}.fits"
    write_fits(path, raw, nina_cards(rig, Site(), exposure))
    return path, truth


def exposures(paths: list[Path]) -> Iterator[bytes]:
    """Yield the frames in turn as ever new exposures: the starting time in the header is never the same."""
    marked = START.strftime("%Y-%m-%dT%H:%M:%S").encode()
    for number in count():
        body = paths[number % len(paths)].read_bytes()
        head = body[:28_800].replace(
            marked, (START + timedelta(seconds=75 * number)).strftime("%Y-%m-%dT%H:%M:%S").encode()
        )
        yield head + body[28_800:]

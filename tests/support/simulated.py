"""One light of the virtual observatory with its truth, small enough for a quick test."""

from dataclasses import dataclass
from pathlib import Path

from pictor.imaging.simulator.fits import Site, nina_cards, write_fits
from pictor.imaging.simulator.light import LightSpec, LightTruth, render_light
from pictor.imaging.simulator.plan import plan_night, sample_rig


@dataclass(frozen=True, slots=True)
class SimulatedLight:
    """A file and what is true of it."""

    path: Path
    truth: LightTruth


def simulated_light(folder: Path, number: int = 0) -> SimulatedLight:
    """Write one of the sample night's lights; the first three are good ones of a field whose index is committed."""
    rig = sample_rig("small")
    job = plan_night(rig, seed=1)[number]
    assert isinstance(job.render, LightSpec)
    pixels, truth = render_light(job.render)
    path = folder / f"{job.name}.fits"
    write_fits(path, pixels, nina_cards(rig, Site(), job.exposure))
    return SimulatedLight(path, truth)

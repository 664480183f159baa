"""The colour scenario: an invented nebula among real stars in three colours and three lines, and the truth about it."""

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.imaging.simulator.camera import FloatImage
from pictor.imaging.simulator.colour_plan import FULL, PA_DEG, SMALL, TARGET, ColourPlan, Planned, plan_colour
from pictor.imaging.simulator.faults import Shot, render
from pictor.imaging.simulator.fits import Site, nina_cards, write_fits
from pictor.imaging.simulator.light import LightSpec, render_light, without_camera
from pictor.imaging.simulator.names import AnyScenario
from pictor.imaging.simulator.nebula import Nebula, nebula_rate
from pictor.imaging.simulator.optics import FILTERS, Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing
from pictor.imaging.simulator.truth import JsonValue, describe, write_stars

TRUTH = "truth"
"""Folder of the truth images; the frames lie beside it."""

TRUTH_PSF = Psf("moffat", 2.5)
"""Shape of the stars on the continuum truth."""


@dataclass(frozen=True, slots=True)
class ColourScenario:
    """The files of the scenario: frames in the order they are taken, and what is true of each."""

    folder: Path
    frames: list[Path]
    truths: list[dict[str, JsonValue]]


def colour_scenario(
    folder: Path, *, seed: int = 1, small: bool = False, progress: Callable[[int, int], None] | None = None
) -> ColourScenario:
    """Write the frames of the colour scenario and the truth about them.

    Beside every ``NAME.fits`` stands ``NAME.truth.json``, beside lights ``NAME.stars.npz``; ``scenario.json`` lists
    all. ``truth/nebula_FILTER.fits`` is the nebula through each filter, ``truth/continuum_FILTER.fits`` the stars with
    a FWHM of 2.5 pixels: electrons per second and pixel at full illumination on a grid around the target, with WCS.
    Same seed, same bytes.

    Parameters
    ----------
    folder
        Created if missing.
    seed
        Of noise, pointing, seeing and events; the nebula and the stars are always the same.
    small
        400 by 300 pixels, red and H-alpha, three lights each, instead of a megapixel in six filters.
    progress
        Called with the number of files written and the number of all.

    Returns
    -------
    ColourScenario
        The files, and what is true of each.
    """
    plan = SMALL if small else FULL
    (folder / TRUTH).mkdir(parents=True, exist_ok=True)
    planned = plan_colour(plan, seed)
    frames, truths = [], []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for path, truth in pool.map(partial(_write, folder, plan.rig), planned):
            frames.append(path)
            truths.append(truth)
            if progress is not None:
                progress(len(frames), len(planned))
    _write_images(folder / TRUTH, plan)
    listing = {"simulated": True, "scenario": AnyScenario.COLOUR.value, "seed": seed, "small": small, "frames": truths}
    (folder / "scenario.json").write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
    return ColourScenario(folder, frames, truths)


def _write(folder: Path, rig: Rig, one: Planned) -> tuple[Path, dict[str, JsonValue]]:
    path = folder / f"{one.name}.fits"
    taken = one.exposure
    truth: dict[str, JsonValue] = {
        "file": path.name, "simulated": True, "type": taken.kind, "filter": taken.filter_name,
        "exposure_s": taken.exposure_s,
    }  # fmt: skip
    if one.light is None:
        pixels = render(Shot(rig, taken, one.seed))
    else:
        pixels, light = render_light(one.light)
        write_stars(path.with_suffix(".stars.npz"), light)
        truth |= {"field": TARGET.name, **describe(light), **_of_light(one.light)}
    write_fits(path, pixels, nina_cards(rig, Site(), taken))
    path.with_suffix(".truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return path, truth


def _of_light(spec: LightSpec) -> dict[str, JsonValue]:
    rate = spec.rig.star_rate(FILTERS[spec.filter_name]) * spec.transparency / spec.rig.camera.egain
    return {
        "zero_point_mag": 2.5 * math.log10(rate),
        "gradient": list(spec.gradient),
        "satellite": spec.satellite > 0,
        "flipped": abs(spec.pointing.pa_deg - PA_DEG) > 90.0,
    }


def _write_images(folder: Path, plan: ColourPlan) -> None:
    pointing = Pointing(TARGET.ra_deg, TARGET.dec_deg, plan.rig.scale_arcsec, PA_DEG, parity=1)
    nebula = Nebula(TARGET.ra_deg, TARGET.dec_deg)
    for name in plan.filters:
        _write_image(folder / f"nebula_{name}.fits", nebula_rate(nebula, plan.rig, pointing, name), pointing, name)
        spec = LightSpec(pointing, plan.rig, name, 1.0, psf=TRUTH_PSF, sky_factor=0.0, cosmic_rays=False)
        _write_image(folder / f"continuum_{name}.fits", without_camera(replace(spec, nebula=None)), pointing, name)


def _write_image(path: Path, image: FloatImage, pointing: Pointing, filter_name: str) -> None:
    """Write a truth image with its WCS."""
    header = fits.Header()
    header["OBJECT"], header["FILTER"], header["IMAGETYP"] = TARGET.name, filter_name, "SIMULATED TRUTH"
    header["BUNIT"] = "electron / s"
    header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = (
        "RA---TAN", "DEC--TAN", pointing.ra_deg, pointing.dec_deg,
    )  # fmt: skip
    header["CRPIX1"], header["CRPIX2"] = (image.shape[1] + 1) / 2, (image.shape[0] + 1) / 2
    for (row, column), value in np.ndenumerate(pointing.cd):
        header[f"CD{row + 1}_{column + 1}"] = float(value)
    header["RADESYS"], header["SIMULATD"] = "ICRS", True
    fits.PrimaryHDU(image, header).writeto(path, overwrite=True)

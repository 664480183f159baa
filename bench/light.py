"""The compute part of one light in a warm process, against the usual packages doing the same work in the same run."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from astropy.visualization import AsinhStretch, ZScaleInterval
from bench.clock import in_process, side_by_side, status_mib
from bench.lights import make_lights
from bench.peers import here
from bench.rows import Bound, Of, Row
from photutils.background import Background2D, MedianBackground
from photutils.segmentation import SourceCatalog, detect_sources
from PIL import Image

from pictor.astrometry import compute as astrometry
from pictor.astrometry.backends.protocol import Hints, Limits, SolverInput
from pictor.astrometry.backends.solve_field import SolveFieldSolver
from pictor.astrometry.indexes import sample_folder
from pictor.header import compute as header
from pictor.imaging.simulator.sky import Pointing
from pictor.ingest import compute as ingest
from pictor.preview import compute as preview
from pictor.quality import compute as quality

FOLDERS = tuple(folder for folder in [sample_folder()] if folder is not None)


def rows(*, quick: bool) -> list[Row]:
    """Measure both in turns."""
    with tempfile.TemporaryDirectory() as name:
        ((path, truth),) = make_lights(Path(name), 1)
        place = truth.spec.pointing
        given: dict[str, Any] = {"path": str(path), "scratch": name, "ra": place.ra_deg, "dec": place.dec_deg}
        repeats = 1 if quick else 3
        ours, peer = side_by_side(lambda: process(**given), lambda: usual(path, place.ra_deg, place.dec_deg), repeats)
        rss = float(str(in_process("bench.light", given)["rss_mib"]))
        solver = "solve-field" if here("solve-field") else "no solving"
        return [
            Row(
                "compute part of one light, 24 MP, warm process", "s", ours, peer,
                f"astropy + photutils + Pillow + {solver}", n=repeats, rss_mib=rss,
                bounds=(Bound(Of.RATIO, 0.1), Bound(Of.RSS, 400)), accuracy=_accuracy(given, truth.spec.pointing),
            )
        ]  # fmt: skip


def process(path: str, scratch: str, ra: float, dec: float) -> dict[str, Any]:
    """Everything the services compute for a light, in order."""
    described: dict[str, Any] = ingest.describe(path, "light.fits", scratch)
    observed: dict[str, Any] = header.observe(described["description"])
    preview.render(path, scratch)
    measured = quality.measure(path, scratch)
    solved: dict[str, Any] = astrometry.solve(measured["stars_path"], scratch, position=(ra, dec), scale_arcsec=1.79)
    header.write(
        path, scratch, geometry=described["geometry"], observation=observed["cards"], wcs=solved["cards"],
        solution=solved["solution"], quality=measured["quality"],
    )  # fmt: skip
    return solved


def usual(path: Path, ra: float, dec: float) -> None:
    """The same with the packages most people would take."""
    data, cards = fits.getdata(path, memmap=False, header=True)
    picture = Image.fromarray((AsinhStretch(0.1)(ZScaleInterval()(data)) * 255).astype(np.uint8))
    picture = picture.resize((2048, round(2048 * data.shape[0] / data.shape[1])), Image.Resampling.LANCZOS)
    picture.save(path.with_suffix(".png"))
    sky = Background2D(data, 64, bkg_estimator=MedianBackground())
    plain = data - sky.background
    _, _, noise = sigma_clipped_stats(plain[::4, ::4])
    found = SourceCatalog(plain, detect_sources(plain, 5 * noise, n_pixels=5))
    order = np.argsort(found.segment_flux)[::-1][:200]
    stars = np.column_stack([found.x_centroid + 1, found.y_centroid + 1, found.segment_flux])[order]
    if here("solve-field"):
        given = SolverInput(stars, data.shape[1], data.shape[0], path.parent)
        SolveFieldSolver(FOLDERS).solve(given, Hints(ra, dec, 3.0, 1.6, 2.0), Limits(wall_s=60))
    cards["FWHM"] = float(np.median(found.fwhm.value))
    fits.writeto(path.with_suffix(".out.fits"), data, cards, overwrite=True)


def main(path: str, scratch: str, ra: float, dec: float) -> dict[str, float]:
    """Process twice in a process of its own, for its memory; importing the peers is part of it."""
    for _ in range(2):
        process(path, scratch, ra, dec)
    return {"rss_mib": status_mib("self", "VmHWM")}


def _accuracy(given: dict[str, Any], place: Pointing) -> str:
    solved = process(**given)["solution"]
    if not isinstance(solved, dict):
        return "not solved"
    ra, dec = float(solved["ra_deg"]), float(solved["dec_deg"])
    east = (ra - place.ra_deg) * np.cos(np.radians(dec))
    off = 3600 * float(np.hypot(east, dec - place.dec_deg))
    return f'centre {off:.2f}" off the truth'

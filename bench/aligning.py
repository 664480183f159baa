"""Ten lights of 4 MP: coadded beside SWarp, registered and resampled beside Siril; whole commands, files in and out.

Ours runs warm in this process and writes error and mask planes, the peers write one plane and a weight. Lights are
simulated, dithered, one in three turned by a meridian flip; SWarp and ours use the same grid and no background.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from bench import siril
from bench.clock import side_by_side
from bench.peers import here
from bench.rows import Bound, Of, Row
from numpy.typing import NDArray

from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.projection import Wcs
from pictor.imaging.coadd.coadding import coadd_files, warm
from pictor.imaging.coadd.products import write_coadd
from pictor.imaging.frame import Frame
from pictor.imaging.products import Provenance, write_product
from pictor.imaging.registration.stars import match_stars, places_of
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.resampling import resample
from pictor.imaging.simulator.light import LightSpec, calibrate_ideally, render_light
from pictor.imaging.simulator.optics import Rig
from pictor.imaging.simulator.psf import Psf
from pictor.imaging.simulator.sky import Pointing, project
from pictor.imaging.stars.starlist import StarList

LIGHTS = 10
RA, DEC = 83.8, 22.0
MADE = Provenance("bench")
ALONE = """
import sys
from pathlib import Path
from bench.clock import status_mib
from pictor.imaging.coadd.coadding import coadd_files
coadd_files([Path(p) for p in sys.argv[2:]], method=sys.argv[1], background="none", scale_flux="none")
print(status_mib("self", "VmHWM"))
"""
"""One coadd in a process that has done nothing else: the memory of this one is that of all rows before."""


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure coadding, then registration with resampling."""
    warm()
    repeats = 2 if quick else 5
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        paths, pointings = make_lights(room)
        yield coadding(room, paths, repeats, "clipped")
        yield coadding(room, paths, repeats, "mean")
        yield registering(room, paths, pointings, repeats)


def make_lights(room: Path) -> tuple[list[Path], list[Pointing]]:
    """Write solved lights, in ADU with a level of 500, as a camera stores them."""
    rig, rng, paths, pointings = Rig(), np.random.default_rng(5), [], []
    for number in range(LIGHTS):
        turn = float(rng.normal(0, 0.5)) + 180.0 * (number % 3 == 2)
        where = Pointing(RA + rng.normal(0, 0.01), DEC + rng.normal(0, 0.01), rig.scale_arcsec, turn)
        spec = LightSpec(where, rig, "L", 60.0, psf=Psf("moffat", 2.8), seed=number, cosmic_rays=False)
        image = calibrate_ideally(render_light(spec)[0], spec)
        ny, nx = image.shape
        (a, b), (c, d) = where.cd.tolist()
        wcs = Wcs((where.ra_deg, where.dec_deg), ((nx + 1) / 2, (ny + 1) / 2), ((a, b), (c, d)))
        header = write_wcs(fits.Header({"EXPTIME": 60.0, "EGAIN": 0.7}), wcs, image.shape)
        paths.append(room / f"light_{number:02d}.fits")
        fits.writeto(paths[-1], np.clip(np.rint(image + 500), 0, 65535).astype(np.uint16), header)
        pointings.append(where)
    return paths, pointings


def coadding(room: Path, paths: list[Path], repeats: int, method: str) -> Row:
    """Coadd on the grid of the first light, Lanczos3."""
    grid = Grid.of(Frame.from_fits(paths[0]))

    def ours() -> NDArray[np.number]:
        done = coadd_files(paths, method=method, onto=grid, background="none", scale_flux="none")
        write_coadd(room / "ours.fits", done, MADE, overwrite=True)
        return done.frame.data

    (room / "swarp.head").write_text(fits.getheader(paths[0]).tostring(sep="\n") + "\n")
    peer = partial(swarp, room, paths, {"mean": "AVERAGE", "clipped": "CLIPPED"}[method]) if here("SWarp") else None
    mine, theirs = side_by_side(ours, peer, repeats)
    bounds = [Bound(Of.RATIO, 0.15)]
    accuracy = agreement(ours(), room) if peer is not None else ""
    return Row(
        f"coadd of {LIGHTS} x 4 MP, Lanczos3, {method}", "s", mine, theirs, "SWarp", repeats,
        memory(paths, method), accuracy, bounds,
    )  # fmt: skip


def memory(paths: list[Path], method: str) -> float:
    """Coadd once in a process of its own and ask for the most memory it ever had, in MiB."""
    command = [sys.executable, "-c", ALONE, method, *map(str, paths)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout)


def swarp(room: Path, paths: list[Path], combine: str) -> None:
    """Coadd with SWarp on two threads."""
    settings = {
        "IMAGEOUT_NAME": room / "swarp.fits", "WEIGHTOUT_NAME": room / "swarp.weight.fits", "SUBTRACT_BACK": "N",
        "COMBINE_TYPE": combine, "RESAMPLING_TYPE": "LANCZOS3", "FSCALASTRO_TYPE": "NONE", "FSCALE_KEYWORD": "NONE",
        "RESAMPLE_DIR": room, "NTHREADS": 2, "WRITE_XML": "N", "VERBOSE_TYPE": "QUIET", "MEM_MAX": 2000,
        "COMBINE_BUFSIZE": 1000, "CLIP_LOGNAME": room / "clipped.log",
    }  # fmt: skip
    options = [word for key, value in settings.items() for word in (f"-{key}", str(value))]
    command = [str(shutil.which("SWarp")), *map(str, paths), "-c", "/dev/null", *options]
    subprocess.run(command, check=True, capture_output=True, timeout=900)


def agreement(ours: NDArray[np.number], room: Path) -> str:
    """Compare both coadds where all lights reach."""
    theirs, weight = fits.getdata(room / "swarp.fits"), fits.getdata(room / "swarp.weight.fits")
    whole = (weight > 0.99 * weight.max()) & np.isfinite(ours)
    difference = (theirs - ours)[whole]
    rms = 1.4826 * float(np.median(np.abs(difference - np.median(difference))))
    values = ours[whole]
    noise = 1.4826 * float(np.median(np.abs(values - np.median(values))))
    return f"robust rms from SWarp {rms:.3f} ADU (goal 0.05) of noise {noise:.1f}"


def registering(room: Path, paths: list[Path], pointings: list[Pointing], repeats: int) -> Row:
    """Find stars, match them with the first light's, resample, write."""
    out, found = room / "ours", dict[int, Transform]()
    out.mkdir()

    def one(number: int, stars: StarList, wcs: Wcs | None) -> None:
        frame = Frame.from_fits(paths[number])
        own = places_of(frame) if number else stars
        found[number] = replace(match_stars(stars, own), wcs=wcs)
        write_product(out / paths[number].name, resample(frame, found[number]), MADE, overwrite=True)

    def ours() -> None:
        first = Frame.from_fits(paths[0])
        work: Callable[[int], None] = partial(one, stars=places_of(first), wcs=first.wcs)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(work, range(len(paths))))

    peer = None
    if here("siril-cli"):
        siril.sequence(room / "siril", paths)
        peer = partial(siril.run, room / "siril", "register f")
    mine, theirs = side_by_side(ours, peer, repeats)
    return Row(
        f"register and resample {LIGHTS} x 4 MP", "s", mine, theirs, "Siril", repeats,
        accuracy=errors(found, pointings), bounds=[Bound(Of.RATIO, 0.7)],
    )  # fmt: skip


def errors(found: dict[int, Transform], pointings: list[Pointing]) -> str:
    """Compare the transformations with the truth over the frame."""
    shape, worst = found[0].shape, []
    ra, dec = (v.ravel() for v in np.meshgrid(RA + np.linspace(-0.3, 0.3, 7), DEC + np.linspace(-0.25, 0.25, 7)))
    true = project(pointings[0], shape, ra, dec)
    for number, transform in found.items():
        seen = transform.to_reference(*project(pointings[number], shape, ra, dec))
        worst.append(float(np.sqrt(np.mean(np.square(np.subtract(seen, true)).sum(axis=0)))))
    return f"error {min(worst[1:]):.3f} to {max(worst):.3f} px over the frame (goal 0.05)"

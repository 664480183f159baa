"""Continuum subtraction and colour pictures of 24 MP beside what one writes with astropy, photutils, SciPy and Pillow.

Both sides work on the same frames in memory in one process, taken in turns. The peer of the subtraction finds stars
with DAOStarFinder, measures them in apertures, convolves the sharper frame with the Gaussian that is missing and
subtracts it, scaled by the median ratio; the peer of the picture takes the median sky off and calls make_lupton_rgb.
"""

import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.stats import sigma_clipped_stats
from astropy.visualization import make_lupton_rgb
from bench.clock import ROOT, side_by_side
from bench.rows import Row
from numpy.typing import NDArray
from photutils.aperture import ApertureStats, CircularAnnulus, CircularAperture, aperture_photometry
from photutils.detection import DAOStarFinder
from PIL import Image
from scipy import ndimage

from pictor.imaging.compositing.composing import composite
from pictor.imaging.compositing.pictures import write_picture
from pictor.imaging.continuum.subtraction import continuum_subtract
from pictor.imaging.frame import Frame
from pictor.imaging.products import Provenance

Reals = NDArray[np.float32]
SHAPE = (4000, 6000)
RATIO, NOISE, SKY = 0.25, 8.0, 200.0
FWHM = (3.2, 2.4)
STARS = 4000
COLOURS = (0.8, 1.0, 1.25)
TO_SIGMA = 2.3548
MADE = Provenance("bench")
ALONE = """
import sys
from bench.clock import status_mib
from bench import colour
getattr(colour, sys.argv[1])()
print(status_mib("self", "VmHWM"))
"""


@dataclass(frozen=True)
class Sky:
    """Where stars are and how bright; all frames show the same ones."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]

    @classmethod
    def of(cls, seed: int = 3) -> "Sky":
        """Draw stars away from the edges, faint ones most."""
        rng = np.random.default_rng(seed)
        x, y = rng.uniform(30, SHAPE[1] - 30, STARS), rng.uniform(30, SHAPE[0] - 30, STARS)
        return cls(x, y, np.minimum(3000 * (1 + rng.pareto(1.2, STARS)), 4e5))

    def frame(self, factor: float, fwhm: float, seed: int) -> Reals:
        """Render them as Gaussians on a noisy sky."""
        rng, sigma, reach = np.random.default_rng(seed), fwhm / TO_SIGMA, 12
        made = rng.standard_normal(SHAPE, dtype=np.float32) * np.float32(NOISE) + np.float32(SKY)
        v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        for x, y, flux in zip(self.x, self.y, self.flux, strict=True):
            i, j = round(x), round(y)
            bell = np.exp(-((u - x + i) ** 2 + (v - y + j) ** 2) / (2 * sigma**2)) / (2 * math.pi * sigma**2)
            made[j - reach : j + reach + 1, i - reach : i + reach + 1] += factor * flux * bell
        return made


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure the subtraction, then the picture."""
    repeats = 1 if quick else 3
    yield subtracting(repeats)
    yield composing(repeats)


def pair() -> tuple[Sky, Reals, Reals, Reals]:
    """Make a narrow-band frame with a nebula, a sharper broad-band one, and the nebula alone."""
    sky = Sky.of()
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE)
    nebula = (
        60 * np.exp(-4 * (x[None, :] ** 2 + y[:, None] ** 2)) * (1 + 0.3 * np.sin(25 * x[None, :] + 9 * y[:, None]))
    )
    return sky, sky.frame(RATIO, FWHM[0], 1) + nebula, sky.frame(1.0, FWHM[1], 2), nebula


def subtracting(repeats: int) -> Row:
    """Subtract the continuum of 24 MP."""
    sky, narrow, broad, nebula = pair()
    last: dict[str, tuple[Reals, float]] = {}

    def ours() -> None:
        made = continuum_subtract(Frame(narrow), Frame(broad))
        last["ours"] = made.line.data.astype(np.float32, copy=False), made.scale.value

    def peer() -> None:
        last["peer"] = plain_subtraction(narrow, broad)

    mine, theirs = side_by_side(ours, peer, repeats)
    told = "; ".join(f"{name} {left(sky, *found, nebula)}" for name, found in last.items())
    return Row(
        "continuum subtraction, 24 MP", "s", mine, theirs, "photutils + SciPy", repeats, memory("subtract_once"), told
    )


def plain_subtraction(narrow: Reals, broad: Reals) -> tuple[Reals, float]:
    """Do it as one would in a notebook, knowing the seeing of both frames."""
    _, median, spread = sigma_clipped_stats(broad[::8, ::8])
    stars = DAOStarFinder(fwhm=FWHM[1], threshold=10 * spread)(broad - median)
    names = ("xcentroid", "ycentroid") if "xcentroid" in stars.colnames else ("x_centroid", "y_centroid")
    places = np.column_stack([stars[name] for name in names])
    sigma = math.sqrt(FWHM[0] ** 2 - FWHM[1] ** 2) / TO_SIGMA
    wide = ndimage.gaussian_filter(broad, sigma)
    circle, ring = CircularAperture(places, 5.0), CircularAnnulus(places, 8.0, 13.0)
    fluxes = [
        np.asarray(aperture_photometry(frame, circle)["aperture_sum"])
        - np.asarray(ApertureStats(frame, ring).median) * circle.area
        for frame in (narrow, wide)
    ]
    good = fluxes[1] > 5000
    scale = float(np.median(fluxes[0][good] / fluxes[1][good]))
    line = narrow - np.float32(scale) * wide
    return line - np.float32(np.percentile(line[::8, ::8], 10) + 1.2816 * NOISE), scale


def left(sky: Sky, line: Reals, scale: float, nebula: Reals) -> str:
    """Say how well k is met, and what is left at stars in units of the noise between them."""
    x, y = np.rint(sky.x).astype(int), np.rint(sky.y).astype(int)
    rest = line - nebula
    rng = np.random.default_rng(4)
    away = rest[rng.integers(20, SHAPE[0] - 20, 20000), rng.integers(20, SHAPE[1] - 20, 20000)]
    spread = 1.4826 * float(np.nanmedian(np.abs(away - np.nanmedian(away))))
    width = 1.4826 * float(np.nanmedian(np.abs(rest[y, x] - np.nanmedian(rest[y, x]))))
    return f"k {100 * (scale / RATIO - 1):+.2f} %, scatter at stars {width / spread:.2f} of that between them"


def composing(repeats: int) -> Row:
    """Make an 8-bit PNG of three frames of 24 MP."""
    frames = channels()
    with tempfile.TemporaryDirectory() as name:
        out, last = Path(name), {}

        def ours() -> None:
            made = composite(*(Frame(one) for one in frames))
            write_picture(out / "ours.png", made.pixels(), MADE, overwrite=True)
            last["white"] = made.white

        def peer() -> None:
            flat = [one - np.median(one[::8, ::8]) for one in frames]
            picture = make_lupton_rgb(*flat, stretch=20 * NOISE, Q=8)
            Image.fromarray(picture).save(out / "peer.png")

        mine, theirs = side_by_side(ours, peer, repeats)
    white = [one * colour / COLOURS[1] for one, colour in zip(last["white"], COLOURS, strict=True)]
    off = max(abs(one - 1) for one in white)
    return Row(
        "colour picture, 3 x 24 MP, PNG", "s", mine, theirs, "astropy + Pillow", repeats, memory("compose_once"),
        f"white balance within {100 * off:.2f} % of the truth; the peer has none",
    )  # fmt: skip


def channels() -> list[Reals]:
    """Three frames of stars of one colour."""
    sky = Sky.of()
    return [sky.frame(factor, 2.8, seed) for seed, factor in enumerate(COLOURS, 5)]


def subtract_once() -> None:
    """Subtract in a process of its own."""
    _, narrow, broad, _ = pair()
    continuum_subtract(Frame(narrow), Frame(broad))


def compose_once() -> None:
    """Compose in a process of its own."""
    composite(*(Frame(one) for one in channels()))


def memory(name: str) -> float:
    """Most memory of a process that does it once, its input frames among it, in MiB."""
    command = [sys.executable, "-c", ALONE, name]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600, cwd=ROOT)
    return float(done.stdout)

"""Stars and metrics of a raw 24-megapixel light read from its file, against SExtractor and sep on the same file.

Precision is that of what a program calls a star. Ours lists other sources too and flags what they are (hot pixels,
cosmic rays, pieces of a bad column); the share of true stars among all its sources is printed beside. The peers tell
nothing apart. Saturated and cut off stars are stars here.
"""

import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import sep
from astropy.io import fits
from astropy.stats import sigma_clipped_stats
from bench.clock import in_process, side_by_side
from bench.lights import make_lights
from bench.peers import here
from bench.rows import Bound, Of, Row
from numpy.typing import NDArray
from photutils.background import Background2D, MedianBackground
from photutils.segmentation import SourceCatalog, detect_sources
from scipy.spatial import cKDTree

from pictor.imaging.simulator.light import LightTruth
from pictor.imaging.simulator.psf import recorded_fwhm
from pictor.imaging.stars.starlist import StarFlag, StarList
from pictor.quality.compute import measure

MATCH_PX = 2.0
BRIGHT_SNR = 10.0
NO_STAR = StarFlag.HOT_PIXEL | StarFlag.COSMIC_RAY | StarFlag.TRAIL | StarFlag.EXTENDED
SEX = {
    "CATALOG_TYPE": "FITS_LDAC", "DETECT_THRESH": "1.5", "ANALYSIS_THRESH": "1.5", "FILTER": "N",
    "VERBOSE_TYPE": "QUIET", "BACK_SIZE": "64",
}  # fmt: skip
COLUMNS = ("X_IMAGE", "Y_IMAGE", "FLUX_AUTO", "FWHM_IMAGE", "ELLIPTICITY", "BACKGROUND", "FLAGS")


@dataclass(frozen=True, slots=True)
class Found:
    """Positions of what a program took for stars, 0-based."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def against(self, truth: LightTruth) -> str:
        """Share of detections that are stars, and of stars with SNR above 10 that were detected."""
        stars = truth.stars
        tree = cKDTree(np.column_stack([stars.x, stars.y]))
        near, _ = tree.query(np.column_stack([self.x, self.y]))
        mine = cKDTree(np.column_stack([self.x, self.y]))
        bright = stars.snr > BRIGHT_SNR
        seen, _ = mine.query(np.column_stack([stars.x[bright], stars.y[bright]]))
        return f"precision {np.mean(near <= MATCH_PX):.3f}, recall {np.mean(seen <= MATCH_PX):.3f}"


def rows(*, quick: bool) -> list[Row]:
    """Measure ours and each peer that is here, in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ((path, truth),) = make_lights(folder, 1)
        fwhm = measure(str(path), str(folder))["quality"]["fwhm_px"]
        rss = float(str(in_process("bench.measuring", {"path": str(path), "scratch": name})["rss_mib"]))
        stars, sources = _listed(folder / "stars.fits")
        accuracy = f"ours {stars.against(truth)} (with all it flags as none: {sources.against(truth)}), "
        accuracy += f"FWHM {fwhm:.2f} px (recorded {recorded_fwhm(truth.spec.psf):.2f})"
        found = []
        for peer_name, peer, limit in PEERS:
            repeats = 3 if quick or peer is _photutils else 5
            if peer is _sextractor and not here("source-extractor"):
                continue
            theirs = peer(path).against(truth)
            ours, other = side_by_side(lambda: measure(str(path), name), partial(peer, path), repeats)
            found.append(
                Row(
                    f"stars and metrics, raw 24 MP light, file to numbers (peer: {peer_name.split(',')[0]})", "s", ours,
                    other, peer_name, n=repeats, rss_mib=rss, accuracy=f"{accuracy}; peer {theirs}",
                    bounds=(Bound(Of.RATIO, limit),),
                )
            )  # fmt: skip
        return found


def _listed(path: Path) -> tuple[Found, Found]:
    """What ours calls stars, and all of its sources."""
    every = StarList.from_fits(path)
    stars = every.select((every.flags & int(NO_STAR)) == 0)
    return Found(stars.x, stars.y), Found(every.x, every.y)


def _sextractor(path: Path) -> Found:
    out, parameters = path.with_suffix(".cat"), path.with_suffix(".param")
    parameters.write_text("\n".join(COLUMNS) + "\n")
    options = [text for key, value in SEX.items() for text in (f"-{key}", value)]
    command = [
        "source-extractor", str(path), "-CATALOG_NAME", str(out), "-PARAMETERS_NAME", str(parameters), *options,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, cwd=path.parent)
    table = fits.getdata(out, 2)
    return Found(table["X_IMAGE"].astype(np.float64) - 1, table["Y_IMAGE"].astype(np.float64) - 1)


def _sep(path: Path) -> Found:
    data = fits.getdata(path, memmap=False).astype(np.float32)
    sky = sep.Background(data)
    sky.subfrom(data)
    found = sep.extract(data, 1.5, err=sky.globalrms)
    sep.flux_radius(data, found["x"], found["y"], 6.0 * found["a"], 0.5, subpix=5)
    return Found(found["x"], found["y"])


def _photutils(path: Path) -> Found:
    data = fits.getdata(path, memmap=False).astype(np.float32)
    data -= Background2D(data, 64, bkg_estimator=MedianBackground()).background.astype(np.float32)
    _, _, noise = sigma_clipped_stats(data[::4, ::4])
    found = SourceCatalog(data, detect_sources(data, 1.5 * noise, n_pixels=5))
    _ = found.fwhm, found.ellipticity
    return Found(np.asarray(found.x_centroid), np.asarray(found.y_centroid))


PEERS = (("SExtractor, process", _sextractor, 0.2), ("sep", _sep, 0.3), ("photutils segmentation", _photutils, 0.07))

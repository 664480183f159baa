"""Time star catalogue and metrics against sep, measured in the same run; prints one JSON line per comparison.

Run ``python bench/stars.py [small|large]``: 4 or 24 megapixels. The peer does the same work with sep: mesh
background, extraction, half-light radii. A ratio below 1 means ours is faster. Frames of 4 megapixels with stars of
known width follow, Gaussian and Moffat: how far the width found is off is printed beside the speed.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import sep

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pictor.imaging.background import mesh_background
from pictor.imaging.quality.measuring import measure
from pictor.imaging.quality.sky import sky_of
from pictor.imaging.stars.finding import find_stars
from tests.support.sky import Recipe, render

SIZES = {"small": ((2000, 2000), 2000), "large": ((4000, 6000), 12000)}
WIDTHS = ((1.8, 0.05), (2.8, 0.02), (7.0, 0.02))
"""FWHM in pixels, and the share of it the width found may be off."""
REPEATS = 5
THRESHOLD = 1.5

Work = Callable[[np.ndarray], object]


def ours_metrics(image: np.ndarray) -> int:
    """Background, star list, profile and every metric."""
    sky = sky_of(image, bayer=False)
    stars = find_stars(image, background=sky)
    return measure(image, stars, sky).star_count


def ours_background(image: np.ndarray) -> float | None:
    """Mesh background alone."""
    return mesh_background(image).level


def peer_background(image: np.ndarray) -> float:
    """Mesh background of sep."""
    return float(sep.Background(image.astype(np.float32)).globalback)


def peer_metrics(image: np.ndarray) -> int:
    """Background and catalogue with half-light radii."""
    data = image.astype(np.float32)
    background = sep.Background(data)
    background.subfrom(data)
    found = sep.extract(data, THRESHOLD, err=background.globalrms)
    sep.flux_radius(data, found["x"], found["y"], 6.0 * found["a"], 0.5, subpix=5)
    return len(found)


def ours_width(image: np.ndarray) -> float | None:
    """Width of the stellar profile, with all other metrics."""
    sky = sky_of(image, bayer=False)
    return measure(image, find_stars(image, background=sky), sky).fwhm_px


def peer_width(image: np.ndarray) -> float:
    """Median width of the bright sources by their second moments, as sep gives them."""
    data = image.astype(np.float32)
    background = sep.Background(data)
    background.subfrom(data)
    found = sep.extract(data, THRESHOLD, err=background.globalrms)
    sep.flux_radius(data, found["x"], found["y"], 6.0 * found["a"], 0.5, subpix=5)
    bright = found[np.argsort(-found["flux"])[:200]]
    return float(np.median(2.0 * np.sqrt(np.log(2.0) * (bright["a"] ** 2 + bright["b"] ** 2))))


def timed(work: Work, image: np.ndarray) -> tuple[float, float, object]:
    """Median wall and processor time in milliseconds, after one warm-up call."""
    result = work(image)
    walls, processors = [], []
    for _ in range(REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        work(image)
        walls.append((time.perf_counter() - wall) * 1e3)
        processors.append((time.process_time() - processor) * 1e3)
    return statistics.median(walls), statistics.median(processors), result


def compare(name: str, ours: Work, peer: Work, image: np.ndarray, **more: object) -> None:
    """Print one comparison."""
    mine, theirs = timed(ours, image), timed(peer, image)
    line = {
        "name": name, "megapixels": round(image.size / 1e6, 1), "peer": f"sep {sep.__version__}",
        "ours_ms": round(mine[0], 1), "peer_ms": round(theirs[0], 1), "ratio": round(mine[0] / theirs[0], 3),
        "ours_cpu_ms": round(mine[1], 1), "peer_cpu_ms": round(theirs[1], 1),
        "cpu_ratio": round(mine[1] / theirs[1], 3),
        "ours_found": mine[2], "peer_found": theirs[2], **more,
    }  # fmt: skip
    print(json.dumps(line), flush=True)


def main() -> None:
    """Compare at the sizes asked for."""
    for size in sys.argv[1:] or ["large"]:
        shape, stars = SIZES[size]
        recipe = Recipe(shape=shape, fwhm=3.6, profile="moffat", beta=3.5, stars=stars, sky=1600.0)
        plain = render(recipe).image
        raw = render(replace(recipe, hot_share=0.001)).image
        compare(f"background-{size}", ours_background, peer_background, plain)
        compare(f"stars-and-metrics-{size}", ours_metrics, peer_metrics, plain)
        compare(f"stars-and-metrics-raw-{size}", ours_metrics, peer_metrics, raw)
    for width, limit in WIDTHS:
        for profile in ("gaussian", "moffat"):
            sky = render(Recipe(shape=(2000, 2000), fwhm=width, profile=profile, beta=3.5, stars=2000, hot_share=0.001))
            name = f"stars-and-metrics-{profile}-{width:g}px"
            compare(name, ours_width, peer_width, sky.image, true_fwhm=round(sky.fwhm, 3), limit=limit)


if __name__ == "__main__":
    main()

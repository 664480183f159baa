"""Cosmic rays in crowded fields: what is found, what is taken for one and is none, and how long it takes.

``python -m bench.cosmics`` prints a table: fields of 300 to 2,000 stars in 0.6 million pixels, mono and under a Bayer
pattern, with tracks of known place, ours and astroscrappy side by side at the same settings. An event is found when one
of its pixels is; a false pixel lies more than 1.5 pixels from any track, 3 under a pattern.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from bench.clock import in_process, status_mib, timed
from bench.rows import Bound, Of, Row
from numpy.typing import NDArray
from scipy import ndimage

from pictor.imaging.calibration.cosmics import CONTRAST, NEIGHBOUR_SHARE, PASSES, SIGMA, Detector, find_cosmics, warm
from pictor.imaging.simulator.psf import Psf, add_stars

EGAIN, READ_NOISE_E, SKY_ADU = 1.5, 4.0, 300.0
COLOURS = np.array([[0.6, 1.0], [1.0, 0.45]], np.float32)
FIELDS = [(fwhm, stars) for stars in (300, 1000, 2000) for fwhm in (1.5, 1.8, 2.5, 4.0)]
SIDE = 768
DETECTOR = Detector(EGAIN, READ_NOISE_E)
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class Scene:
    """A light with its error, the pixels every event hit, and the centres of stars (y, x)."""

    light: NDArray[np.float32]
    err: NDArray[np.float32]
    events: NDArray[np.int32]
    stars: NDArray[np.float64]
    bayer: bool


def make_scene(side: int, fwhm: float, stars: int, *, bayer: bool, events: int, seed: int = 11) -> Scene:
    """Expose stars from faint to nearly full and let particles cross on tracks of one to six pixels."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side), SKY_ADU, np.float32)
    x, y = rng.uniform(4, side - 4, (2, stars))
    add_stars(image, x, y, 10 ** rng.uniform(3.3, 5.6, stars), Psf("gaussian", fwhm))
    if bayer:
        image *= np.tile(COLOURS, (side // 2, side // 2))
    electrons = rng.poisson(image * EGAIN) + rng.normal(0, READ_NOISE_E, image.shape)
    hit = np.zeros(image.shape, np.int32)
    for number in range(1, events + 1):
        at_y, at_x, angle = rng.uniform(8, side - 8), rng.uniform(8, side - 8), rng.uniform(0, np.pi)
        charge = 10 ** rng.uniform(2.9, 4.3)
        for step in range(rng.integers(1, 7)):
            place = round(at_y + step * np.sin(angle)), round(at_x + step * np.cos(angle))
            electrons[place] += charge
            hit[place] = number
    light = np.rint(electrons / EGAIN).astype(np.float32)
    err = np.sqrt(np.maximum(light, 0) / EGAIN + (READ_NOISE_E / EGAIN) ** 2 + 1 / 12).astype(np.float32)
    return Scene(light, err, hit, np.column_stack([y, x]), bayer)


def ours(scene: Scene) -> Hits:
    """Find hits as the service does."""
    none = np.zeros(scene.light.shape, np.uint8)
    return find_cosmics(scene.light, none, scene.err, DETECTOR, bayer=scene.bayer)


def theirs(scene: Scene) -> Hits:
    """Find hits with astroscrappy, under a Bayer pattern in each colour by itself."""
    from astroscrappy import detect_cosmics  # noqa: PLC0415

    found = np.zeros(scene.light.shape, np.bool_)
    step = 2 if scene.bayer else 1
    for y, x in np.ndindex(step, step):
        part = np.ascontiguousarray(scene.light[y::step, x::step])
        found[y::step, x::step], _ = detect_cosmics(
            part, gain=EGAIN, readnoise=READ_NOISE_E, sigclip=SIGMA, sigfrac=NEIGHBOUR_SHARE, objlim=CONTRAST,
            satlevel=np.inf, niter=PASSES, sepmed=True,
        )  # fmt: skip
    return found


@dataclass(frozen=True)
class Score:
    """Events found, false pixels, and those of them within 1.5 pixels of a star."""

    events: int
    false: int
    in_stars: int


def score(scene: Scene, found: Hits) -> Score:
    """Hold what was found against the truth."""
    near = ndimage.distance_transform_edt(scene.events == 0) <= (3.0 if scene.bayer else 1.5)
    centres = np.ones(scene.light.shape, np.bool_)
    at = np.clip(np.rint(scene.stars).astype(int), 0, scene.light.shape[0] - 1)
    centres[at[:, 0], at[:, 1]] = False
    core = ndimage.distance_transform_edt(centres) <= 1.5
    events = np.unique(scene.events[found & (scene.events > 0)]).size
    return Score(events, int((found & ~near).sum()), int((found & ~near & core).sum()))


def table() -> None:
    """Print a line for each field."""
    print(f"{'field':<34}{'events':>7}  {'found':>12}  {'false pixels':>14}  {'near stars':>12}")
    print(f"{'':<34}{'':>7}  {'ours  peer':>12}  {'ours    peer':>14}  {'ours   peer':>12}")
    for bayer in (False, True):
        for fwhm, stars in FIELDS:
            scene = make_scene(SIDE, fwhm, stars, bayer=bayer, events=300)
            mine, other = score(scene, ours(scene)), score(scene, theirs(scene))
            name = f"{'Bayer' if bayer else 'mono'}, {stars} stars, FWHM {fwhm} px"
            print(
                f"{name:<34}{int(scene.events.max()):>7}  {mine.events:>5} {other.events:>6}"
                f"  {mine.false:>6} {other.false:>7}  {mine.in_stars:>5} {other.in_stars:>6}"
            )


def rows(*, quick: bool) -> Iterator[Row]:
    """Time both on one frame, in a process of its own."""
    found = in_process("bench.cosmics", {"megapixels": 4.0 if quick else 24.0})
    yield Row(
        f"cosmic rays, {found['megapixels']} MP", "s", float(str(found["ours_s"])), float(str(found["peer_s"])),
        "astroscrappy sepmed, same settings, run once", n=3, rss_mib=float(str(found["rss_mib"])),
        accuracy=str(found["accuracy"]), bounds=(Bound(Of.RATIO, 0.03),),
    )  # fmt: skip


def main(megapixels: float) -> dict[str, object]:
    """Time both on one frame."""
    side = int((megapixels * 1e6) ** 0.5) // 2 * 2
    share = side * side / SIDE**2
    scene = make_scene(side, 2.5, round(300 * share), bayer=False, events=round(300 * share))
    warm()
    times = timed(lambda: ours(scene), 3)
    rss = status_mib("self", "VmHWM")
    start = time.perf_counter()
    other = score(scene, theirs(scene))
    peer = time.perf_counter() - start
    mine = score(scene, ours(scene))
    told = f"ours {mine.events} of {scene.events.max()} events, {mine.false} false pixels; "
    told += f"peer {other.events} and {other.false}"
    return {
        "megapixels": megapixels, "ours_s": statistics.median(times), "peer_s": peer, "rss_mib": rss, "accuracy": told,
    }  # fmt: skip


if __name__ == "__main__":
    table()

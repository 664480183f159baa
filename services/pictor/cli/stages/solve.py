"""Plate solving of frames and star tables in files."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from astropy.io import fits

from pictor.astrometry.believing import belief_of
from pictor.astrometry.compute import solution_values
from pictor.astrometry.solver import BY_INDEX, Belief, Means, Solved, point, solve_stars
from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, checked, each, finite, left_to_do, named, require_free
from pictor.cli.stages.solving import Given, read_given, write_results
from pictor.cli.telling import tell
from pictor.imaging.astrometry.geometry import SkyPoint
from pictor.imaging.astrometry.pointing import offset
from pictor.imaging.astrometry.solution import Solution
from pictor.imaging.errors import ImagingError
from pictor.imaging.headers.targets import find_target
from pictor.imaging.headers.values import angle, is_sexagesimal

INSTALL = "pictor index install FOLDER, then --index FOLDER or PICTOR_INDEX_DIR=FOLDER"

_SAMPLE_WALL_S = 5.0
"""Seconds for a frame when only the sample index is there: its fields are found within one."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What the caller believes; None leaves it to the header."""

    ra: str | None
    dec: str | None
    radius_deg: float
    scale_arcsec: float | None
    parity: int | None
    blind: bool = False
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The star table of the photometry; without a path that of the star index."""

    path: Path | None
    mag: str
    colour: str | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is written, and whether photometry is measured."""

    out: Path
    wcs_only: bool = False
    stars: bool = True
    catalogue: Catalogue | None = None
    overwrite: bool = False

    def targets(self, path: Path) -> dict[str, Path]:
        """Name the products of one frame."""
        solved = named(path, "solved", self.out, ending=".wcs" if self.wcs_only else ".fits")
        found = {"solved": solved}
        if self.stars:
            found["stars"] = named(path, "solved_stars", self.out)
        return found


def means_of(index: Sequence[Path], solvers: Sequence[str], astap_database: Path | None, wall_s: float) -> Means:
    """Choose what frames are solved with."""
    return Means(tuple(index), tuple(dict.fromkeys(solvers)) or ("engine",), astap_database, wall_s)


def main(files: Sequence[Path], hints: Hints, means: Means, wish: Wish, *, resume: bool, json: bool) -> int:
    """Solve every frame; 0: all solved, 1: one is not, 2: the call was wrong."""

    def run() -> int:
        missing = [folder for folder in means.index_dirs if not folder.is_dir()]
        if missing:
            raise CommandError(f"{missing[0]} is no folder of star indexes; install one with: {INSTALL}", 2)
        known = believed(hints)
        chosen = means
        if set(means.solvers) & BY_INDEX and all(index.sample for index in means.indexes()):
            chosen = replace(means, wall_s=min(means.wall_s, _SAMPLE_WALL_S))
            tell(
                f"pictor: only the sample star index is there (three small fields); for others: {INSTALL}",
                file=sys.stderr,
            )
        left = left_to_do(files, lambda path: wish.targets(path).values(), resume=resume)
        targets = [one for path in left for one in wish.targets(path).values()]
        require_free(targets, overwrite=wish.overwrite, inputs=files)
        work = partial(_one, known=known, hints=hints, means=chosen, wish=wish)
        return each(left, work, label="solve", say=_line, json=json)

    return checked(run)


def believed(hints: Hints) -> Belief:
    """Read the position and target given on the command line.

    Raises
    ------
    CommandError
        With exit code 2.
    """
    if (hints.ra is None) != (hints.dec is None):
        raise CommandError("--ra and --dec belong together", 2)
    where = None if hints.ra is None or hints.dec is None else position(hints.ra, hints.dec)
    target = None if hints.target is None else _target(hints.target)
    return Belief(where, hints.radius_deg, hints.scale_arcsec, hints.parity or None, target)


def position(ra: str, dec: str) -> SkyPoint:
    """Read a position: degrees, or hours and degrees with minutes and seconds."""
    along, up = angle(ra, hours=is_sexagesimal(ra)), angle(dec, hours=False)
    found = None if along is None or up is None else point((along, up))
    if found is None:
        raise CommandError(f"{ra!r} {dec!r} is no position; write degrees, or 'HH MM SS' and '+DD MM SS'", 2)
    return found


def _target(text: str) -> SkyPoint:
    try:
        found = find_target(text)
    except ImagingError as error:
        raise CommandError(str(error), 2) from error
    return found.ra_deg, found.dec_deg


def _one(path: Path, *, known: Belief, hints: Hints, means: Means, wish: Wish) -> Told:
    given = read_given(path)
    began = time.monotonic()
    belief = _joined(known, given.header, given.stars.shape, hints)
    found = solve_stars(given.stars, belief, means)
    told: Told = {
        "status": "solved" if found.solution is not None else "unsolved",
        "stars": found.star_count,
        "seconds": round(time.monotonic() - began, 4),
        "hints": {"position": belief.position, "scale_arcsec": belief.scale_arcsec, "radius_deg": belief.radius_deg},
        "attempts": [asdict(attempt) for attempt in found.attempts],
    }
    if found.solution is None:
        return _told(told | _unsolved(path, found))
    told |= _values(found.solution, belief)
    told["photometry"], told["photometry_refused"] = _photometry(given, found.solution, means, wish)
    told["outputs"] = write_results(
        path, given, found.solution, told["photometry"], targets=wish.targets(path), how=wish
    )
    return _told(told)


def _told(values: Told) -> Told:
    found: Told = finite(values)
    return found


def _joined(known: Belief, header: fits.Header, shape: tuple[int, int], hints: Hints) -> Belief:
    """Take what was given before what the header says; blind believes the scale of nobody."""
    said = belief_of(header, shape, radius_deg=hints.radius_deg)
    if hints.blind:
        return replace(known, target=known.target or said.target, mount=said.mount)
    return Belief(
        known.position or said.position, known.radius_deg, known.scale_arcsec or said.scale_arcsec, known.parity,
        known.target or said.target, said.mount,
    )  # fmt: skip


def _unsolved(path: Path, found: Solved) -> Told:
    """Say on the terminal and in the result why there is no solution."""
    failure = found.failure
    reason, message = (failure.reason.value, failure.message) if failure else ("no-match", "no position was found")
    tell(f"pictor: {path}: no solution ({reason}): {message}", file=sys.stderr)
    return {"refused": message, "reason": reason}


def _values(solution: Solution, belief: Belief) -> dict[str, Any]:
    values = solution_values(solution)
    centre = (solution.ra_deg, solution.dec_deg)
    for name, other in (("target", belief.target), ("mount", belief.mount)):
        values[f"{name}_offset"] = None if other is None else asdict(offset(other, centre))
    return values


def _photometry(given: Given, solution: Solution, means: Means, wish: Wish) -> tuple[Told | None, str | None]:
    """Measure the zero point where asked; a frame without one is solved all the same, and says why."""
    if wish.catalogue is None:
        return None, None
    from pictor.cli.stages.solving import photometry_of

    try:
        catalogue = wish.catalogue
        return photometry_of(given, solution, means, catalogue.path, (catalogue.mag, catalogue.colour)), None
    except ImagingError as error:
        return None, str(error)


def _line(told: Told) -> str:
    width, height = (60 * told[side] for side in ("width_deg", "height_deg"))
    mirrored = "" if told["parity"] > 0 else ", mirrored as stored"
    text = (
        f"{told['input']}: {told['ra_deg']:.5f} {told['dec_deg']:+.5f}, {told['scale_arcsec']:.4f} arcsec/px, up at "
        f"{told['pa_deg']:.2f} deg{mirrored}, {width:.1f} x {height:.1f} arcmin, {told['matched']} stars in "
        f"{told['zones']} of 9 zones, rms {told['rms_px']:.2f} px ({told['rms_arcsec']:.2f} arcsec)"
    )
    if told["target_offset"] is not None:
        away = told["target_offset"]
        text += f", {away['separation_arcsec']:.0f} arcsec from the target at {away['pa_deg']:.0f} deg"
    light = told["photometry"]
    if light is not None:
        text += f", zero point {light['zero_point_mag']:.3f} +/- {light['zero_point_error_mag']:.3f} mag"
    if told["photometry_refused"]:
        text += f"; no zero point: {told['photometry_refused']}"
    return text

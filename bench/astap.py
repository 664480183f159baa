"""A raw 24-megapixel light to its solution: stars found and solved in a warm process, against ASTAP on the same file.

ASTAP has its star database in the folder that PICTOR_ASTAP_DATABASE names, else in ``astap-tycho2-290`` of the real
frames; without one the row has no peer and says so. It is given the fewest stars that solve this field, which is its
quickest way; ours measures every star, its shape and the sky too, and fits and verifies the solution.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import side_by_side
from bench.lights import make_lights
from bench.rows import Bound, Of, Row

from pictor.astrometry.backends.astap import PROGRAMS, TILES, parse_ini
from pictor.astrometry.compute import solve
from pictor.imaging.astrometry.geometry import separation
from pictor.imaging.simulator.light import LightTruth
from pictor.quality.compute import measure

STAR_LIMITS = (50, 100, 200, 500)
RADIUS_DEG = 3.0


@dataclass(frozen=True, slots=True)
class Astap:
    """The program and its star database."""

    program: str
    database: Path

    def run(self, path: Path, truth: LightTruth, most: int) -> bool:
        """Solve a frame with a hint of its place and its field; tell whether it was solved."""
        place, height = truth.spec.pointing, truth.spec.rig.camera.ny
        result = path.with_suffix(".ini")
        result.unlink(missing_ok=True)
        command = [
            self.program, "-f", str(path), "-o", str(path.with_suffix("")), "-d", str(self.database), "-s", str(most),
            "-ra", f"{place.ra_deg / 15:.6f}", "-spd", f"{place.dec_deg + 90:.6f}", "-r", f"{RADIUS_DEG:g}",
            "-fov", f"{place.scale_arcsec * height / 3600:.5f}",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        return done.returncode == 0 and result.exists() and parse_ini(result.read_text("ascii", "replace"))[1]


def rows(*, quick: bool) -> list[Row]:
    """Measure both in turns."""
    with tempfile.TemporaryDirectory() as name:
        ((path, truth),) = make_lights(Path(name), 1)
        found, why = _found()
        most = next((most for most in STAR_LIMITS if found is not None and found.run(path, truth, most)), None)
        if found is not None and most is None:
            found, why = None, "missing: ASTAP did not solve this field with its star database"
        repeats = 3 if quick else 5
        ours, peer = side_by_side(
            lambda: light(path, truth), None if found is None else lambda: found.run(path, truth, most or 0), repeats
        )
        return [
            Row(
                "raw 24 MP light to its solution, file to cards", "s", ours, peer, why or f"ASTAP -s {most}",
                n=repeats, bounds=(Bound(Of.RATIO, 0.5),), accuracy=_accuracy(path, truth),
            )
        ]  # fmt: skip


def light(path: Path, truth: LightTruth) -> dict[str, Any]:
    """Find stars and solve, as the services do."""
    place = truth.spec.pointing
    stars = measure(str(path), str(path.parent))["stars_path"]
    return solve(
        stars, str(path.parent), position=(place.ra_deg, place.dec_deg), radius_deg=RADIUS_DEG,
        scale_arcsec=place.scale_arcsec,
    )  # fmt: skip


def _found() -> tuple[Astap | None, str]:
    """Find the program and its star database, or say what is missing."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        return None, "missing: ASTAP is not installed; apt-get install astap-cli"
    named, real = os.environ.get("PICTOR_ASTAP_DATABASE"), os.environ.get("PICTOR_REAL_DATA")
    folders = [Path(named)] if named else [Path(real) / "astap-tycho2-290"] if real else []
    for folder in folders:
        if any(any(folder.glob(tile)) for tile in TILES):
            return Astap(program, folder), ""
    return None, "missing: ASTAP has no star database; name its folder in PICTOR_ASTAP_DATABASE"


def _accuracy(path: Path, truth: LightTruth) -> str:
    solution, place = light(path, truth)["solution"], truth.spec.pointing
    if solution is None:
        return "not solved"
    off = 3600 * separation((solution["ra_deg"], solution["dec_deg"]), (place.ra_deg, place.dec_deg))
    return f'centre {off:.2f}" off the truth'

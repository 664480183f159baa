"""ASTAP's command line: a picture of the stars in, an .ini out."""

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.astrometry.backends.external import Ended, printable, result_text, run, workplace
from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Limits, Reason, SolverInput
from pictor.astrometry.backends.results import KEYWORDS, candidate, number
from pictor.imaging.astrometry.projection import Floats

PROGRAMS = ("astap_cli", "astap")
TILES = ("*.1476", "*.290", "*.001")
_NAME = "in"
_LONGEST_PX = 1500
"""The picture is drawn no larger: the time ASTAP takes grows with its pixels."""
_SIGMA_PX = 1.5
_STAMP_PX = 6
_SKY, _NOISE, _TOP = 1000.0, 10.0, 50000.0
_STAR_LIMITS = (50, 200, 100, 500)
"""Stars drawn and asked for with ``-s``: few suit sparse databases (Tycho-2 has 45 per square degree), ASTAP's
own default of 500 those with thousands."""
_TOO_FEW, _UNREADABLE, _NO_DATABASE = 2, 16, (32, 33)


@dataclass(frozen=True, slots=True)
class AstapSolver:
    """ASTAP with a folder of star database tiles."""

    database: Path | None = None
    program: str | None = None
    name: str = "astap"
    star_count: int = max(_STAR_LIMITS)
    least_s: float = 2.0

    def unavailable(self) -> Failure | None:
        """Say whether the program or its star database is missing."""
        if self._program() is None:
            return Failure(
                Reason.SOLVER_UNAVAILABLE, "ASTAP is not installed; install it with: apt-get install astap-cli"
            )
        if self.database is None or not any(any(self.database.glob(tile)) for tile in TILES):
            return Failure(
                Reason.NOT_CONFIGURED,
                "no ASTAP star database is set; unpack one (such as D50) and name its folder in PICTOR_ASTAP_DATABASE",
            )
        return None

    def solve(self, given: SolverInput, hints: Hints, limits: Limits) -> Candidate | Failure:
        """Draw the stars, ask ASTAP with fewer and fewer of them, and read its answer."""
        program = self._program()
        if program is None or self.database is None:
            return Failure(Reason.SOLVER_UNAVAILABLE, "ASTAP or its star database is missing")
        shrink = max(1.0, max(given.width, given.height) / _LONGEST_PX)
        answer: Candidate | Failure = Failure(Reason.NO_MATCH, "no star pattern of the field matched")
        with workplace(given.scratch) as folder:
            for most in _STAR_LIMITS:
                draw(replace(given, stars=given.stars[:most]), shrink, folder / f"{_NAME}.fits")
                part = limits.part(1 / len(_STAR_LIMITS))
                command = [program, *arguments(given, hints, self.database, most)]
                answer = _answer(run(command, folder, part, readable=[self.database]), folder)
                if isinstance(answer, Candidate):
                    return _unshrunk(answer, shrink)
                if answer.reason not in (Reason.NO_MATCH, Reason.TOO_FEW_STARS, Reason.TIME_LIMIT):
                    break
        return answer

    def _program(self) -> str | None:
        if self.program is not None:
            return shutil.which(self.program)
        return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def arguments(given: SolverInput, hints: Hints, database: Path, most: int) -> list[str]:
    """Write ASTAP's arguments: hours and south pole distance, field height in degrees."""
    words = ["-f", f"{_NAME}.fits", "-o", _NAME, "-d", str(database), "-s", str(most), "-z", "1"]
    scale = 0.0
    if hints.scale_low is not None and hints.scale_high is not None:
        scale = math.sqrt(hints.scale_low * hints.scale_high)
    words += ["-fov", f"{scale * given.height / 3600:.5f}"]
    if hints.position is None:
        return [*words, "-ra", "0", "-spd", "90", "-r", "180"]
    ra, dec = hints.position
    return [*words, "-ra", f"{ra / 15:.6f}", "-spd", f"{dec + 90:.6f}", "-r", f"{min(hints.radius_deg, 180):.3f}"]


def draw(given: SolverInput, shrink: float, path: Path) -> None:
    """Draw the stars as round spots on a noisy sky: ASTAP reads pictures, and only clean stars shall be in it."""
    width, height = math.ceil(given.width / shrink), math.ceil(given.height / shrink)
    image = np.random.default_rng(1).normal(_SKY, _NOISE, (height, width))
    steps = np.arange(-_STAMP_PX, _STAMP_PX + 1)
    brightest = float(np.max(given.stars[:, 2], initial=1.0))
    for x, y, flux in given.stars:
        left, low = (x - 0.5) / shrink - 0.5, (y - 0.5) / shrink - 0.5
        columns, rows = round(left) + steps, round(low) + steps
        spot = np.exp(-(((columns - left) ** 2)[None, :] + ((rows - low) ** 2)[:, None]) / (2 * _SIGMA_PX**2))
        _add(image, rows, columns, _TOP * math.sqrt(max(flux, 0.0) / brightest) * spot)
    fits.PrimaryHDU(np.clip(image, 0, 65535).astype(np.uint16)).writeto(path, overwrite=True)


def parse_ini(text: str) -> tuple[dict[str, float], bool, str]:
    """Read an .ini: WCS numbers, whether it says solved, and its error or warning.

    Parameters
    ----------
    text
        The file; positive numbers have a leading blank.

    Returns
    -------
    tuple
        Numbers by keyword, the solved flag, and the error text.
    """
    pairs = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    pairs = {key.strip().upper(): value.strip() for key, value in pairs.items()}
    numbers = {key: value for key in KEYWORDS if (value := number(pairs.get(key, ""))) is not None}
    return numbers, pairs.get("PLTSOLVD", "") == "T", pairs.get("ERROR", "")


def _answer(ended: Ended | Failure, folder: Path) -> Candidate | Failure:
    """Judge by the .ini; codes tell more only in the newer generation."""
    if isinstance(ended, Failure):
        return ended
    text = result_text(folder / f"{_NAME}.ini")
    if text is None:
        return _silent(ended)
    numbers, solved, error = parse_ini(text)
    (folder / f"{_NAME}.ini").unlink(missing_ok=True)
    if solved and ended.code == 0:
        return candidate(numbers, index="astap")
    return _failure(ended.code, printable(error))


def _silent(ended: Ended) -> Failure:
    """Name why there is no .ini; the program with windows ends at once where there is no screen."""
    if "display" in ended.text.lower() or "gtk" in ended.text.lower():
        return Failure(
            Reason.SOLVER_UNAVAILABLE, "ASTAP wants a screen; install it without one: apt-get install astap-cli"
        )
    if ended.code == _UNREADABLE:
        return _failure(ended.code, "")
    reason = Reason.SOLVER_SILENT if ended.code == 0 else Reason.SOLVER_CRASH
    return Failure(reason, f"ASTAP ended with code {ended.code} and left no result")


def _failure(code: int, error: str) -> Failure:
    """Name the cause: the older generation says it in the .ini, the newer one also in the exit code."""
    said = error.lower()
    if code in _NO_DATABASE or "database" in said:
        return Failure(Reason.NOT_CONFIGURED, f"ASTAP cannot use its star database: {error or code}")
    if code == _UNREADABLE or "reading image" in said:
        return Failure(Reason.UNREADABLE, f"ASTAP cannot read the picture of the stars: {error or code}")
    if code == _TOO_FEW or "not enough stars" in said:
        return Failure(Reason.TOO_FEW_STARS, "ASTAP found too few stars")
    if code > _TOO_FEW:
        return Failure(Reason.SOLVER_CRASH, f"ASTAP ended with code {code} {error}".strip())
    return Failure(Reason.NO_MATCH, error or "no star pattern of the field matched")


def _unshrunk(found: Candidate, shrink: float) -> Candidate:
    """Bring the answer from the picture's pixels to the frame's."""
    x, y = ((value - 0.5) * shrink + 0.5 for value in found.wcs.crpix)
    (cd11, cd12), (cd21, cd22) = found.wcs.cd
    cd = ((cd11 / shrink, cd12 / shrink), (cd21 / shrink, cd22 / shrink))
    return replace(found, wcs=replace(found.wcs, crpix=(x, y), cd=cd))


def _add(image: Floats, rows: NDArray[np.int_], columns: NDArray[np.int_], spot: Floats) -> None:
    """Add a spot where it lies on the picture."""
    on_rows = (rows >= 0) & (rows < image.shape[0])
    on_columns = (columns >= 0) & (columns < image.shape[1])
    image[np.ix_(rows[on_rows], columns[on_columns])] += spot[np.ix_(on_rows, on_columns)]

"""astrometry.net's solve-field: a list of stars in, a WCS header out."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from pictor.astrometry.backends.external import Ended, result_text, run, workplace
from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Limits, Reason, SolverInput
from pictor.astrometry.backends.results import KEYWORDS, candidate, number
from pictor.astrometry.indexes import fitting, installed

PROGRAM = "solve-field"
_NAME = "in"
_CARD = 80


@dataclass(frozen=True, slots=True)
class SolveFieldSolver:
    """solve-field over the star indexes of some folders."""

    folders: tuple[Path, ...]
    program: str = PROGRAM
    name: str = "solve-field"
    star_count: int = 100
    least_s: float = 4.0

    def unavailable(self) -> Failure | None:
        """Say whether the program or every index is missing."""
        if shutil.which(self.program) is None:
            return Failure(
                Reason.SOLVER_UNAVAILABLE,
                "solve-field is not installed; install it with: apt-get install astrometry.net",
            )
        if not installed(self.folders):
            return Failure(
                Reason.NOT_CONFIGURED, "no star index is installed; install one with: pictor index install FOLDER"
            )
        return None

    def solve(self, given: SolverInput, hints: Hints, limits: Limits) -> Candidate | Failure:
        """Hand over the star list; whether it is solved, only the .solved file tells."""
        program = shutil.which(self.program)
        chosen = fitting(installed(self.folders), hints, given.width, given.height)
        if program is None:
            return Failure(Reason.SOLVER_UNAVAILABLE, "solve-field is not installed")
        if not chosen:
            return Failure(Reason.NO_INDEX_FOR_SCALE, "no installed star index has patterns for this field")
        with workplace(given.scratch) as folder:
            _write_stars(given, folder / f"{_NAME}.xyls")
            lines = ["cpulimit " + str(limits.cpu_s), *(f"index {index.path}" for index in chosen)]
            (folder / "in.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")
            places = {index.path.resolve().parent for index in chosen}
            return _answer(run([program, *arguments(given, hints)], folder, limits, readable=sorted(places)), folder)


def arguments(given: SolverInput, hints: Hints) -> list[str]:
    """Write solve-field's arguments."""
    words = [f"{_NAME}.xyls", "--config", "in.cfg", "--dir", ".", "--temp-dir", ".", "--overwrite", "--no-plots"]
    words += ["--x-column", "X", "--y-column", "Y", "--sort-column", "FLUX", "--no-tweak", "--no-verify"]
    words += ["--width", str(given.width), "--height", str(given.height), "--corr", "none", "--rdls", "none"]
    if hints.scale_low is not None and hints.scale_high is not None:
        words += ["--scale-units", "arcsecperpix"]
        words += ["--scale-low", f"{hints.scale_low:.6f}", "--scale-high", f"{hints.scale_high:.6f}"]
    if hints.position is not None:
        words += ["--ra", f"{hints.position[0]:.6f}", "--dec", f"{hints.position[1]:.6f}"]
        words += ["--radius", f"{hints.radius_deg:.3f}"]
    return words


def parse_wcs(text: str) -> dict[str, float]:
    """Read the numbers of a FITS header by hand: 80 characters a card, strictly ``KEYWORD = number``."""
    cards = [text[at : at + _CARD] for at in range(0, len(text), _CARD)]
    pairs = ((card[:8].strip(), card[10:]) for card in cards if card[8:10] == "= ")
    found = ((key, number(value)) for key, value in pairs if key in KEYWORDS)
    return {key: value for key, value in found if value is not None}


def _write_stars(given: SolverInput, path: Path) -> None:
    names = ("X", "Y", "FLUX")
    columns = [fits.Column(name, "D", array=given.stars[:, place]) for place, name in enumerate(names)]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["IMAGEW"], table.header["IMAGEH"] = given.width, given.height
    table.writeto(path, overwrite=True)


def _answer(ended: Ended | Failure, folder: Path) -> Candidate | Failure:
    if isinstance(ended, Failure):
        return ended
    if result_text(folder / f"{_NAME}.solved") != "\1":
        if ended.code != 0:
            return Failure(Reason.SOLVER_CRASH, f"solve-field ended with code {ended.code}")
        return Failure(Reason.NO_MATCH, "no star pattern of the field matched")
    text = result_text(folder / f"{_NAME}.wcs")
    if text is None:
        return Failure(Reason.SOLVER_SILENT, "solve-field says that it solved the field and left no result")
    return candidate(parse_wcs(text), index=PROGRAM)

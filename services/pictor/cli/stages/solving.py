"""What `pictor solve` reads and writes: frames or star tables, and the same with coordinates."""

import warnings as python_warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.io import fits

from pictor.astrometry.brightness import index_stars
from pictor.astrometry.solver import Means
from pictor.cli.stages.running import Told
from pictor.imaging.astrometry.cards import write_wcs
from pictor.imaging.astrometry.projection import pixel_to_sky
from pictor.imaging.astrometry.solution import Solution, wcs_cards
from pictor.imaging.astrometry.standards import Columns, standard_stars
from pictor.imaging.astrometry.zeropoint import zero_point_of
from pictor.imaging.errors import ImagingError, UnreadableFrameError
from pictor.imaging.fits.cards import Card
from pictor.imaging.fits.result_cards import solution_cards
from pictor.imaging.fits.sealing import write_sealed
from pictor.imaging.frame import Frame
from pictor.imaging.headers.of_frame import describe_header
from pictor.imaging.headers.rewriting import write_cards
from pictor.imaging.products import Input, Provenance, product_header, write_whole
from pictor.imaging.stars.measuring import Measured, measure_frame
from pictor.imaging.stars.starlist import StarList
from pictor.imaging.stars.tables import write_star_table
from pictor.runtime.version import SOFTWARE

_NO_FRAME = "no-image"


class Writing(Protocol):
    """How results are written."""

    @property
    def wcs_only(self) -> bool:
        """Whether a header is written and no frame."""
        ...

    @property
    def overwrite(self) -> bool:
        """Whether files may be replaced."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """Stars and header of a file; the measured frame, unless the file is a star table."""

    stars: StarList
    header: fits.Header
    measured: Measured | None


def read_given(path: Path) -> Given:
    """Read a frame and find its stars, or read a star table.

    Raises
    ------
    UnreadableFrameError
        If the file holds neither.
    """
    try:
        frame = Frame.from_fits(path)
    except UnreadableFrameError as error:
        if error.reason != _NO_FRAME:
            raise
        try:
            return Given(StarList.from_fits(path), fits.getheader(path, 0), None)
        except (UnreadableFrameError, OSError, TypeError, ValueError, AttributeError):
            raise UnreadableFrameError(
                f"{path.name} holds neither an image nor a star table of pictor stars", reason=_NO_FRAME
            ) from None
    measured = measure_frame(frame)
    return Given(measured.stars, frame.header, measured)


def photometry_of(
    given: Given, solution: Solution, means: Means, path: Path | None, columns: tuple[str, str | None]
) -> Told:
    """Measure zero point, limiting magnitude and sky against a star table, or the stars of the index.

    Raises
    ------
    ImagingError
        If it cannot be measured, with its reason class.
    """
    exposure = describe_header(given.header).exposure_s
    if exposure is None:
        raise ImagingError("the header tells no exposure time", reason="no-exposure")
    mag, colour = columns
    known = (
        index_stars(solution, means.indexes())
        if path is None
        else standard_stars(path, Columns(mag=mag, colour=colour))
    )
    if len(known) == 0:
        raise ImagingError(
            "no installed star index with Tycho-2 magnitudes has stars there; give a star table with --catalogue, or "
            "install one with: pictor index install FOLDER",
            reason="not-configured",
        )
    radius = max(1.0, 3.5 * solution.rms_px)
    found = zero_point_of(
        given.stars, solution.wcs, known, exposure_s=exposure, sky=_sky_above_pedestal(given), radius_px=radius
    )
    return asdict(found)


def write_results(
    path: Path, given: Given, solution: Solution, light: Told | None, *, targets: dict[str, Path], how: Writing
) -> dict[str, str]:
    """Write the frame (or table, or header) with its coordinates, and the star list; return their names."""
    made = Provenance("solve", [Input.of(path)], {"solver": solution.source.solver}, SOFTWARE)
    cards = [Card(*card) for card in wcs_cards(solution)] + result_cards(solution, light)
    written = dict(targets)
    if how.wcs_only:
        _write_header(targets["solved"], solution, cards, made, overwrite=how.overwrite)
    elif given.measured is not None:
        write_cards(path, targets["solved"], cards, made, solved=True, overwrite=how.overwrite)
    else:
        written.pop("stars", None)
        _write_table(path, targets["solved"], given, solution, made, overwrite=how.overwrite)
    if "stars" in written:
        _write_stars(path, written["stars"], given, solution, made, overwrite=how.overwrite)
    return {name: str(target) for name, target in written.items()}


def _write_stars(
    path: Path, target: Path, given: Given, solution: Solution, made: Provenance, *, overwrite: bool
) -> None:
    """Write the star list with RA and DEC."""
    if given.measured is None:
        _write_table(path, target, given, solution, made, overwrite=overwrite)
        return
    frame = given.measured.frame
    there = replace(frame, header=write_wcs(frame.header, solution.wcs, frame.shape))
    exposure = describe_header(given.header).exposure_s
    found = replace(given.measured, frame=there)
    write_star_table(target, found, made, exposure_s=exposure, overwrite=overwrite)


def result_cards(solution: Solution, light: Told | None) -> list[Card]:
    """Give the cards that tell how good a solution is, as the header service writes them."""
    source = solution.source
    values: dict[str, Any] = asdict(solution) | {"solver": source.solver, "index": source.index}
    if light is not None:
        values |= {name: light[name] for name in ("zero_point_mag", "limiting_mag", "sky_mag_arcsec2")}
        values["zero_point_scatter_mag"] = light["zero_point_scatter_mag"]
    cards = solution_cards(values)
    system = "" if light is None else str(light["system"])[:40]
    named = {"MAGZPT": f"[mag] of 1 adu/s, {system}", "MAGLIM": "[mag] of a star of SNR 5"}
    named["SKYMAG"] = "[mag/arcsec2] sky brightness"
    return [Card(card.keyword, card.value, named.get(card.keyword, card.comment)) for card in cards]


def _sky_above_pedestal(given: Given) -> float | None:
    """Tell the sky level where the bias is known to be gone."""
    if given.measured is None:
        return None
    calibrated = set(str(given.header.get("CALSTAT", "")).upper()) & {"B", "D"}
    return given.measured.sky.level if calibrated else None


def _write_header(path: Path, solution: Solution, cards: list[Card], made: Provenance, *, overwrite: bool) -> None:
    """Write a file of one header, as solve-field does."""
    header = product_header(Frame(np.zeros((1, 1), np.float32)), made)
    header.remove("BUNIT")
    header["IMAGEW"], header["IMAGEH"] = solution.width, solution.height
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        for card in cards:
            header[card.keyword] = (card.value, card.comment)
        unit = fits.PrimaryHDU(header=header)
        write_whole(path, lambda one: write_sealed(one, unit), overwrite=overwrite)


def _write_table(
    path: Path, target: Path, given: Given, solution: Solution, made: Provenance, *, overwrite: bool
) -> None:
    """Write a star table with RA and DEC, its other columns as they were."""
    with python_warnings.catch_warnings(), fits.open(path, memmap=False) as units:
        python_warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        old = units["STARS"]
        ra, dec = pixel_to_sky(solution.wcs, given.stars.x + 1, given.stars.y + 1)
        kept = [column for column in old.columns if column.name.upper() not in {"RA", "DEC"}]
        sky = [fits.Column(name, "D", unit="deg", array=values) for name, values in (("RA", ra), ("DEC", dec))]
        table = fits.BinTableHDU.from_columns([*kept, *sky], name="STARS")
        for card in old.header.cards:
            if card.keyword not in table.header and not card.keyword.startswith(("TTYPE", "TFORM", "TUNIT", "TCOMM")):
                table.header.append(card)
        frame = Frame(np.zeros((1, 1), np.float32), header=given.header)
        header = write_wcs(product_header(frame, made), solution.wcs, given.stars.shape)
        header.remove("BUNIT")
        write_whole(target, lambda part: write_sealed(part, fits.PrimaryHDU(header=header), table), overwrite=overwrite)

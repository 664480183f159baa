"""Plate solving in the pixel child: JSON values in, JSON values out."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pictor.astrometry.brightness import photometry
from pictor.astrometry.solver import SOLVERS, Belief, Means, Solved, point, solve_stars
from pictor.imaging.astrometry.solution import Solution, wcs_cards
from pictor.imaging.stars.starlist import StarList


def solve(
    stars_path: str,
    scratch: str,
    *,
    position: Sequence[float] | None = None,
    radius_deg: float = 3.0,
    scale_arcsec: float | None = None,
    parity: int | None = None,
    target: Sequence[float] | None = None,
    mount: Sequence[float] | None = None,
    index_dirs: Sequence[str] = (),
    solvers: Sequence[str] = ("engine",),
    astap_database: str | None = None,
    wall_s: float = 30.0,
    exposure_s: float | None = None,
    background_adu: float | None = None,
    pedestal_removed: bool = False,
) -> dict[str, Any]:
    """Solve a frame from its star list.

    Parameters
    ----------
    stars_path
        Star list written by ``StarList.to_fits``.
    scratch
        Folder for the solvers' files.
    position, radius_deg
        Where the frame is believed to look at, ICRS degrees, and how far off that may be.
    scale_arcsec
        Believed pixel scale, within a tenth.
    parity
        Parity of the rig's frames when known: +1 as seen, -1 mirrored.
    target, mount
        Positions the centre is compared with, ICRS degrees.
    index_dirs
        Folders of star indexes; the sample index is always added.
    solvers
        Back ends in the order they are tried: ``engine``, ``astap``, ``solve-field``.
    astap_database
        Folder of the ASTAP star database.
    wall_s
        Time for everything, in seconds.
    exposure_s
        Exposure time, in seconds; None measures no photometry.
    background_adu
        Measured background, in ADU per pixel.
    pedestal_removed
        Whether the background is above the pedestal, because a dark was subtracted.

    Returns
    -------
    dict
        ``solution`` (None when unsolved), ``cards``, ``reason`` and ``message`` (None
        when solved), ``attempts``, ``star_count``, ``photometry`` (None where it is not known).

    Raises
    ------
    UnreadableFrameError
        If the file holds no star list.
    """
    listed = StarList.from_fits(stars_path)
    belief = Belief(point(position), radius_deg, scale_arcsec, parity, point(target), point(mount))
    means = Means(
        tuple(Path(folder) for folder in index_dirs),
        tuple(name for name in solvers if name in SOLVERS),
        Path(astap_database) if astap_database else None,
        wall_s,
    )
    found = solve_stars(listed, belief, means, scratch=Path(scratch))
    light = None
    if found.solution is not None and exposure_s:
        sky = background_adu if pedestal_removed else None
        light = photometry(listed, found.solution, means.indexes(), exposure_s=exposure_s, sky_adu=sky)
    return _result(found) | {"photometry": light}


def _result(found: Solved) -> dict[str, Any]:
    failure = found.failure
    return {
        "solution": None if found.solution is None else solution_values(found.solution),
        "cards": [] if found.solution is None else [list(card) for card in wcs_cards(found.solution)],
        "reason": None if failure is None else failure.reason.value,
        "message": None if failure is None else failure.message,
        "attempts": [asdict(attempt) for attempt in found.attempts],
        "star_count": found.star_count,
    }


def solution_values(solution: Solution) -> dict[str, Any]:
    """Write a solution as JSON values, with the names of the contract."""
    values = asdict(solution)
    source = values.pop("source")
    return values | {
        "solver": source["solver"],
        "index": source["index"],
        "log_odds": source["log_odds"],
        "healpix": solution.healpix29,
        "sip_order": solution.sip_order,
    }

"""The command `pictor solve`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Find where frames look at (plate solving), and write them with one world coordinate system.

Every solved frame becomes DIR/NAME_solved.fits: its data unit byte for byte, under a header with the new coordinates
and no trace of older ones; and DIR/NAME_solved_stars.fits, its star list with RA and DEC. Star tables of `pictor stars`
are solved too (NAME_solved.fits is then the table). Position and scale are taken from the header unless given; with
neither the search is blind. Star indexes are those of PICTOR_INDEX_DIR or --index, and the small one of the simulated
night. Exit code 0: all solved, 1: a frame has no solution (the reason is told) or was refused, 2: wrong call.

\b
pictor solve light_001.fits light_002.fits -o solved/ --index indexes/ --target "M 51" --photometry
"""


class SolverName(StrEnum):
    """The plate solvers there are."""

    ENGINE = "engine"
    ASTAP = "astap"
    SOLVE_FIELD = "solve-field"


Index = Annotated[
    list[Path] | None,
    typer.Option("--index", envvar="PICTOR_INDEX_DIR", help="Folder of star indexes; repeat."),
]
Target = Annotated[str | None, typer.Option(help="Name of the target (Messier, NGC, ...), or 'RA DEC': only compared.")]
Parity = Annotated[int | None, typer.Option(min=-1, max=1, help="1: sky as seen, -1: mirrored; default: both.")]
Zero = Annotated[bool, typer.Option("--photometry", help="Also measure zero point, limiting magnitude and sky.")]
MagColumn = Annotated[str, typer.Option(help="Column of magnitudes in --catalogue.")]
ColourColumn = Annotated[str | None, typer.Option(help="Column of colours in --catalogue: a colour term is fitted.")]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("solve", help=HELP, short_help="Plate-solve frames; measure photometric zero points.")(solve)


def solve(
    files: Files,
    out: Folder = HERE,
    ra: Annotated[str | None, typer.Option(help="Believed right ascension: degrees, or 'HH MM SS'.")] = None,
    dec: Annotated[str | None, typer.Option(help="Believed declination: degrees, or '+DD MM SS'.")] = None,
    radius: Annotated[float, typer.Option(min=0.01, max=180, help="How far off that may be, in degrees.")] = 3.0,
    scale: Annotated[float | None, typer.Option(min=0.001, help="Believed pixel scale in arcsec, to 10 %.")] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Believe nothing of the header.")] = False,
    parity: Parity = None,
    target: Target = None,
    solver: Annotated[list[SolverName] | None, typer.Option(help="Solver; repeat for the order of trying.")] = None,
    index: Index = None,
    astap_database: Annotated[
        Path | None, typer.Option(envvar="PICTOR_ASTAP_DATABASE", help="Folder of the ASTAP star database.")
    ] = None,
    time_limit: Annotated[float, typer.Option(min=0.1, help="Seconds per frame.")] = 30.0,
    wcs_only: Annotated[
        bool, typer.Option("--wcs-only", help="Write NAME_solved.wcs, a header, and no frame.")
    ] = False,
    no_stars: Annotated[bool, typer.Option("--no-stars", help="Write no star list.")] = False,
    photometry: Zero = False,
    catalogue: Annotated[
        Path | None, typer.Option(help="Star table (FITS, CSV) for --photometry.", exists=True, dir_okay=False)
    ] = None,
    mag_column: MagColumn = "mag",
    colour_column: ColourColumn = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Find where frames look at."""
    from pictor.cli.stages import solve as command

    hints = command.Hints(ra, dec, radius, scale, parity, blind=blind, target=target)
    means = command.means_of(index or [], [one.value for one in solver or []], astap_database, time_limit)
    table = command.Catalogue(catalogue, mag_column, colour_column) if photometry or catalogue else None
    wish = command.Wish(out, wcs_only=wcs_only, stars=not no_stars, catalogue=table, overwrite=overwrite or resume)
    raise SystemExit(command.main(files, hints, means, wish, resume=resume, json=json))

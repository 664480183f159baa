"""The command `pictor contsub`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import OneFile, Out, Overwrite, offering

HELP = """Subtract the continuum from a narrow-band frame: what stays is the light of the emission line.

The sharper frame is convolved so that its stars look like those of the other, the flux ratio k of the stars both show
is fitted, and narrow - k broad is written to OUT with error and mask, k and its error in the header. A broad-band frame
on another grid is resampled first, where both have world coordinates. Exit code 0: done, 1: refused, 2: wrong call.

\b
pictor contsub coadd_Ha.fits coadd_Red.fits -o line_Ha.fits
pictor contsub coadd_Ha.fits coadd_Red.fits -o line_Ha.fits --line-in-broad 0.33 --sky level
pictor contsub coadd_SII.fits coadd_Red.fits -o line_SII.fits --other-line line_Ha.fits=0.33
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("contsub", help=HELP, short_help="Subtract the continuum from a narrow-band frame.")(contsub)


def contsub(
    narrow: OneFile,
    broad: Annotated[Path, typer.Argument(help="Broad-band frame of the same field.", exists=True, dir_okay=False)],
    out: Out,
    scale: Annotated[
        float | None, typer.Option(help="k, continuum in the narrow over the broad frame; default: measured.")
    ] = None,
    line_in_broad: Annotated[
        float,
        typer.Option(min=0, help="Line in the broad over the narrow frame: the result is divided by 1 - k of it."),
    ] = 0.0,
    other_line: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LINE=SHARE",
            help="Line image, as this command makes, to take off the broad frame first, and how bright its line is in "
            "the broad frame where it is 1 in the image.",
        ),
    ] = None,
    sky: Annotated[
        str,
        typer.Option(
            help="What is taken from the result: plane, level or none.",
            autocompletion=offering("plane", "level", "none"),
        ),
    ] = "plane",
    saturation: Annotated[
        float | None, typer.Option(min=0, help="Level from which pixels are saturated; default: SATURATE, or found.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Subtract the continuum from a narrow-band frame."""
    from pictor.cli.stages import contsub as command

    wish = command.Wish(scale, line_in_broad, sky, saturation, tuple(other_line or ()))
    raise SystemExit(command.main((narrow, broad), out, wish, overwrite=overwrite, json=json))

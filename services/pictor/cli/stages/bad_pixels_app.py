"""The command `pictor bad-pixels`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Out, Overwrite, frames_in

HELP = """Make a map of bad pixels from master darks, flats and a list of your own.

The map is a FITS image of bytes: bit 1 marks pixels a dark or flat shows, bit 2 those listed, 0 good ones. Pixels that
are both have both bits and count once. `pictor calibrate`, `pictor fix-pixels` and `pictor calib apply` use it. Exit
code 0: done, 1: refused, 2: wrong call.

\b
pictor bad-pixels master_dark.fits --user my_camera.yml -o bad_pixels.fits
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("bad-pixels", help=HELP, short_help="Make a map of bad pixels of darks, flats and a list.")(bad_pixels)


def bad_pixels(
    darks: Annotated[
        list[Path], typer.Argument(help="Master darks of one camera.", callback=frames_in, readable=False)
    ],
    out: Out,
    flat: Annotated[
        list[Path] | None, typer.Option(help="Master flat, for dead pixels; repeat.", exists=True, dir_okay=False)
    ] = None,
    user: Annotated[
        Path | None, typer.Option(help="List of bad pixels, YAML: columns, rows, rectangles.", exists=True)
    ] = None,
    sigma: Annotated[float, typer.Option(min=1, help="Threshold for darks, in robust standard deviations.")] = 4.0,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Make a map of bad pixels."""
    from pictor.cli.stages import bad_pixels as command

    wish = command.Wish(darks, out, flat or [], user, sigma, overwrite)
    raise SystemExit(command.main(wish, json=json))

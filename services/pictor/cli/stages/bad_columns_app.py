"""The command `pictor bad-columns`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Files, Overwrite

HELP = """Find bad columns and rows in frames: darks, flats, or calibrated lights with stars and sky.

A list is printed as YAML, counted from 1, or written to --out; it can be pasted into a list of your own or used as it
is: `pictor bad-pixels --user`. Frames of one camera mode share one list. Exit code 0: done, 1: a frame was refused, 2:
wrong call.

\b
pictor bad-columns light_00_L_calibrated.fits light_01_R_calibrated.fits -o my_camera.yml
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("bad-columns", help=HELP, short_help="Find bad columns and rows, as a list.")(bad_columns)


def bad_columns(
    files: Files,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; default: print the list.")] = None,
    sigma: Annotated[float, typer.Option(min=1, help="Threshold, in standard deviations.")] = 5.0,
    window: Annotated[int, typer.Option(min=3, help="Lines compared with each other; odd.")] = 11,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Find bad columns and rows."""
    from pictor.cli.stages import bad_columns as command

    wish = command.Wish(files, out, sigma, window, overwrite)
    raise SystemExit(command.main(wish, json=json))

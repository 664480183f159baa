"""The command `pictor background`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite

HELP = """Measure the sky background of frames, and write its map.

Every frame becomes DIR/NAME_background.fits: the sky level at every pixel, in the unit of the frame. Without --out only
the numbers are printed. Exit code 0: all done, 1: a frame was refused, 2: wrong call.

\b
pictor background light_001.fits light_002.fits -o sky/
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("background", help=HELP)(background)


def background(
    files: Files,
    out: Folder = HERE,
    cell: Annotated[int, typer.Option(min=8, help="Size of a mesh cell, in pixels.")] = 64,
    no_map: Annotated[bool, typer.Option("--no-map", help="Print the numbers, write nothing.")] = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure the sky background of frames."""
    from pictor.cli.stages import background as command

    folder: Path | None = None if no_map else out
    raise SystemExit(command.main(files, folder, cell=cell, overwrite=overwrite, json=json))

"""The command `pictor background`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Measure the sky background of frames, write its map, or subtract it.

Sources and masked pixels are left out; the colours of a colour frame are measured each by itself. Every frame becomes
DIR/NAME_background.fits, the sky level at every pixel in the unit of the frame; with --noise also NAME_noise.fits, the
noise per pixel, and with --subtract NAME_subtracted.fits, the frame without its sky, its ERR and MASK planes carried.
With --no-map the map itself is not written. Exit code 0: all done, 1: a frame was refused, 2: wrong call.

\b
pictor background light_001.fits light_002.fits -o sky/ --subtract
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("background", help=HELP, short_help="Measure the sky, write its map, or subtract it.")(background)


def background(
    files: Files,
    out: Folder = HERE,
    cell: Annotated[
        int, typer.Option(min=8, help="Size of a mesh cell, in pixels: larger than the objects to be kept.")
    ] = 64,
    keep_sources: Annotated[
        bool, typer.Option("--keep-sources", help="Do not mask sources; faster, too high where stars are many.")
    ] = False,
    bayer: Annotated[
        str | None, typer.Option(help="Colour pattern such as RGGB, or none; default: that of the header.")
    ] = None,
    noise: Annotated[bool, typer.Option("--noise", help="Also write the map of the noise.")] = False,
    subtract: Annotated[bool, typer.Option("--subtract", help="Also write the frame without its sky.")] = False,
    no_map: Annotated[bool, typer.Option("--no-map", help="Do not write the map of the sky.")] = False,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Measure the sky background of frames."""
    from pictor.cli.stages import background as command

    wanted = (("background", not no_map), ("noise", noise), ("subtracted", subtract))
    how = command.How(cell, not keep_sources, bayer, tuple(name for name, asked in wanted if asked))
    folder: Path = out
    raise SystemExit(command.main(files, folder, how=how, overwrite=overwrite, resume=resume, json=json))

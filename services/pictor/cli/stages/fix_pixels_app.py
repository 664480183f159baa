"""The command `pictor fix-pixels`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Replace bad pixels by the median of their good neighbours.

Every frame becomes DIR/NAME_fixed.fits with the cards BPIXCORR, BPIXFILE, BPIX_MIN, BPIXDPIX, BPIXNBAD, BPIXNFIX and
BPIXNREM; ERR and MASK are carried, repaired pixels keep bit 1 of MASK. Neighbours are the (2 R + 1) x (2 R + 1) pixels
about a bad one, under a colour pattern (BAYERPAT, or seen in the sky) those of its colour; with fewer than 4 good ones
a pixel is left. The map is a FITS image, not 0 where bad, or a YAML list of columns, rows, rectangles, pixels counted
from 1; without --map the pixels that MASK calls bad (1) or hit (8) are replaced. Exit code 0: all done, 1: a frame was
refused, 2: wrong call.

\b
pictor fix-pixels light_001.fits light_002.fits --map bad_pixels.fits -o fixed/
pictor fix-pixels light_001.fits --map bad_columns.yaml --radius 3
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("fix-pixels", help=HELP, short_help="Replace bad pixels by the median of their neighbours.")(fix_pixels)


def fix_pixels(
    files: Files,
    bad: Annotated[
        Path | None, typer.Option("--map", help="Map (FITS) or list (YAML) of bad pixels.", exists=True, dir_okay=False)
    ] = None,
    out: Folder = HERE,
    radius: Annotated[int, typer.Option(min=1, max=10, help="Neighbours up to so many pixels away.")] = 2,
    bayer: Annotated[
        bool | None,
        typer.Option("--bayer/--mono", help="Whether there is a colour pattern; default: BAYERPAT, else its sky."),
    ] = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Replace bad pixels by the median of their good neighbours."""
    from pictor.cli.stages import fix_pixels as command

    raise SystemExit(
        command.main(files, command.Wish(bad, out, radius, bayer, overwrite or resume), resume=resume, json=json)
    )

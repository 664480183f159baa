"""The command `pictor wcs`."""

from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Files

HELP = """Tell what the world coordinates of frames say: centre, scale, angle, field; and turn positions into pixels.

Nothing is written. Pixels are counted from 1, as FITS does. Every projection of the FITS standard is read. Exit code 0:
all read, 1: a frame has no world coordinates or was refused, 2: wrong call.

\b
pictor wcs light_001_solved.fits --sky "20 59 17, +44 31 44" --pixel "512.5, 300"
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("wcs", help=HELP, short_help="Tell what world coordinates say; positions to pixels.")(wcs)


def wcs(
    files: Files,
    sky: Annotated[list[str] | None, typer.Option(help="Position or name to find the pixel of; repeat.")] = None,
    pixel: Annotated[list[str] | None, typer.Option(help="Pixel 'X, Y' to find the position of; repeat.")] = None,
    json: Json = False,
) -> None:
    """Tell what world coordinates say."""
    from pictor.cli.stages import wcs as command

    raise SystemExit(command.main(files, sky or [], pixel or [], json=json))

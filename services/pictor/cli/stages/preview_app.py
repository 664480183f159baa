"""The command `pictor preview`."""

from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume, offering

HELP = """Make pictures of frames to look at: upright, stretched, raw colour frames in colour.

Every frame becomes DIR/NAME_preview.png; with --thumbnail NAME_thumbnail.webp, with --corners NAME_corners.png (nine
parts at 1:1), with --tiles NAME_tiles.szi (the whole frame as a Deep Zoom archive) and NAME_tiles.json (where its tiles
lie). Colour planes and Bayer mosaics are shown in colour. Exit code 0: all done, 1: a frame was refused, 2: wrong call.

\b
pictor preview light_001.fits light_002.fits -o previews/ --size 1024 --thumbnail --corners
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("preview", help=HELP, short_help="Make pictures of frames to look at.")(preview)


def preview(
    files: Files,
    out: Folder = HERE,
    stretch: Annotated[
        str,
        typer.Option(help="stf, zscale, asinh or linear.", autocompletion=offering("stf", "zscale", "asinh", "linear")),
    ] = "stf",
    size: Annotated[int, typer.Option(min=16, help="Longest side of the picture; small frames keep theirs.")] = 2048,
    thumbnail: Annotated[bool, typer.Option("--thumbnail", help="Also a WebP of 256 pixels.")] = False,
    corners: Annotated[bool, typer.Option("--corners", help="Also corners, edges and middle at 1:1.")] = False,
    tiles: Annotated[bool, typer.Option("--tiles", help="Also the whole frame as tiles to zoom into.")] = False,
    grey: Annotated[bool, typer.Option("--grey", help="Show a raw colour frame as the sensor read it.")] = False,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Make pictures of frames to look at."""
    from pictor.cli.stages import preview as command

    also = {"thumbnail": thumbnail, "corners": corners, "tiles": tiles}
    wish = command.Wish(stretch, size, tuple(name for name, wanted in also.items() if wanted), grey)
    raise SystemExit(command.main(files, out, wish, overwrite=overwrite, resume=resume, json=json))

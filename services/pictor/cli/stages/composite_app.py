"""The command `pictor composite`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Out, Overwrite, frames_in, offering

HELP = """Compose a colour picture of frames taken through several filters.

OUT is a picture (.png, .tif: 8 or 16 bits; .jpg, .webp: 8 bits) or, ending in .fits, a cube of the balanced linear
planes with world coordinates. Frames are told apart by FILTER, or by their order: red green blue (rgb), SII Ha OIII
(sho), Ha OIII (hoo), Ha green blue (hgb); a frame of three planes is all of them; --red, --green, --blue and
--luminance name them one by one. Frames that lie differently are brought onto the first. Exit code 0: done,
1: refused, 2: wrong call.

\b
pictor composite coadd_Red.fits coadd_Green.fits coadd_Blue.fits -o ngc7000.png
pictor composite coadd_SII.fits coadd_Ha.fits coadd_OIII.fits -o ngc7000_sho.jpg --palette sho --saturation 2
"""

File = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Frame shown in this colour.")]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("composite", help=HELP, short_help="Compose a colour picture of several filters.")(composite)


def composite(
    out: Out,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Frames of the palette.", callback=frames_in, readable=False)
    ] = None,
    palette: Annotated[
        str, typer.Option(help="rgb, sho, hoo or hgb.", autocompletion=offering("rgb", "sho", "hoo", "hgb"))
    ] = "rgb",
    red: File = None,
    green: File = None,
    blue: File = None,
    luminance: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Frame that decides the brightness.")
    ] = None,
    stretch: Annotated[
        str,
        typer.Option(help="asinh, stf, gamma or linear.", autocompletion=offering("asinh", "stf", "gamma", "linear")),
    ] = "asinh",
    linked: Annotated[
        bool, typer.Option("--linked/--unlinked", help="One curve for all channels, or each by itself.")
    ] = True,
    sky: Annotated[
        str,
        typer.Option(
            help="What is taken from each channel: plane, level or none.",
            autocompletion=offering("plane", "level", "none"),
        ),
    ] = "plane",
    white: Annotated[
        str | None, typer.Option(help="Factors for red, green, blue, as 1.1,1,0.9; default: by stars (rgb) or nebula.")
    ] = None,
    saturation: Annotated[float, typer.Option(min=0, help="1 leaves colours as they are.")] = 1.5,
    gamma: Annotated[float, typer.Option(min=0.1, help="Exponent of --stretch gamma.")] = 2.2,
    black: Annotated[float, typer.Option(min=0, max=1, help="Quantile shown as black by gamma and linear.")] = 0.6,
    top: Annotated[float, typer.Option("--top", min=0, max=1, help="Quantile shown as white.")] = 0.999,
    softening: Annotated[float, typer.Option(min=0.01, help="Sky noises up to which asinh is linear.")] = 2.5,
    bits: Annotated[int, typer.Option(help="8 or 16, for .png and .tif.")] = 8,
    transparent: Annotated[bool, typer.Option("--transparent", help="No data is transparent, not black.")] = False,
    crop: Annotated[bool, typer.Option("--crop/--no-crop", help="Cut away the edges not all frames cover.")] = True,
    size: Annotated[
        int | None, typer.Option(min=16, help="Longest side of the picture; default: as the frames.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Compose a colour picture of frames taken through several filters."""
    from pictor.cli.stages import composite as command

    named = {"red": red, "green": green, "blue": blue, "luminance": luminance}
    wanted = {
        "curve": stretch, "linked": linked, "sky": sky, "white": white, "saturation": saturation, "gamma": gamma,
        "black_quantile": black, "white_quantile": top, "softening": softening,
    }  # fmt: skip
    wish = command.Wish(palette, named, wanted, (bits, transparent, crop), size)
    raise SystemExit(command.main(files or [], out, wish, overwrite=overwrite, json=json))

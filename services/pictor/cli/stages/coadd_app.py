"""The command `pictor coadd`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Files, Out, Overwrite
from pictor.cli.stages.resample_app import Centre, KernelOption, NorthUp, Scale, Size

HELP = """Coadd lights: bring them onto one grid and make one frame of them.

Writes OUT with planes SCI, ERR and MASK and, with --weight-out, the inverse variance as a weight image with the number
of lights in every pixel (NUSED); prints the total exposure. Lights with world coordinates are aligned by them, others
by their stars. Exit code 0: done, 1: a light was refused (the others are coadded), 2: wrong call.

\b
pictor coadd light_*.fits -o m31_L.fits --method clipped --weight-out m31_L.weight.fits
"""

Method = Literal["mean", "median", "clipped", "weighted", "sum"]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("coadd", help=HELP, short_help="Bring lights onto one grid and make one frame of them.")(coadd)


def coadd(
    files: Files,
    out: Out,
    method: Annotated[Method, typer.Option(help="How samples become one.")] = "clipped",
    sigma: Annotated[float, typer.Option(min=1, help="For clipped: standard deviations a sample may differ.")] = 3.0,
    weights: Annotated[
        Literal["equal", "variance"], typer.Option(help="Weight of each light; weighted uses variance.")
    ] = "equal",
    scale_flux: Annotated[
        Literal["auto", "exposure", "zeropoint", "stars", "none"],
        typer.Option(help="What brings the lights to the scale of the first; auto: exposure, none for sum."),
    ] = "auto",
    background: Annotated[
        Literal["subtract", "match", "none"], typer.Option(help="What becomes of the sky of each light.")
    ] = "subtract",
    by: Annotated[Literal["auto", "wcs", "stars"], typer.Option(help="What lights are aligned by.")] = "auto",
    onto: Annotated[Path | None, typer.Option(help="Frame whose grid is used.", exists=True, dir_okay=False)] = None,
    centre: Centre = None,
    size: Size = None,
    scale: Scale = None,
    north_up: NorthUp = False,
    kernel: KernelOption = "lanczos3",
    weight_out: Annotated[Path | None, typer.Option(help="File for the weight image.")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Coadd lights."""
    from pictor.cli.stages import coadd as command
    from pictor.cli.stages.resample import Wish

    manner = command.Manner(
        method=method, sigma=sigma, weights=weights, scale_flux=scale_flux, background=background, by=by, kernel=kernel
    )
    wish = Wish(onto=onto, centre=centre, size=size, scale=scale, north_up=north_up)
    raise SystemExit(command.main(files, (out, weight_out), wish, manner, overwrite=overwrite, json=json))

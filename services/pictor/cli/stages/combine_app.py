"""The command `pictor combine`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import Out, Overwrite, finite, things_in
from pictor.imaging.combine.method import Method, Scaling

HELP = """Combine frames pixel by pixel into one: a master bias, dark or flat, or any frames of one shape.

FILES are frames, or a folder of frames of one kind, in which files whose name begins with "master" are left alone. The
product has the planes SCI, ERR (1 sigma), MASK and NUSED (samples used per pixel). Frames that do not belong together
are refused; one whose sensor was not at its set point is left out and named. Masters made here are not judged: `pictor
calib stack` also admits, groups and judges frames as the services do. Exit code 0: done, 1: refused, 2: wrong call.

\b
pictor combine bias_*.fits -o master_bias.fits
pictor combine darks/ -o master_dark.fits
pictor combine flat_R_*.fits --dark master_flatdark.fits -o master_flat_R.fits
pictor combine sky_*.fits --kind plain --scale median -o sky.fits
"""


class Kind(StrEnum):
    """What is made of the frames."""

    BIAS = "bias"
    DARK = "dark"
    FLAT = "flat"
    FLAT_DARK = "flat-dark"
    PLAIN = "plain"


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("combine", help=HELP, short_help="Make a master, or combine any frames of one shape.")(combine)


def combine(
    files: Annotated[
        list[Path],
        typer.Argument(help="Frames, or a folder of frames of one kind.", callback=things_in, readable=False),
    ],
    out: Out,
    kind: Annotated[
        Kind | None, typer.Option(help="What the frames are; default: as headers say, plain for lights.")
    ] = None,
    method: Annotated[Method, typer.Option(help="How samples are combined.")] = Method.SIGMA_CLIP,
    sigma: Annotated[
        float, typer.Option(min=1, callback=finite, help="Rejection threshold, in standard deviations.")
    ] = 3.0,
    iterations: Annotated[int, typer.Option(min=1, help="Rejection passes, at most.")] = 5,
    scale: Annotated[
        Scaling, typer.Option(help="Plain frames: bring this to one level first; flats are always scaled.")
    ] = Scaling.NONE,
    dark: Annotated[
        Path | None, typer.Option(help="Flats: master dark of their exposure.", exists=True, dir_okay=False)
    ] = None,
    bias: Annotated[
        Path | None,
        typer.Option(help="Master bias; flats: subtracted when there is no dark.", exists=True, dir_okay=False),
    ] = None,
    temperature_tolerance: Annotated[
        float, typer.Option(min=0, callback=finite, help="Leave out frames farther from their set point, in degrees C.")
    ] = 0.5,
    egain: Annotated[
        float | None, typer.Option(min=1e-6, callback=finite, help="Electrons per ADU; default: card EGAIN.")
    ] = None,
    read_noise: Annotated[
        float | None,
        typer.Option(min=0, callback=finite, help="Read noise in electrons; default: measured from the frames."),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Combine frames pixel by pixel."""
    from pictor.cli.stages import combine as command

    wish = command.Wish(
        files, out, None if kind is None else str(kind), method, sigma, iterations, scale, dark, bias,
        temperature_tolerance, egain, read_noise, overwrite=overwrite,
    )  # fmt: skip
    raise SystemExit(command.main(wish, json=json))

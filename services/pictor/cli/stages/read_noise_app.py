"""The command `pictor read-noise`."""

from pathlib import Path
from typing import Annotated

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import OneFile, Overwrite

HELP = """Measure read noise from two bias frames; with two flats the gain, with a dark the dark current.

Numbers are printed; only --histogram writes a file. Electrons need a conversion gain: that of --egain, of the card
EGAIN, or the one measured from --flats; the card GAIN is a setting of the camera and is never taken for it. Exit code
0: done, 1: refused, 2: wrong call.

\b
pictor read-noise bias_00.fits bias_01.fits --flats flat_R_00.fits flat_R_01.fits --dark master_flatdark.fits
"""


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("read-noise", help=HELP, short_help="Measure read noise, gain and dark current.")(read_noise)


def read_noise(
    bias1: OneFile,
    bias2: OneFile,
    flats: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Two flats of one filter and exposure.", exists=True)
    ] = None,
    dark: Annotated[
        Path | None,
        typer.Option(help="Dark with bias: subtracted from the flats, and its dark current.", exists=True),
    ] = None,
    egain: Annotated[float | None, typer.Option(min=1e-6, help="Electrons per ADU; default: card EGAIN.")] = None,
    mask_outliers: Annotated[
        bool, typer.Option("--mask-outliers/--no-mask-outliers", help="Leave out hot pixels and hits.")
    ] = True,
    histogram: Annotated[
        Path | None, typer.Option(help="Write the differences, counted by 1 ADU, to this CSV file.")
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure read noise, gain and dark current."""
    from pictor.cli.stages import read_noise as command

    wish = command.Wish(bias1, bias2, flats, dark, egain, mask_outliers, histogram, overwrite)
    raise SystemExit(command.main(wish, json=json))

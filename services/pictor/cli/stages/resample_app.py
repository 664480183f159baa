"""The command `pictor resample`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Resample frames that have world coordinates onto another grid of pixels.

Every frame becomes DIR/NAME_resampled.fits, flux conserved, with error and mask. The grid is that of --onto, or is made
of --centre, --size, --scale and --north-up; without any of them it holds all frames. Exit code 0: all done, 1: a frame
was refused, 2: wrong call.

\b
pictor resample light_*.fits --onto reference.fits -o same_grid/
pictor resample light_*.fits --centre 83.82 -5.39 --size 2000 1500 --scale 1.5 --north-up -o same_grid/
"""

KernelName = Literal["lanczos3", "cubic", "bilinear", "nearest"]
Centre = Annotated[
    tuple[float, float] | None, typer.Option(help="Right ascension and declination of the middle, in degrees.")
]
Size = Annotated[tuple[int, int] | None, typer.Option(help="Columns and rows of the grid.")]
Scale = Annotated[float | None, typer.Option(min=1e-3, help="Arcseconds per pixel.")]
NorthUp = Annotated[bool, typer.Option("--north-up", help="North up, east left.")]
KernelOption = Annotated[KernelName, typer.Option(help="Interpolation.")]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("resample", help=HELP, short_help="Bring frames with world coordinates onto another grid.")(
        resample_frames
    )


def resample_frames(
    files: Files,
    out: Folder = HERE,
    onto: Annotated[Path | None, typer.Option(help="Frame whose grid is used.", exists=True, dir_okay=False)] = None,
    centre: Centre = None,
    size: Size = None,
    scale: Scale = None,
    north_up: NorthUp = False,
    kernel: KernelOption = "lanczos3",
    conserve: Annotated[Literal["flux", "brightness"], typer.Option(help="Sums over stars, or values.")] = "flux",
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Resample frames onto another grid."""
    from pictor.cli.stages import resample as command

    wish = command.Wish(onto=onto, centre=centre, size=size, scale=scale, north_up=north_up)
    manner = command.Manner(kernel=kernel, conserve=conserve, overwrite=overwrite or resume)
    raise SystemExit(command.main(files, out, wish, manner, resume=resume, json=json))

"""The command `pictor register`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pictor.cli.options import Json
from pictor.cli.stages.options import HERE, Files, Folder, Overwrite, Resume

HELP = """Bring frames onto the pixels of a reference frame, by their world coordinates or by their stars.

Every frame becomes DIR/NAME_registered.fits with the reference's pixels and world coordinates; error and mask are
resampled too. By stars, shift, rotation, scale and mirror are found without any hint. With --transforms-only nothing is
resampled: the transforms are printed and, with a name that ends in .json or .csv, written. Exit code 0: all done, 1: a
frame was refused, 2: wrong call.

\b
pictor register light_*.fits --reference light_001.fits -o aligned/
pictor register light_*.fits --reference light_001.fits --transforms-only transforms.csv
"""

By = Literal["auto", "wcs", "stars"]
KernelName = Literal["lanczos3", "cubic", "bilinear", "nearest"]


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("register", help=HELP, short_help="Bring frames onto the pixels of a reference frame.")(register_frames)


def register_frames(
    files: Files,
    reference: Annotated[Path, typer.Option(help="Frame whose pixels the others get.", exists=True, dir_okay=False)],
    out: Folder = HERE,
    by: Annotated[By, typer.Option(help="auto: by WCS where all frames have one, else by stars.")] = "auto",
    kernel: Annotated[KernelName, typer.Option(help="Interpolation.")] = "lanczos3",
    no_mirror: Annotated[bool, typer.Option("--no-mirror", help="Do not look for mirror images.")] = False,
    transforms_only: Annotated[
        Path | None, typer.Option(help="Write the transforms to this .json or .csv, and no frames.", dir_okay=False)
    ] = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Bring frames onto the pixels of a reference frame."""
    from pictor.cli.stages import register as command

    manner = command.Manner(by=by, kernel=kernel, mirrored=not no_mirror, overwrite=overwrite or resume)
    raise SystemExit(command.main(files, reference, out, transforms_only, manner, resume=resume, json=json))

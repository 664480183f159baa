"""Options the stages share."""

import math
from pathlib import Path
from typing import Annotated

import typer

Files = Annotated[list[Path], typer.Argument(help="Frames: FITS, .fz, .gz or XISF.", exists=True, dir_okay=False)]
OneFile = Annotated[Path, typer.Argument(help="Frame: FITS, .fz, .gz or XISF.", exists=True, dir_okay=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write.")]
Folder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write into; made when it is not there.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]

HERE = Path()
"""Products of many frames go into the current folder unless told otherwise."""


def finite(value: float | None) -> float | None:
    """Refuse what is no finite number: a bound below lets infinity pass, and whatever is no number at all.

    Raises
    ------
    typer.BadParameter
        With exit code 2.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number")
    return value

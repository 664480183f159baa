"""Options the stages share."""

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

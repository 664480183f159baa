"""Options the stages share."""

import glob
import math
import os
from collections.abc import Callable
from pathlib import Path
from stat import S_ISDIR
from typing import Annotated

import typer


def frames_in(given: list[Path] | None) -> list[Path]:
    """Give the frames that arguments name: files as they are, patterns the shell left alone as what fits them.

    A file that is there is never a pattern, whatever letters its name has; one that may not be read is a frame all
    the same, to be refused by itself.

    Raises
    ------
    typer.BadParameter
        With exit code 2, if there is no such file, or it is a folder.
    """
    return [path for one in given or [] for path in _named_by(one, folders=False)]


def things_in(given: list[Path] | None) -> list[Path]:
    """Give the frames that arguments name, and the folders, which stand for the frames in them.

    Raises
    ------
    typer.BadParameter
        With exit code 2, if there is no such file.
    """
    return [path for one in given or [] for path in _named_by(one, folders=True)]


def _named_by(path: Path, *, folders: bool) -> list[Path]:
    try:
        folder = S_ISDIR(path.stat().st_mode)
    except OSError as error:
        found = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 - as shells do, which leave hidden files out
        fitting = [Path(one) for one in found if not Path(one).is_dir()]
        if fitting:
            return fitting
        pattern = glob.has_magic(str(path)) and isinstance(error, FileNotFoundError)
        why = "no file fits this pattern" if pattern else os.strerror(error.errno or 0)
        raise typer.BadParameter(f"{path}: {why}") from error
    if folder and not folders:
        raise typer.BadParameter(f"{path} is a folder; give the frames in it, as {path / '*.fits'}")
    return [path]


Files = Annotated[
    list[Path],
    typer.Argument(help="Frames: FITS, .fz, .gz or XISF; also patterns.", callback=frames_in, readable=False),
]
OneFile = Annotated[Path, typer.Argument(help="Frame: FITS, .fz, .gz or XISF.", exists=True, dir_okay=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="File to write.")]
Folder = Annotated[Path, typer.Option("--out", "-o", help="Folder to write into; made when it is not there.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on: leave frames alone whose products are there by name.")]

HERE = Path()
"""Products of many frames go into the current folder unless told otherwise."""


def offering(*words: str) -> Callable[[str], list[str]]:
    """Let the shell complete a value that is one of some words."""
    return lambda incomplete: [word for word in words if word.startswith(incomplete)]


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

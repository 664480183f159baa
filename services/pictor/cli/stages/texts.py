"""Text products: whole or not at all, and never over another file unless told."""

import os
from pathlib import Path
from secrets import token_hex

from pictor.imaging.products import FileTakenError


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a text file.

    Raises
    ------
    FileTakenError
        If a file of that name is there and ``overwrite`` is False.
    """
    part = path.with_name(f".{path.name}.{token_hex(4)}.part")
    try:
        part.write_text(text, encoding="utf-8")
        if overwrite:
            part.replace(path)
            return
        try:
            os.link(part, path)
        except FileExistsError:
            raise FileTakenError(f"{path} exists; --overwrite replaces it") from None
    finally:
        part.unlink(missing_ok=True)

"""The version of what is installed, without reading all that is said of it: every command asks."""

import sys
from pathlib import Path

_KIND = ".dist-info"


def _installed() -> str:
    """Tell what `importlib.metadata` tells, from the name of the folder alone where there is one."""
    for folder in sys.path:
        for found in Path(folder).glob(f"pictor-*{_KIND}"):
            return found.name.removeprefix("pictor-").removesuffix(_KIND)
    from importlib.metadata import version  # noqa: PLC0415 - a hundredth of a second of every command

    return version("pictor")


VERSION = _installed()

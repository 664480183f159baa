"""Named places where a fault test may make this process die at once, like a power cut."""

import os
import signal
from pathlib import Path

VARIABLE = "PICTOR_CRASHPOINTS"
"""Names a folder; a file in it, named like a place, makes the first process that comes by die once."""


def crashpoint(name: str) -> None:
    """Die if a fault test asked for it here; otherwise do nothing."""
    folder = os.environ.get(VARIABLE)
    if folder is None:
        return
    try:
        (Path(folder) / name).unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)

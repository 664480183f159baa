"""Pixel functions that misbehave; put this folder's root on a child's PYTHONPATH to reach them."""

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

from pictor.imaging.errors import ImagingError, UnreadableFrameError


def warm() -> None:
    """Leave a trace that warming happened."""
    os.environ["WARMED"] = "yes"


def echo(**arguments: object) -> dict[str, object]:
    return {"pid": os.getpid(), **arguments}


def environment() -> dict[str, object]:
    return {"environment": dict(os.environ)}


def blame_the_frame() -> dict[str, object]:
    raise ImagingError("only 3 stars found, 8 are needed", reason="too-few-stars")


def blame_the_bytes() -> dict[str, object]:
    raise UnreadableFrameError("the header has no END card")


def divide_by_zero() -> dict[str, object]:
    return {"value": 1 / 0}


def crash() -> dict[str, object]:
    ctypes.string_at(0)
    return {}


def leave(status: int) -> dict[str, object]:
    os._exit(status)


def sleep(seconds: float) -> dict[str, object]:
    time.sleep(seconds)
    return {"slept": seconds}


def allocate(gib: float) -> dict[str, object]:
    return {"size": len(bytearray(int(gib * 2**30)))}


def not_a_number() -> dict[str, object]:
    return {"value": float("nan")}


def not_a_dict() -> list[int]:
    return [1, 2, 3]


def shout(length: int) -> dict[str, object]:
    print("x" * length, flush=True)
    return {"text": "y" * length}


def hang_with_grandchild(pid_file: str) -> dict[str, object]:
    """Start a program, ignore polite signals, and hang."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen(["sleep", "600"])
    Path(pid_file).write_text(str(grandchild.pid), encoding="ascii")
    time.sleep(600)
    return {}


def write(path: str, size: int) -> dict[str, object]:
    return {"written": Path(path).write_bytes(bytes(size))}

"""Pixel functions that misbehave; put this folder's root on a child's PYTHONPATH to reach them."""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
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


def rest(seconds: float) -> dict[str, float]:
    began = time.monotonic()
    time.sleep(seconds)
    return {"began": began, "ended": time.monotonic()}


def allocate(gib: float) -> dict[str, object]:
    return {"size": len(bytearray(int(gib * 2**30)))}


def not_a_number() -> dict[str, object]:
    return {"value": float("nan")}


def not_a_dict() -> list[int]:
    return [1, 2, 3]


def shout(length: int) -> dict[str, object]:
    print("x" * length, flush=True)
    return {"text": "y" * length}


def talk(length: int) -> dict[str, object]:
    return {"text": "y" * length}


def rave(megabytes: int) -> dict[str, object]:
    for _ in range(megabytes):
        print("x" * 2**20, flush=True)
    return {}


def spin() -> dict[str, object]:
    while True:
        pass


def forge(text: str) -> dict[str, object]:
    """Write an answer of our own to the channel, as code that took the process over would."""
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(entry.readlink()).startswith("socket:"):
                os.write(int(entry.name), text.encode() + b"\n")
    return {}


def breed(count: int, pid_file: str) -> dict[str, object]:
    """Start processes that leave our group if they can, and never end."""
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(OSError):
                os.setsid()
            time.sleep(600)
        pids.append(str(pid))
    Path(pid_file).write_text(" ".join(pids), encoding="ascii")
    time.sleep(600)
    return {}


def attempt(what: str, target: str) -> dict[str, object]:
    """Try what an intruder would, and tell what came of it."""
    try:
        return {"done": ATTEMPTS[what](target)}
    except OSError as error:
        return {"refused": errno.errorcode[error.errno or 0]}


def _connect(target: str) -> str:
    host, port = target.split(":")
    with socket.create_connection((host, int(port)), timeout=3):
        return "connected"


def _kill(target: str) -> str:
    os.kill(int(target), 0)
    return "signalled"


def _run(target: str) -> str:
    return subprocess.run([sys.executable, "-c", target], capture_output=True, text=True, check=False).stderr[-200:]


ATTEMPTS: dict[str, Callable[[str], str]] = {
    "connect": _connect,
    "signal": _kill,
    "read": lambda target: Path(target).read_bytes()[:20].hex(),
    "list": lambda target: " ".join(map(str, Path(target).iterdir())),
    "write": lambda target: str(Path(target).write_text("x", encoding="ascii")),
    "remove": lambda target: str(Path(target).unlink()),
    "unix": lambda target: socket.socket(socket.AF_UNIX).connect(target) or "connected",
    "leave": lambda _: str(os.setsid()),
    "run": _run,
}


def hang_with_grandchild(pid_file: str) -> dict[str, object]:
    """Start a program, ignore polite signals, and hang."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen(["sleep", "600"])
    Path(pid_file).write_text(str(grandchild.pid), encoding="ascii")
    time.sleep(600)
    return {}


def write(path: str, size: int) -> dict[str, object]:
    return {"written": Path(path).write_bytes(bytes(size))}

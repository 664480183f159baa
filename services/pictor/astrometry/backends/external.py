"""Run an outside program in a folder of its own, limited, and read what it left."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pictor.astrometry.backends.protocol import Failure, Limits, Reason

GUARD = Path(__file__).resolve().parent.parent / "program" / "guard.py"
_GRACE_S = 10.0
_RESULT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code, and the text it printed."""

    code: int
    text: str


@contextmanager
def workplace(scratch: Path) -> Iterator[Path]:
    """Make a folder only we can read, and remove it with all that is in it."""
    with TemporaryDirectory(prefix="solve-", dir=scratch, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def run(command: Sequence[str], folder: Path, limits: Limits) -> Ended | Failure:
    """Run a program without a shell under the guard.

    Parameters
    ----------
    command
        Program and arguments; file names in it are ours.
    folder
        Where it works; the only place it is told of.
    limits
        Time, memory and sizes.

    Returns
    -------
    Ended or Failure
        ``time-limit``, ``solver-crash`` or ``solver-unavailable`` with a sentence.
    """
    numbers = (limits.wall_s, limits.cpu_s, limits.memory_bytes, limits.file_bytes, limits.output_bytes, os.getpid())
    guarded = [sys.executable, "-I", "-S", str(GUARD), *map(str, numbers), "--", *command]
    try:
        done = subprocess.run(
            guarded,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C"},
            timeout=limits.wall_s + _GRACE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Failure(Reason.TIME_LIMIT, f"{Path(command[0]).name} did not end within {limits.wall_s:.0f} s")
    text = done.stdout.decode("utf-8", "replace")
    return _ended(Path(command[0]).name, text, limits)


def result_text(path: Path) -> str | None:
    """Read a small result file that the program may have left; None when it did not."""
    try:
        with path.open("rb") as file:
            return file.read(_RESULT_BYTES).decode("ascii", "replace")
    except OSError:
        return None


def _ended(name: str, text: str, limits: Limits) -> Ended | Failure:
    printed, _, verdict = text.rpartition("\nguard: ")
    kind, _, number = verdict.strip().partition(" ")
    if kind == "exit" and number == "127":
        return Failure(Reason.SOLVER_UNAVAILABLE, f"{name} cannot be started")
    if kind == "exit":
        return Ended(int(number), printed)
    if kind == "time":
        return Failure(Reason.TIME_LIMIT, f"{name} did not end within {limits.wall_s:.0f} s")
    if kind == "output":
        return Failure(Reason.SOLVER_CRASH, f"{name} printed more than {limits.output_bytes} bytes")
    ending = f"signal {number}" if kind == "signal" else "no word from its guard"
    return Failure(Reason.SOLVER_CRASH, f"{name} ended with {ending}")

"""Run an outside program in a folder of its own, limited, and read what it left."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pictor.astrometry.backends.protocol import Failure, Limits, Reason
from pictor.runtime.child import enclosure

GUARD = Path(__file__).resolve().parent.parent / "program" / "guard.py"
CODE = Path(enclosure.__file__).resolve().parents[3]
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


def run(command: Sequence[str], folder: Path, limits: Limits, *, readable: Sequence[Path] = ()) -> Ended | Failure:
    """Run a program without a shell under the guard.

    Parameters
    ----------
    command
        Program and arguments; file names in it are ours.
    folder
        Where it works; the only place it is told of, and may write to.
    limits
        Time, memory and sizes.
    readable
        Folders it reads besides: its own, and the system's.

    Returns
    -------
    Ended or Failure
        ``time-limit``, ``solver-crash``, ``solver-output`` or ``solver-unavailable`` with a sentence.
    """
    numbers = (limits.wall_s, limits.cpu_s, limits.memory_bytes, limits.file_bytes, limits.output_bytes, os.getpid())
    places = os.pathsep.join(map(str, (Path(command[0]).resolve().parent, *readable)))
    guarded = [sys.executable, "-I", "-S", str(GUARD), *map(str, numbers), str(CODE), places, "--", *command]
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
    """Read a small result file that the program may have left; None when it did not, or left something else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.read(descriptor, _RESULT_BYTES).decode("ascii", "replace")
    finally:
        os.close(descriptor)


def printable(text: str) -> str:
    """Reduce what a program said to one line of a log."""
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200].strip()


def _ended(name: str, text: str, limits: Limits) -> Ended | Failure:
    printed, _, verdict = text.rpartition("\nguard: ")
    kind, _, number = verdict.strip().partition(" ")
    if kind == "exit" and number == "127":
        return Failure(Reason.SOLVER_UNAVAILABLE, f"{name} cannot be started")
    if kind == "exit":
        return Ended(int(number), printed)
    known = {
        "time ": (Reason.TIME_LIMIT, f"{name} did not end within {limits.wall_s:.0f} s"),
        "output ": (Reason.SOLVER_OUTPUT, f"{name} printed more than {limits.output_bytes} bytes"),
        f"signal {signal.SIGXFSZ:d}": (Reason.SOLVER_OUTPUT, f"{name} wrote more than {limits.file_bytes} bytes"),
        f"signal {signal.SIGXCPU:d}": (Reason.TIME_LIMIT, f"{name} used more than {limits.cpu_s} s of the processor"),
    }
    ending = f"signal {number}" if kind == "signal" else "no word from its guard"
    return Failure(*known.get(f"{kind} {number}", (Reason.SOLVER_CRASH, f"{name} ended with {ending}")))

"""The astrometry.net engine, in a program of its own that stays open between frames."""

import atexit
import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Limits, Reason, SolverInput
from pictor.astrometry.backends.results import KEYWORDS, candidate
from pictor.astrometry.indexes import Index, fitting, installed

PROGRAM = Path(__file__).resolve().parent.parent / "program" / "engine.py"
STARS = 100
"""Four slices of the 25 stars the engine takes at a time: half of them may be no stars of the catalogue."""
LOG_ODDS = 21.0
"""Natural logarithm: one false claim in 1e9."""
_GRACE_S = 5.0
_ANSWER_BYTES = 1024**2
_STATUS = {"no-match": Reason.NO_MATCH, "time-limit": Reason.TIME_LIMIT}


@dataclass(frozen=True, slots=True)
class EngineSolver:
    """The engine over the star indexes of some folders."""

    folders: tuple[Path, ...]
    name: str = "engine"
    star_count: int = STARS
    least_s: float = 0.1

    def unavailable(self) -> Failure | None:
        """Say whether the program's library or every index is missing."""
        if importlib.util.find_spec("astrometry") is None:
            return Failure(
                Reason.SOLVER_UNAVAILABLE, "the solver library is missing; install it with: pip install astrometry"
            )
        if not installed(self.folders):
            return Failure(
                Reason.NOT_CONFIGURED, "no star index is installed; install one with: pictor index install FOLDER"
            )
        return None

    def solve(self, given: SolverInput, hints: Hints, limits: Limits) -> Candidate | Failure:
        """Ask the program, opening only the indexes that can match this field."""
        chosen = fitting(installed(self.folders), hints, given.width, given.height)
        if not chosen:
            return Failure(Reason.NO_INDEX_FOR_SCALE, _no_index(hints, given))
        answer = _process.ask(_request(given, hints, limits, chosen), limits.wall_s + _GRACE_S)
        if answer.get("status") == "solved":
            return _claim(answer)
        reason = _STATUS.get(str(answer.get("status")), Reason.SOLVER_CRASH)
        return Failure(reason, str(answer.get("message", "no star pattern of the field matched"))[:500])


@dataclass(slots=True)
class _Process:
    """The running program, started when first asked and again after it had to be ended."""

    running: subprocess.Popen[bytes] | None = None
    owner: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, request: dict[str, Any], wait_s: float) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        with self.lock:
            running = self._started()
            try:
                return _exchange(running, json.dumps(request).encode() + b"\n", wait_s)
            except TimeoutError:
                self.end()
                return {"status": "time-limit", "message": f"the engine gave no answer within {wait_s:.0f} s"}
            except (OSError, ValueError) as error:
                self.end()
                return {"status": "crash", "message": f"the engine program ended ({error})"}

    def end(self) -> None:
        """End the program."""
        if self.running is not None and self.owner == os.getpid():
            self.running.kill()
            self.running.communicate()
        self.running = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self.running is None or self.owner != os.getpid() or self.running.poll() is not None:
            self.running = subprocess.Popen(
                [sys.executable, "-I", str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            )
            self.owner = os.getpid()
        return self.running


_process = _Process()
atexit.register(_process.end)


def _claim(answer: dict[str, Any]) -> Candidate | Failure:
    """Read what the program found, whatever it wrote."""
    try:
        numbers = {key: float(answer["wcs"][key]) for key in KEYWORDS}
        log_odds = float(answer["log_odds"])
    except (KeyError, TypeError, ValueError) as error:
        return Failure(Reason.SOLVER_GARBAGE, f"the engine's answer lacks a number ({type(error).__name__})")
    return candidate(numbers, index=Path(str(answer.get("index"))).name[:200], log_odds=log_odds)


def _exchange(running: subprocess.Popen[bytes], request: bytes, wait_s: float) -> dict[str, Any]:
    """Write a line and read a line, within a time and a size."""
    if running.stdin is None or running.stdout is None:
        raise ValueError("it has no pipes")
    running.stdin.write(request)
    running.stdin.flush()
    text = b""
    while not text.endswith(b"\n"):
        if not select.select([running.stdout], [], [], wait_s)[0]:
            raise TimeoutError
        piece = os.read(running.stdout.fileno(), 65536)
        text += piece
        if not piece or len(text) > _ANSWER_BYTES:
            raise ValueError("its answer was cut off" if piece else f"code {running.wait(1)}")
    answer = json.loads(text)
    if not isinstance(answer, dict):
        raise ValueError("its answer is not an object")  # noqa: TRY004 - garbage from outside, not a wrong argument
    return answer


def _request(given: SolverInput, hints: Hints, limits: Limits, chosen: Sequence[Index]) -> dict[str, Any]:
    scale = None if hints.scale_low is None or hints.scale_high is None else [hints.scale_low, hints.scale_high]
    position = None if hints.position is None else [*hints.position, hints.radius_deg]
    return {
        "stars": given.stars[:, :2].tolist(),
        "indexes": [str(index.path) for index in chosen],
        "scale": scale,
        "position": position,
        "parity": hints.parity,
        "log_odds": LOG_ODDS,
        "wall_s": limits.wall_s,
        "cpu_s": limits.exact_s,
        "memory_bytes": limits.memory_bytes,
    }


def _no_index(hints: Hints, given: SolverInput) -> str:
    if hints.scale_low is None or hints.scale_high is None:
        return "no installed star index fits a frame of this size"
    low, high = (scale * max(given.width, given.height) / 60 for scale in (hints.scale_low, hints.scale_high))
    return (
        f"no installed star index has patterns for a field of {low:.0f} to {high:.0f} arcmin; "
        "see which fields are covered with: pictor index check"
    )

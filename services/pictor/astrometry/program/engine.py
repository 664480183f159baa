# SPDX-License-Identifier: GPL-3.0-or-later
"""The astrometry.net engine as a program: star lists in, rough solutions out.

One request per line on standard input, one answer per line on standard output,
both JSON. The program keeps the star indexes it has opened; every request runs in
a fork of its own, so that a search that crashes, hangs or grows ends alone.

Request: ``stars`` [[x, y], ...] in FITS pixels (first pixel 1), best first;
``indexes`` paths of index files; ``scale`` [low, high] arcsec per pixel or null;
``position`` [ra, dec, radius] degrees or null; ``parity`` 1, -1 or null;
``wall_s``, ``cpu_s``, ``memory_bytes``; ``log_odds`` at which to stop.

Answer: ``status`` is ``solved`` (with ``log_odds``, ``index`` and ``wcs`` keywords),
``no-match``, ``time-limit``, ``crash`` or ``bad-index`` (both with ``message``).
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import astrometry

_DEATH_SIGNAL = 1
_OPENED_AT_MOST = 6
_KEYWORDS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
_PARITIES = {1: astrometry.Parity.NORMAL, -1: astrometry.Parity.FLIP, None: astrometry.Parity.BOTH}
_opened: dict[tuple[str, ...], astrometry.Solver] = {}


def main() -> None:
    """Answer requests until standard input ends or the parent is gone."""
    die_with_parent(os.getppid())
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process with the one that started it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Search in a fork; the ways it can end become the status."""
    try:
        solver = opened(tuple(request["indexes"]))
    except Exception as error:  # noqa: BLE001 - the library raises whatever its C code meets
        return {"status": "bad-index", "message": str(error)[:500]}
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _search_and_exit(solver, request, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    return _outcome(os.waitpid(child, 0)[1], text)


def opened(paths: tuple[str, ...]) -> astrometry.Solver:
    """Open index files, or find them open already."""
    if paths not in _opened:
        while len(_opened) >= _OPENED_AT_MOST:
            _opened.pop(next(iter(_opened))).close()
        _opened[paths] = astrometry.Solver([Path(path) for path in paths])
    return _opened[paths]


def search(solver: astrometry.Solver, request: dict[str, Any]) -> dict[str, Any]:
    """Run the engine once, without its own slow tune-up."""
    scale, position = request["scale"], request["position"]
    found = solver.solve(
        stars=request["stars"],
        size_hint=astrometry.SizeHint(*scale) if scale else None,
        position_hint=astrometry.PositionHint(*position) if position else None,
        solution_parameters=astrometry.SolutionParameters(
            sip_order=0,
            tune_up_logodds_threshold=None,
            output_logodds_threshold=request["log_odds"],
            parity=_PARITIES[request["parity"]],
            logodds_callback=lambda odds: (
                astrometry.Action.STOP if odds[0] >= request["log_odds"] else astrometry.Action.CONTINUE
            ),
        ),
    )
    if not found.has_match():
        return {"status": "no-match"}
    best = found.best_match()
    wcs = {key: float(best.wcs_fields[key][0]) for key in _KEYWORDS}
    return {"status": "solved", "log_odds": best.logodds, "index": str(best.index_path), "wcs": wcs}


def _search_and_exit(solver: astrometry.Solver, request: dict[str, Any], writing: int) -> None:
    """Run one request in the fork, under its limits."""
    code = 1
    try:
        die_with_parent(os.getppid())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, _within(resource.RLIMIT_AS, _mapped() + request["memory_bytes"]))
        resource.setrlimit(resource.RLIMIT_CPU, _within(resource.RLIMIT_CPU, request["cpu_s"]))
        signal.setitimer(signal.ITIMER_REAL, request["wall_s"])
        text = json.dumps(search(solver, request)).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(text)
        code = 0
    finally:
        os._exit(code)


def _mapped() -> int:
    """Address space in use: mostly the indexes that are open, which are mapped and not read."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _within(kind: int, limit: int) -> tuple[int, int]:
    """Limit for both, soft and hard, never above the one in force."""
    hard = resource.getrlimit(kind)[1]
    chosen = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    return chosen, chosen


def _outcome(status: int, text: bytes) -> dict[str, Any]:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in (signal.SIGALRM, signal.SIGXCPU, signal.SIGKILL):
            return {"status": "time-limit", "message": "the search reached its time limit"}
        return {"status": "crash", "message": f"the search ended with {signal.Signals(number).name}"}
    if os.WEXITSTATUS(status) != 0:
        return {"status": "crash", "message": f"the search ended with code {os.WEXITSTATUS(status)}"}
    parsed: dict[str, Any] = json.loads(text)
    return parsed


if __name__ == "__main__":
    main()

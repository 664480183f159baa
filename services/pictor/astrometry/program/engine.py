# SPDX-License-Identifier: GPL-3.0-or-later
"""The astrometry.net engine as a program: star lists in, rough solutions out.

One request per line on standard input, one answer per line on standard output,
both JSON. A worker, forked from the program, keeps the star indexes it has opened and
searches, each request under limits of its own; a search that crashes, hangs or
grows ends the worker alone, the program answers for it and forks the next.

Request: ``stars`` [[x, y], ...] in FITS pixels (first pixel 1), best first;
``indexes`` paths of index files; ``scale`` [low, high] arcsec per pixel or null;
``position`` [ra, dec, radius] degrees or null; ``parity`` 1, -1 or null;
``wall_s``, ``cpu_s`` of the processor, ``memory_bytes``; ``log_odds`` at which to stop.

Answer: ``status`` is ``solved`` (with ``log_odds``, ``index`` and ``wcs`` keywords),
``no-match``, ``time-limit``, ``crash`` or ``bad-index`` (both with ``message``).
"""

import contextlib
import ctypes
import json
import mmap
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import astrometry

_DEATH_SIGNAL = 1
_OPENED_AT_MOST = 6
_GROWTH_BYTES = 256 * 1024**2
"""Memory of its own by which a worker may have grown before the next takes over."""
_MAPPED, _OWN = 0, 5
"""Places in ``/proc/self/statm``: all address space, and what is no file."""
_KEYWORDS = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
_PARITIES = {1: astrometry.Parity.NORMAL, -1: astrometry.Parity.FLIP, None: astrometry.Parity.BOTH}
_IDLE, _TAKING, _SEARCHING = 0, 1, 2
"""What a worker does; one that dies while it takes a request leaves it to the next, or must be answered for."""
_opened: dict[tuple[str, ...], astrometry.Solver] = {}


def main() -> None:
    """Keep a worker until standard input ends or the parent is gone, and answer for those that ended in a search."""
    die_with_parent(os.getppid())
    searching = mmap.mmap(-1, 1)
    while True:
        searching[0] = _IDLE
        worker = os.fork()
        if worker == 0:
            _work_and_exit(searching)
        status = os.waitpid(worker, 0)[1]
        if searching[0] == _SEARCHING or (searching[0] == _TAKING and not _waits(0.0)):
            _say(_outcome(status))
        elif status == 0:
            return


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process with the one that started it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Search under the limits of the request, which end this process where they are passed."""
    try:
        solver = opened(tuple(request["indexes"]))
    except Exception as error:  # noqa: BLE001 - the library raises whatever its C code meets
        return {"status": "bad-index", "message": str(error)[:500]}
    with _limited(request):
        return search(solver, request)


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


def _work_and_exit(searching: mmap.mmap) -> None:
    """Answer requests in the fork; its exit code is 0 when standard input has ended."""
    code = 1
    try:
        die_with_parent(os.getppid())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        at_first, unread = _pages(_OWN), b""
        while _pages(_OWN) - at_first < _GROWTH_BYTES:
            line, unread = _line(unread, searching)
            if not line:
                code = 0
                break
            searching[0] = _SEARCHING
            found = answer(json.loads(line))
            searching[0] = _IDLE
            _say(found)
    finally:
        os._exit(code)


def _line(unread: bytes, searching: mmap.mmap) -> tuple[bytes, bytes]:
    """Read to the end of a line: the line and what came after it; an empty line at the end of the input.

    A worker that is killed while it waits has read nothing of a request that comes at that moment.
    """
    while b"\n" not in unread:
        _waits(None)
        searching[0] = _TAKING
        piece = os.read(sys.stdin.fileno(), 1 << 20)
        if not piece:
            return b"", b""
        unread += piece
    line, _, rest = unread.partition(b"\n")
    return line, rest


def _waits(seconds: float | None) -> bool:
    """Wait until there is something to read, for so long or, with None, for ever."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def _say(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _limited(request: dict[str, Any]) -> Iterator[None]:
    """Limit time, processor time and memory beyond what is in use, until the search is done."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + int(request["cpu_s"])
    limits = {resource.RLIMIT_AS: _pages(_MAPPED) + int(request["memory_bytes"]), resource.RLIMIT_CPU: seconds}
    before = {kind: resource.getrlimit(kind) for kind in limits}
    for kind, limit in limits.items():
        hard = before[kind][1]
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
    timers = {signal.ITIMER_REAL: request["wall_s"], signal.ITIMER_PROF: request["cpu_s"]}
    for timer, limit in timers.items():
        signal.setitimer(timer, limit)
    yield
    for timer in timers:
        signal.setitimer(timer, 0.0)
    for kind, both in before.items():
        resource.setrlimit(kind, both)


def _pages(kind: int) -> int:
    """Address space in use, in bytes; most of it are the indexes that are open, which are mapped and not read."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[kind]) * os.sysconf("SC_PAGE_SIZE")


def _outcome(status: int) -> dict[str, Any]:
    """Tell how a worker ended in a search."""
    if not os.WIFSIGNALED(status):
        return {"status": "crash", "message": f"the search ended with code {os.WEXITSTATUS(status)}"}
    number = os.WTERMSIG(status)
    if number in (signal.SIGALRM, signal.SIGPROF, signal.SIGXCPU, signal.SIGKILL):
        return {"status": "time-limit", "message": "the search reached its time limit"}
    return {"status": "crash", "message": f"the search ended with {signal.Signals(number).name}"}


if __name__ == "__main__":
    main()

"""Run one command under limits and leave nothing of it behind.

Usage: ``guard.py WALL_S CPU_S MEMORY FILE OUTPUT PARENT CODE PLACES -- command ...``,
in the folder the command shall work in, the only one it may write to. It may read
PLACES, joined by colons, and what the system needs; the code that bounds it is in CODE.
Copies at most OUTPUT bytes of what the command prints to standard output and ends with
one line ``guard: exit N``, ``guard: signal N``, ``guard: time`` or ``guard: output``.
When the process that started it ends, by whatever means, the command and all it started
end too.
"""

import ctypes
import os
import resource
import select
import signal
import sys
import time

_SET_DEATH_SIGNAL = 1
_SET_SUBREAPER = 36
_SET_NO_NEW_PRIVILEGES = 38
_OPEN_FILES = 64
_KINDS = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NOFILE)
_PIECE = 65536
_SWEEPS = 200


def main() -> None:
    """Run the command."""
    wall_s, cpu_s, memory, file_size, output, parent = (float(text) for text in sys.argv[1:7])
    code, places, command = sys.argv[7], sys.argv[8].split(os.pathsep), sys.argv[10:]
    _control(_SET_SUBREAPER, 1)
    _control(_SET_DEATH_SIGNAL, signal.SIGTERM)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _become(command, writing, (int(cpu_s), int(memory), int(file_size)), code, places)
    os.close(writing)
    signal.signal(signal.SIGTERM, lambda *_: _end_and_exit(child))
    if os.getppid() != int(parent):
        _end_and_exit(child)
    verdict = _watch(child, reading, time.monotonic() + wall_s, int(output))
    _end(child)
    sys.stdout.buffer.write(f"\nguard: {verdict}\n".encode())


def _become(command: list[str], writing: int, limits: tuple[int, int, int], code: str, places: list[str]) -> None:
    """Turn into the command, enclosed and limited."""
    try:
        _lead_group()
        _enclose(code, places)
        _control(_SET_DEATH_SIGNAL, signal.SIGKILL)
        _control(_SET_NO_NEW_PRIVILEGES, 1)
        kinds = (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE)
        for kind, limit in (
            *zip(kinds, limits, strict=True),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, _OPEN_FILES),
        ):
            hard = resource.getrlimit(kind)[1]
            highest = limit + (kind == resource.RLIMIT_CPU)
            highest = highest if hard == resource.RLIM_INFINITY else min(highest, hard)
            resource.setrlimit(kind, (min(limit, highest), highest))
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        for number in (1, 2):
            os.dup2(writing, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    finally:
        os._exit(127)


def _lead_group() -> None:
    """Lead a group of its own where that is allowed; inside an enclosure it dies with the whole group anyway."""
    try:
        os.setpgid(0, 0)
    except PermissionError:
        return


def _enclose(code: str, places: list[str]) -> None:
    """Bound this process to its folder, without network, as far as the kernel goes along."""
    sys.path.insert(0, code)
    try:
        from pictor.runtime.child.enclosure import Reach, enclose  # noqa: PLC0415 - only the fork needs it
    except ImportError:
        return
    enclose(Reach(tuple(places), (os.getcwd(),)))  # noqa: PTH109 - starts in 10 ms


def _watch(child: int, reading: int, deadline: float, output: int) -> str:
    """Copy the output until the command ends or goes too far."""
    copied, open_pipe = 0, True
    while True:
        if open_pipe and select.select([reading], [], [], 0.02)[0]:
            piece = os.read(reading, _PIECE)
            open_pipe = bool(piece)
            sys.stdout.buffer.write(piece[: output - copied])
            copied += len(piece)
        elif not open_pipe:
            time.sleep(0.002)
        done, status = os.waitpid(child, os.WNOHANG)
        if done == child:
            return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
        if copied > output:
            return "output"
        if time.monotonic() > deadline:
            return "time"


def _end_and_exit(child: int) -> None:
    _end(child)
    os._exit(1)


def _end(child: int) -> None:
    """Kill the group, and whatever has left it: orphans become children of this process."""
    for _ in range(_SWEEPS):
        _kill(-child)
        for orphan in _children():
            _kill(orphan)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123 - starts in 10 ms
            return [int(text) for text in file.read().split()]
    except OSError:
        return []


def _control(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()

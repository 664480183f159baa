"""What one child may use, and the environment it sees."""

import math
import os
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
INHERITED_PREFIXES = ("LC_", "PYTHON", "NUMBA_", "XDG_")
"""A child parses hostile bytes: it never sees the variables that hold our passwords."""

THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VIPS_CONCURRENCY",
)


CALL_MEMORY = {
    "ingest": 5 * GIB // 2,
    "header": 5 * GIB // 2,
    "preview": 5 * GIB // 2,
    "quality": 4 * GIB,
}
"""Address space one call of a service may add to what its child has mapped; others may use all the child may.

A warm child maps 0.6 GiB, mostly compiled kernels. A frame of 61 megapixels of 32-bit floats adds 0.29 GiB in ingest,
0.26 GiB in preview and 0.28 GiB in quality; the largest frame that is read has 2.7 times as many bytes.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one child and of everything it starts; None means unlimited."""

    address_space: int | None = 6 * GIB
    """Bytes of address space: numba and numpy reserve much more than they touch."""
    open_files: int | None = 256
    file_size: int | None = 5 * GIB // 2
    """Bytes of the largest file it may write."""
    cpu_seconds: int | None = None
    """Processor time over the child's whole life; the wall clock of each call is limited by the call."""
    threads: int = 1
    """Threads of each numeric library."""

    def apply(self) -> None:
        """Limit this process; its processor time ends with SIGXCPU a second before SIGKILL."""
        for kind, value in (
            (resource.RLIMIT_AS, self.address_space),
            (resource.RLIMIT_NOFILE, self.open_files),
            (resource.RLIMIT_FSIZE, self.file_size),
            (resource.RLIMIT_CPU, self.cpu_seconds),
            (resource.RLIMIT_CORE, 0),
        ):
            if value is not None:
                hard = resource.getrlimit(kind)[1]
                highest = value + (kind == resource.RLIMIT_CPU)
                highest = highest if hard == resource.RLIM_INFINITY else min(highest, hard)
                resource.setrlimit(kind, (min(value, highest), highest))

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Environment of a child: what programs need to run, pinned thread counts, and ``extra``."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in INHERITED or name.startswith(INHERITED_PREFIXES)
        }
        return {**inherited, **dict.fromkeys(THREAD_COUNTS, str(self.threads)), **extra}


@contextmanager
def one_call(service: str, seconds: float | None) -> Iterator[None]:
    """Limit what this process may use until the block ends.

    Parameters
    ----------
    service
        Whose function is called.
    seconds
        Processor time it may use: the wall clock's limit, which nobody watches while the parent is frozen.
    """
    memory, cpu = resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU)
    if service in CALL_MEMORY:
        _soften(resource.RLIMIT_AS, _mapped() + CALL_MEMORY[service], memory)
    if seconds is not None:
        _soften(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds) + 1, cpu)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        resource.setrlimit(resource.RLIMIT_CPU, cpu)


def _soften(kind: int, value: int, now: tuple[int, int]) -> None:
    resource.setrlimit(kind, (value if now[0] == resource.RLIM_INFINITY else min(value, now[0]), now[1]))


def _mapped() -> int:
    """Address space in use."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")

"""What one child may use, and the environment it sees."""

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one child and of everything it starts; None means unlimited."""

    address_space: int | None = 6 * GIB
    """Bytes of address space: numba and numpy reserve much more than they touch."""
    open_files: int | None = 256
    file_size: int | None = None
    """Bytes of the largest file it may write."""
    cpu_seconds: int | None = None
    """Processor time over the child's whole life; the wall clock of each call is limited by the call."""
    threads: int = 1
    """Threads of each numeric library."""

    def apply(self) -> None:
        """Limit this process."""
        for kind, value in (
            (resource.RLIMIT_AS, self.address_space),
            (resource.RLIMIT_NOFILE, self.open_files),
            (resource.RLIMIT_FSIZE, self.file_size),
            (resource.RLIMIT_CPU, self.cpu_seconds),
            (resource.RLIMIT_CORE, 0),
        ):
            if value is not None:
                hard = resource.getrlimit(kind)[1]
                capped = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(kind, (capped, capped))

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Environment of a child: what programs need to run, pinned thread counts, and ``extra``."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name in INHERITED or name.startswith(INHERITED_PREFIXES)
        }
        return {**inherited, **dict.fromkeys(THREAD_COUNTS, str(self.threads)), **extra}

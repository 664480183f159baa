"""Start a process with less: kernels without the compiler, packages without what is not used, garbage looked for less.

Only processes of our own do this, never one that imports our packages.
"""

import gc
import sys

from pictor.runtime.child.sparing import Sparing

ALLOCATIONS = 10_000
"""Objects made between two looks for garbage. Imports make hundreds of thousands that stay: at Python's 700 looking at
them takes a tenth of a start."""


def load_lightly() -> None:
    """Start lightly from now on in this process; to be called before anything imports numba or astropy."""
    if not any(isinstance(finder, Sparing) for finder in sys.meta_path):
        gc.set_threshold(ALLOCATIONS, *gc.get_threshold()[1:])
        sys.meta_path.insert(0, Sparing())

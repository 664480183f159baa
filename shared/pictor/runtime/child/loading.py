"""Start and end a process with less: numba without its compiler, and garbage looked for less.

Only processes of our own do this, never one that imports our packages.
"""

import atexit
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from pictor.runtime.child.kernels import load_without_compiler

ALLOCATIONS = 10_000
"""Objects made between two looks for garbage. Imports make hundreds of thousands that stay: at Python's 700 looking at
them takes a tenth of a start."""

KNOWN = "0.68."
"""Versions of numba whose way of loading kernels is known; another loads as it likes."""


class _Lightly(threading.local):
    """A finder for numba, changed once it is there, which only learns whether scipy is too old when it imports it."""

    importing = False

    def find_spec(self, name: str, _path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find numba as Python does; tell the thread that imports it that there is no scipy; leave all else alone."""
        if name == "scipy" and self.importing:
            raise ModuleNotFoundError("scipy is not imported to import numba", name=name)
        spec = PathFinder.find_spec(name, None, target) if name == "numba" else None
        if spec is None or spec.loader is None:
            return None
        plain = spec.loader.exec_module

        def execute(module: ModuleType) -> None:
            with self._imported():
                plain(module)
            if vars(module)["__version__"].startswith(KNOWN):
                load_without_compiler()

        spec.loader.exec_module = execute  # type: ignore[method-assign]
        return spec

    @contextmanager
    def _imported(self) -> Iterator[None]:
        self.importing = True
        try:
            yield
        finally:
            self.importing = False


def load_lightly() -> None:
    """Start lightly from now on in this process; to be called before anything imports numba."""
    if not any(isinstance(finder, _Lightly) for finder in sys.meta_path):
        gc.set_threshold(ALLOCATIONS, *gc.get_threshold()[1:])
        atexit.register(gc.freeze)  # looking for garbage among all that was imported takes a tenth of a second
        sys.meta_path.insert(0, _Lightly())

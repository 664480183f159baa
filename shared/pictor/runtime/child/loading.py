"""Kernels from numba's cache without the compiler: what would compile them is loaded when something must be compiled.

Before numba loads one kernel from its cache it imports every implementation it could compile with, and of these one
asks for scipy's linear algebra. A process that only runs what was compiled before needs neither. Only processes of our
own do this, never one that imports our packages.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

ASKED_FOR = frozenset({"scipy.linalg", "scipy.linalg.cython_blas"})
"""What numba imports to learn whether kernels may multiply matrices; none of ours does."""

KNOWN = "0.68."
"""Versions of numba whose way of loading this is; another loads as it likes."""


class _Watch:
    """A finder that finds no module: it waits until numba's cache is there."""

    def find_spec(self, _name: str, _path: object = None, _target: object = None) -> None:
        """Change the cache once it can be changed, then watch no longer."""
        cache = getattr(sys.modules.get("numba.core.caching"), "Cache", None)
        if cache is None:
            return
        sys.meta_path.remove(self)
        if sys.modules["numba"].__version__.startswith(KNOWN):
            sys.meta_path.insert(0, _refusal)
            cache.load_overload = _load


class _Refusal(threading.local):
    """A finder that refuses linear algebra to the thread that loads a kernel; all others import what they like."""

    loading = 0

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Say that there is no such module; one that is there already is not asked for here."""
        if self.loading and name in ASKED_FOR:
            raise ModuleNotFoundError(f"{name} is not imported to load a kernel", name=name)


_refusal = _Refusal()


def load_lightly() -> None:
    """Load kernels lightly from now on in this process; to be called before anything imports numba."""
    if not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def _load(cache: Any, signature: Any, target: Any) -> Any:  # noqa: ANN401 - they are numba's
    """Load one kernel as ``Cache.load_overload`` does, without refreshing the compiler's context first."""
    with _without_linear_algebra():
        import_module("numba.core.runtime").rtsys.initialize(target)
        with cache._guard_against_spurious_io_errors():  # noqa: SLF001
            return cache._load_overload(signature, target)  # noqa: SLF001


@contextmanager
def _without_linear_algebra() -> Iterator[None]:
    _refusal.loading += 1
    try:
        yield
    finally:
        _refusal.loading -= 1

"""Kernels from numba's cache without the compiler: what would compile them is loaded when something must be compiled.

Before numba loads one kernel from its cache it imports every implementation it could compile with, and of these one
asks for scipy's linear algebra. A process that only runs what was compiled before needs neither. Only processes of our
own do this, never one that imports our packages.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

ASKED_FOR = "scipy.linalg.cython_blas"
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
            cache.load_overload = _load


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
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    if ASKED_FOR in modules:
        yield
        return
    modules[ASKED_FOR] = None
    try:
        yield
    finally:
        modules.pop(ASKED_FOR, None)

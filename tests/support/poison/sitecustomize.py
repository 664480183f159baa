"""Loaded by every Python started with this folder on PYTHONPATH: marked frames make the preview's child misbehave.

A frame whose OBJECT is SEGFAULT makes it die of SIGSEGV, as a C parser would; one called MEMHOG makes it ask for more
memory than it may have. No code of Pictor knows of it.
"""

import importlib
import os
import signal
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

POISONED = "pictor.preview.compute"
HEADER_BYTES = 2880 * 4


class Poisoner(MetaPathFinder):
    """Lets one module be imported as it is, and then wraps its function."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Find the module by the finders after this one, and poison its loader."""
        if fullname != POISONED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def poisoned(module: ModuleType) -> None:
                execute(module)
                module.render = _wrapped(module.render)  # type: ignore[attr-defined]

            spec.loader.exec_module = poisoned  # type: ignore[method-assign]
        return spec


def _wrapped(render: Any) -> Any:
    def render_or_die(path: str, *arguments: Any, **named: Any) -> Any:
        head = Path(path).read_bytes()[:HEADER_BYTES]
        if b"SEGFAULT" in head:
            os.kill(os.getpid(), signal.SIGSEGV)
        if b"MEMHOG" in head:
            bytearray(1 << 36)
        return render(path, *arguments, **named)

    return render_or_die


sys.meta_path.insert(0, Poisoner())

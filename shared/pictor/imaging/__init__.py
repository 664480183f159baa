"""Pure pixels: arrays and headers in, arrays and numbers out.

The names below are the public library; each is loaded when it is first asked for, so that importing this package
costs nothing. ``from pictor.imaging import Frame, find_stars`` is all a notebook needs.
"""

from importlib import import_module
from typing import Any

from pictor.imaging.public import PUBLIC, place_of

__all__ = [*PUBLIC]  # noqa: PLE0604 - the table of public names is data


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Load a public name from its module."""
    if name not in PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = place_of(name)
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(PUBLIC)

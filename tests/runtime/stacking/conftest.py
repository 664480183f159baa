"""A rig and its frames."""

from tests.support.rig import frame

__all__ = ["frame"]

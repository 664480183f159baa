"""The version every product records."""

from pictor.imaging.version import VERSION

__all__ = ["SOFTWARE", "VERSION"]

SOFTWARE = f"pictor {VERSION}"

"""The version every product records."""

from importlib.metadata import version

VERSION = version("pictor")
SOFTWARE = f"pictor {VERSION}"

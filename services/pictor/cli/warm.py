"""Compile every pixel kernel once, so that no frame ever waits for a compiler."""

from importlib import import_module

from pictor.runtime.hosting import WARM

LIBRARY = (
    "pictor.imaging.coadd.coadding",
    "pictor.imaging.combine.frames",
    "pictor.imaging.continuum.convolving",
    "pictor.imaging.simulator.camera",
    "pictor.imaging.simulator.psf",
)
"""Modules with kernels that only the commands of the library use."""


def main() -> int:
    """Import every module with pixel work and run its ``warm``."""
    for names in (*WARM.values(), LIBRARY):
        for name in names:
            warm = getattr(import_module(name), "warm", None)
            if warm is not None:
                warm()
    return 0


if __name__ == "__main__":
    main()

"""A coadd and its weight image as FITS files."""

from pathlib import Path

import numpy as np

from pictor.imaging.calibration.planes import Plane, write_planes
from pictor.imaging.coadd.coadding import Coadded
from pictor.imaging.frame import Frame
from pictor.imaging.products import Provenance, product_header, write_product, write_whole


def write_coadd(path: Path, done: Coadded, made: Provenance, *, overwrite: bool = False) -> None:
    """Write the planes SCI, ERR and MASK of a coadd; see `pictor.imaging.products.write_product`.

    Parameters
    ----------
    path
        File to write.
    done
        The coadd.
    made
        What it was made of.
    overwrite
        Whether a file of that name may be replaced.

    Raises
    ------
    FileTakenError
        If a file of that name is there and ``overwrite`` is False.
    """
    write_product(path, done.frame, made, overwrite=overwrite)


def write_weight(path: Path, done: Coadded, made: Provenance, *, overwrite: bool = False) -> None:
    """Write the weight image: inverse variance, 0 where there is no value, as SExtractor's MAP_WEIGHT reads it.

    The extension NUSED holds the number of lights in every pixel.

    Parameters
    ----------
    path, done, made, overwrite
        As for `write_coadd`.

    Raises
    ------
    FileTakenError
        If a file of that name is there and ``overwrite`` is False.
    """
    unit = f"1 / ({done.frame.unit})**2" if done.frame.unit else ""
    header = product_header(Frame(done.weight, header=done.frame.header, unit=unit), made)
    header["IMAGETYP"] = ("WEIGHT", "inverse variance")
    planes = [
        Plane("WEIGHT", "f4", lambda rows: done.weight[rows]),
        Plane("NUSED", "f4", lambda rows: done.nused[rows].astype(np.float32)),
    ]
    write_whole(path, lambda part: write_planes(part, header, planes, done.frame.shape), overwrite=overwrite)

"""A coadd and its weight image as FITS files."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from pictor.imaging.coadd.coadding import Coadded
from pictor.imaging.frame import Frame
from pictor.imaging.products import Provenance, write_product


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
    frame = Frame(done.weight, None, None, done.frame.header, unit)
    write_product(path, frame, replace(made, stage="coadd"), overwrite=overwrite)


def counts(done: Coadded) -> Frame:
    """Give the number of lights in every pixel as a frame without unit."""
    return Frame(done.nused.astype(np.float32), None, None, done.frame.header, "")

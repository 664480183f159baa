"""Small pictures of a master: its pixels stretched, and where frames were rejected."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image

from pictor.imaging.errors import ImagingError

EDGE = 640
"""Longest edge of a picture, in pixels: enough to see gradients, columns and dust."""

STRIP = 16
"""Rows of blocks read together."""

STRETCH = (1.0, 99.0)
"""Percentiles of the averaged pixels that become black and white."""

LEAST_WHITE = 0.01
"""White of the rejection picture at least stands for this share, so that noise does not look like damage."""


@dataclass(frozen=True, slots=True)
class MasterPictures:
    """Paths of the pictures, and what black and white stand for."""

    preview: Path
    rejection: Path | None
    black: float
    white: float
    rejection_white: float | None


def picture_master(path: Path, scratch: Path) -> MasterPictures:
    """Write ``preview.png`` and, where the master has NUSED, ``rejection.png``.

    Pixels are averaged in square blocks, strip by strip, so that memory does not grow with the master. The first row of
    the file is at the top if ROWORDER says TOP-DOWN, else at the bottom.

    Parameters
    ----------
    path
        Master as FITS: SCI and, from our own stacks, NUSED.
    scratch
        Folder for the pictures.

    Raises
    ------
    ImagingError
        If the file holds no image of two axes.
    """
    with fits.open(path, memmap=False) as units:
        images = {unit.name: unit for unit in units if unit.is_image and len(unit.shape) == 2}
        if not images:
            raise ImagingError(f"{path.name} holds no image of two axes", reason="not-a-master")
        sci = images.get("SCI") or next(iter(images.values()))
        header = units[0].header
        frames = header.get("NCOMBINE")
        counted = "NUSED" in images and isinstance(frames, int) and frames > 0
        levels, nused = averaged(sci.section, sci.shape), None
        if counted:
            nused = averaged(images["NUSED"].section, images["NUSED"].shape) / frames
    return _pictures(levels, nused, upright=_upright(header.get("ROWORDER")), scratch=scratch)


def picture_planes(
    sci: NDArray[np.float32], nused: NDArray[np.uint8], frames: int, *, row_order: object, scratch: Path
) -> MasterPictures:
    """Draw the same pictures of planes in memory, shape (ny, nx), combined of so many frames."""
    levels, used = averaged(sci, sci.shape), averaged(nused, nused.shape) / frames
    return _pictures(levels, used, upright=_upright(row_order), scratch=scratch)


def _upright(row_order: object) -> bool:
    return str(row_order or "").upper() == "TOP-DOWN"


def _pictures(
    levels: NDArray[np.float64], used: NDArray[np.float64] | None, *, upright: bool, scratch: Path
) -> MasterPictures:
    """Stretch and write averages of the pixels, and of the share of the frames used where it is known."""
    finite = levels[np.isfinite(levels)]
    black, white = (float(value) for value in np.percentile(finite, STRETCH)) if finite.size else (0.0, 1.0)
    preview = _write(levels, black, white, upright, scratch / "preview.png")
    if used is None:
        return MasterPictures(preview, None, black, white, None)
    rejected = 1.0 - used
    top = max(LEAST_WHITE, float(np.percentile(rejected, 99.9)))
    return MasterPictures(preview, _write(rejected, 0.0, top, upright, scratch / "rejection.png"), black, white, top)


def averaged(pixels: NDArray[np.generic] | fits.Section, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return means of square blocks, shape at most (EDGE, EDGE); what does not fill a block is left out."""
    ny, nx = shape
    block = max(1, -(-max(ny, nx) // EDGE))
    rows, columns = max(1, ny // block), max(1, nx // block)
    means = np.empty((rows, columns))
    for first in range(0, rows, STRIP):
        last = min(first + STRIP, rows)
        strip = pixels[first * block : last * block, : columns * block].reshape(last - first, block, -1)
        sums = strip.sum(axis=1, dtype=np.float64).reshape(last - first, columns, block).sum(axis=2)
        means[first:last] = sums / (block * block)
    return means


def _write(values: NDArray[np.float64], black: float, white: float, upright: bool, path: Path) -> Path:  # noqa: FBT001
    scaled = (np.nan_to_num(values, nan=black) - black) / max(white - black, 1e-12)
    grey = np.rint(255 * np.clip(scaled, 0.0, 1.0)).astype(np.uint8)
    Image.fromarray(np.ascontiguousarray(grey if upright else grey[::-1])).save(path, compress_level=1)
    return path

"""Pixels of stars that hits have spoilt, or that are marked in a light, replaced by what the other lights show there.

A hit spreads over the samples around it. A star misses those that are rejected, and the waves that are not rejected
change it; both go with the pixel itself. What belongs there is told by the coadd, fitted to the star in that light.
"""

import math
from collections.abc import Mapping as Table
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.coadd.members import Member
from pictor.imaging.coadd.profiles import Stamp, stamp_of
from pictor.imaging.coadd.samples import Patches
from pictor.imaging.coadd.trails import Places
from pictor.imaging.resampling.weights import Kernel

Floats = NDArray[np.float64]

# Lost samples this near to each other have one fit. A pixel of a light reaches so far, and clipping looks beside that.
_TOGETHER_PX, _TAPS_PX, _EDGE_PX = 3.5, 3.0, 3.0
# Fits of a coadd: at least so many, and for every sample so many more, which is a tenth of the time of all else.
# More lost samples of one light mean that its profile is another, and are not looked at.
_FITS, _FITS_PER_SAMPLE, _MOST_LOST = 500, 6e-6, 10_000
_KERNELS = (Kernel.LANCZOS3, Kernel.CUBIC)


def restored(members: Sequence[Member], coadd: NDArray[np.float32], level: float, lost: Places) -> dict[int, Patches]:
    """Find the pixels behind lost samples of stars, and what belongs there.

    Parameters
    ----------
    members
        All lights; pixels of those that are averaged in larger ones, or not interpolated smoothly, stay.
    coadd
        What the lights show together, shape (ny, nx), and
    level
        its sky.
    lost
        Samples of stars that are lost, or stand out.

    Returns
    -------
    dict
        Patches of lights, by their index.
    """
    spots = []
    for index in np.unique(lost[:, 0]):
        one, own = members[index], lost[lost[:, 0] == index, 1:][:_MOST_LOST].astype(np.float64)
        if one.resampler.fine == 1 and one.resampler.kernel in _KERNELS:
            places = one.mapping.places(own[:, 1], own[:, 0])
            spots += [(int(index), own[which]) for which in _near(*places)]
    spots.sort(key=lambda spot: -len(spot[1]))  # most samples first; the order of others stays
    most, stamps = max(_FITS, int(_FITS_PER_SAMPLE * len(members) * coadd.size)), dict[int, list[Stamp]]()
    for index, places in spots[:most]:
        stamp = stamp_of(members[index], coadd, level, (places[:, 1], places[:, 0]))
        if stamp is not None:
            stamps.setdefault(index, []).append(stamp)
    found = {index: _patches(each, members[index].source.shape[1]) for index, each in stamps.items()}
    return {index: each for index, each in found.items() if each is not None}


def _near(x: Floats, y: Floats) -> list[NDArray[np.intp]]:
    """Part places, shape (n,) each, into those that lie together."""
    left, parts = np.ones(len(x), np.bool_), []
    for first in range(len(x)):
        if left[first]:
            near = left & (np.abs(x - x[first]) < _TOGETHER_PX) & (np.abs(y - y[first]) < _TOGETHER_PX)
            left &= ~near
            parts.append(np.flatnonzero(near))
    return parts


def _patches(stamps: Sequence[Stamp], width: int) -> Patches | None:
    """Fit the stamps of a light; of a pixel in several of them the first counts."""
    fits = [(stamp, fit) for stamp in stamps if (fit := stamp.fit()) is not None]
    if not fits:
        return None
    flat = np.concatenate([stamp.rows[fit.which] * width + stamp.columns[fit.which] for stamp, fit in fits])
    flat, first = np.unique(flat, return_index=True)
    values, variances = (
        np.concatenate([getattr(fit, part) for _, fit in fits])[first].astype(np.float32)
        for part in ("values", "variances")
    )
    return Patches(flat // width, flat % width, values, variances)


def boxes_of(
    members: Sequence[Member], patches: Table[int, Patches], shape: tuple[int, int]
) -> list[tuple[slice, slice]]:
    """Find the parts of the grid that patches change; they may overlap."""
    boxes = []
    for index, each in patches.items():
        one = members[index]
        reach = _TAPS_PX / math.sqrt(one.resampler.area) + _EDGE_PX
        x, y = one.mapping.positions(each.columns.astype(np.float64), each.rows.astype(np.float64))
        for which in _near(x, y):
            ends = [(float(at[which].min()) - reach, float(at[which].max()) + reach) for at in (y, x)]
            boxes.append([slice(max(int(a), 0), min(int(b) + 2, n)) for (a, b), n in zip(ends, shape, strict=True)])
    return [(rows, columns) for rows, columns in boxes if rows.start < rows.stop and columns.start < columns.stop]

"""The stars two frames of one field have in common."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pictor.imaging.stars.starlist import StarFlag, StarList

Floats = NDArray[np.float64]

_BAD = int(StarFlag.SATURATED | StarFlag.EDGE | StarFlag.HOT_PIXEL | StarFlag.COSMIC_RAY | StarFlag.TRAIL)
# Two stars nearer to each other than this, in FWHM, spoil each other's profile.
_ISOLATION = 4.0
_NEAR_PX = 2.0


@dataclass(frozen=True, slots=True)
class CommonStars:
    """Unsaturated stars seen in both frames, brightest first.

    Parameters
    ----------
    x, y
        Positions in the broad frame, 0-based pixels, shape (n,).
    dx, dy
        Position in the narrow frame minus that in the broad one, in pixels.
    snr
        Signal-to-noise ratio in the frame that shows the star worse.
    isolated
        Whether no other source lies near.
    """

    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    snr: Floats
    isolated: NDArray[np.bool_]

    @classmethod
    def of(cls, narrow: StarList, broad: StarList, fwhm: float, mask: NDArray[np.bool_]) -> Self:
        """Match two star lists by position.

        Parameters
        ----------
        narrow, broad
            Stars of frames on the same grid.
        fwhm
            The larger FWHM of both frames, in pixels.
        mask
            Pixels that cannot be used in either frame, shape (ny, nx); stars on them are left out.
        """
        ours, theirs = narrow.select((narrow.flags & _BAD) == 0), broad.select((broad.flags & _BAD) == 0)
        if len(ours) == 0 or len(theirs) == 0:
            nothing = np.zeros(0)
            return cls(nothing, nothing, nothing, nothing, nothing, np.zeros(0, dtype=np.bool_))
        tree = cKDTree(np.column_stack([ours.x, ours.y]))
        distance, which = tree.query(np.column_stack([theirs.x, theirs.y]), distance_upper_bound=_NEAR_PX)
        found = np.flatnonzero(np.isfinite(distance))
        _, first = np.unique(which[found], return_index=True)
        found = found[np.sort(first)]
        mate = which[found]
        x, y = theirs.x[found], theirs.y[found]
        everything = cKDTree(np.column_stack([broad.x, broad.y]))
        near = everything.query_ball_point(np.column_stack([x, y]), _ISOLATION * fwhm, return_length=True)
        usable = ~mask[np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)]
        snr = np.minimum(ours.snr[mate], theirs.snr[found])
        order = np.flatnonzero(usable)[np.argsort(-snr[usable], kind="stable")]
        return cls(
            x[order], y[order], (ours.x[mate] - x)[order], (ours.y[mate] - y)[order], snr[order],
            np.asarray(near <= 1)[order],
        )  # fmt: skip

    def __len__(self) -> int:
        """Count the stars."""
        return len(self.x)

"""How probable it is that unrelated stars fall together."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import binom

Floats = NDArray[np.float64]

# Density of stars is counted within this many radii of a match, and at least this many pixels.
_AROUND, _AROUND_PX = 6.0, 40.0


def chance_of(there: Floats, reference: tuple[cKDTree, tuple[int, int]], pairs: int, free: int, radius: float) -> float:
    """Find how probable so many pairs are between unrelated stars: a binomial tail.

    The density of the reference around each star counts, so that clusters do not match clusters.

    Parameters
    ----------
    there
        Stars of the other frame on the reference, shape (n, 2), in pixels.
    reference
        Tree of its stars, and its shape (ny, nx).
    pairs, free
        Stars that fall together, and how many of them the transformation was made of.
    radius
        Within which they count as the same, in pixels.
    """
    tree, (ny, nx) = reference
    inside = there[np.all((there > -0.5) & (there < [nx - 0.5, ny - 0.5]), axis=1)]
    if len(inside) == 0:
        return 1.0
    around = max(_AROUND * radius, _AROUND_PX)
    near = tree.query_ball_point(inside, around, return_length=True) - 1
    shares = np.maximum(near * (radius / around) ** 2, tree.n * math.pi * radius**2 / (ny * nx))
    share = float(np.mean(np.minimum(shares, 1.0)))
    return float(binom.sf(pairs - free - 1, max(len(inside) - free, 1), share))

"""Array types shared by the pixel functions."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating]
"""A two-dimensional image, shape (ny, nx), in ADU unless stated otherwise."""

Mask = NDArray[np.uint8]
"""Bit mask, shape (ny, nx): 1 bad, 2 saturated, 4 low flat, 8 cosmic ray, 16 no data, 32 non-linear."""


class Rowed(Protocol):
    """A plane whose rows are there when they are asked for; an array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (ny, nx)."""
        ...

    def __getitem__(self, rows: slice, /) -> NDArray[np.floating]:
        """Return some rows, shape (rows, nx)."""
        ...

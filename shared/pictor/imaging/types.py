"""Array types shared by the pixel functions."""

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.floating]
"""A two-dimensional image, shape (ny, nx), in ADU unless stated otherwise."""

Mask = NDArray[np.uint8]
"""Bit mask, shape (ny, nx): 1 bad, 2 saturated, 4 low flat, 8 cosmic ray, 16 no data, 32 non-linear."""

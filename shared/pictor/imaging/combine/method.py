"""How frames are combined, by name; light to import."""

from enum import StrEnum

MAX_FRAMES = 255
"""The count of samples used is one byte per pixel."""


class Method(StrEnum):
    """How the samples of one pixel become one value."""

    MEAN = "mean"
    MEDIAN = "median"
    SIGMA_CLIP = "sigma_clip"

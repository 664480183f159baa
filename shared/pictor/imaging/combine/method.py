"""How frames are combined, by name; light to import."""

from enum import StrEnum

MAX_FRAMES = 255
"""The count of samples used is one byte per pixel."""


class Method(StrEnum):
    """How the samples of one pixel become one value."""

    MEAN = "mean"
    MEDIAN = "median"
    SIGMA_CLIP = "sigma_clip"


class Scaling(StrEnum):
    """What of each frame is brought to one level before its samples are compared."""

    NONE = "none"
    MEAN = "mean"
    MEDIAN = "median"

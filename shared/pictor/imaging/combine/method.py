"""How frames are combined, by name; light to import."""

from enum import StrEnum


class Method(StrEnum):
    """How the samples of one pixel become one value."""

    MEAN = "mean"
    MEDIAN = "median"
    SIGMA_CLIP = "sigma_clip"

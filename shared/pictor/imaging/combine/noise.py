"""The noise one sample of one frame should have."""

import math
from dataclasses import dataclass

QUANTISATION_VARIANCE = 1.0 / 12.0
"""Variance of rounding to whole ADU."""


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """Variance of one sample as a line: ``floor + slope * max(level - pedestal, 0)``, in ADU^2.

    Parameters
    ----------
    floor
        Variance at and below the pedestal, in ADU^2.
    slope
        Variance per ADU above the pedestal: 1 / EGAIN for photon noise, 0 when the conversion gain is unknown.
    pedestal
        Level without signal, in ADU.
    """

    floor: float
    slope: float = 0.0
    pedestal: float = 0.0

    def __post_init__(self) -> None:
        if not (self.floor > 0 and self.slope >= 0 and math.isfinite(self.floor + self.slope + self.pedestal)):
            raise ValueError(f"noise model needs floor > 0 and slope >= 0: {self.floor}, {self.slope}")

    @classmethod
    def from_detector(cls, *, read_noise_e: float, egain: float, pedestal: float = 0.0) -> "NoiseModel":
        """Make the model ``sqrt(read_noise^2 + signal / egain + 1/12)`` of a detector.

        Parameters
        ----------
        read_noise_e
            Read noise, in electrons RMS.
        egain
            Conversion gain, in electrons per ADU.
        pedestal
            Level without signal (bias), in ADU.
        """
        floor = (read_noise_e / egain) ** 2 + QUANTISATION_VARIANCE
        return cls(floor=floor, slope=1.0 / egain, pedestal=pedestal)

"""Frames and masters as the decisions see them."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class FrameType(StrEnum):
    """What a frame was taken for."""

    LIGHT = "light"
    DARK = "dark"
    FLAT = "flat"
    BIAS = "bias"
    FLAT_DARK = "flat-dark"


@dataclass(frozen=True, slots=True)
class CameraMode:
    """What must be equal for two frames to show the same detector; None where the header is silent."""

    rig_id: str
    width: int
    height: int
    binning_x: int | None = 1
    binning_y: int | None = 1
    gain_setting: float | None = None
    offset_setting: float | None = None
    readout_mode: str | None = None
    bayer: str | None = None
    roi_x: int | None = None
    roi_y: int | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One individual frame or light."""

    frame_id: str
    frame_type: FrameType
    mode: CameraMode
    start_utc: datetime
    exposure_s: float | None = None
    filter: str | None = None
    rotator_deg: float | None = None
    set_temp_c: float | None = None
    ccd_temp_c: float | None = None
    is_master: bool = False

    @property
    def temperature_c(self) -> float | None:
        """Set-point, or the sensor's temperature where there is no set-point."""
        return self.set_temp_c if self.set_temp_c is not None else self.ccd_temp_c

    @property
    def count(self) -> int:
        """One."""
        return 1


@dataclass(frozen=True, slots=True)
class Pile:
    """Individual frames that are alike in everything that matters, counted.

    ``unused`` of the ``count`` frames are in no active master; ``refused`` more are never stacked.
    """

    frame_type: FrameType
    mode: CameraMode
    count: int
    newest_utc: datetime
    exposure_s: float | None = None
    filter: str | None = None
    rotator_deg: float | None = None
    temperature_c: float | None = None
    unused: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class LightGroup:
    """Lights that want the same masters, counted: of some nights, or of one where the time of the choice matters.

    ``cooled`` is false where none states a set point: their temperature is the sensor's own.
    """

    mode: CameraMode
    nights: tuple[date, ...]
    count: int
    first_utc: datetime
    last_utc: datetime
    exposure_s: float | None = None
    filter: str | None = None
    rotator_deg: float | None = None
    temperature_c: float | None = None
    cooled: bool = True

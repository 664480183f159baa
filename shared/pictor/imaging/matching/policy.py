"""The calibration settings of one observatory, with the ranges they may take."""

import math
from dataclasses import dataclass, fields
from enum import StrEnum

from pictor.imaging.combine.method import Method


class CameraType(StrEnum):
    """CMOS darks must have the exposure of the light; CCD darks may be scaled."""

    CMOS = "CMOS"
    CCD = "CCD"


class FlatRotation(StrEnum):
    """Whether a flat must have been taken at the rotation of the light."""

    IGNORE = "ignore"
    PREFERRED = "preferred"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings of one observatory; masters keep the policy they were made with."""

    min_frames: int = 10
    camera_type: CameraType = CameraType.CMOS
    stacking_method: Method = Method.SIGMA_CLIP
    sigma_clip_value: float = 3.0
    sigma_clip_iterations: int = 5
    temperature_tolerance_c: float = 2.0
    dark_max_age_days: int = 30
    flat_max_age_days: int = 7
    bias_max_age_days: int = 90
    individual_retention_days: int = 30
    master_retention_days: int = 180
    flat_rotation: FlatRotation = FlatRotation.IGNORE
    rotation_tolerance_deg: float = 1.0
    exposure_tolerance_s: float = 0.05
    exposure_tolerance_share: float = 0.005
    flat_dark_exposure_share: float = 0.05
    dark_scale_min: float = 0.5
    dark_scale_max: float = 2.0
    bias_for_flats_below_s: float = 0.0
    refresh_new_frames: int = 10


RANGES: dict[str, tuple[float, float]] = {
    "min_frames": (3, 100),
    "sigma_clip_value": (1, 10),
    "sigma_clip_iterations": (1, 20),
    "temperature_tolerance_c": (0.1, 20),
    "dark_max_age_days": (1, 3650),
    "flat_max_age_days": (1, 3650),
    "bias_max_age_days": (1, 3650),
    "individual_retention_days": (0, 3650),
    "master_retention_days": (0, 3650),
    "rotation_tolerance_deg": (0, 180),
    "exposure_tolerance_s": (0, 60),
    "exposure_tolerance_share": (0, 0.5),
    "flat_dark_exposure_share": (0, 0.5),
    "dark_scale_min": (0.1, 1),
    "dark_scale_max": (1, 10),
    "bias_for_flats_below_s": (0, 60),
    "refresh_new_frames": (1, 1000),
}
CHOICES: dict[str, type[StrEnum]] = {
    "camera_type": CameraType,
    "stacking_method": Method,
    "flat_rotation": FlatRotation,
}


class PolicyError(ValueError):
    """A setting is outside its range; the message names it, the value and the range."""


def validate(values: dict[str, object]) -> Policy:
    """Make a policy of settings as they come; what is not given has its default.

    Raises
    ------
    PolicyError
        For an unknown setting, a wrong type or a value outside its range.
    """
    known = {field.name: type(field.default) for field in fields(Policy)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise PolicyError(f"there is no setting {', '.join(unknown)}")
    return Policy(**{name: _checked(name, value) for name, value in values.items()})  # type: ignore[arg-type]


def _checked(name: str, value: object) -> object:
    """Return one value in its type, or say what is wrong with it."""
    if name in CHOICES:
        allowed = [str(choice) for choice in CHOICES[name]]
        if value not in allowed:
            raise PolicyError(f"{name} is {value!r}; it may be {', '.join(allowed)}")
        return CHOICES[name](str(value))
    low, high = RANGES[name]
    whole = isinstance(getattr(Policy(), name), int)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PolicyError(f"{name} is {value!r}; it must be {'a whole number' if whole else 'a number'}")
    if whole and value != int(value):
        raise PolicyError(f"{name} is {value!r}; it must be a whole number")
    if not low <= value <= high:
        raise PolicyError(f"{name} is {value:g}; it must lie between {low:g} and {high:g}")
    return int(value) if whole else float(value)

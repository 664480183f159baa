"""The calibration settings of one observatory, with the ranges they may take."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum

from pictor.imaging.combine.method import Method
from pictor.imaging.matching.filters import (
    SHARED,
    FilterNames,
    FilterNamesError,
    Statement,
    apart_of,
    contradiction,
    filter_names,
    photometric,
    rigs_named,
    synonyms_of,
    written,
)


class CameraType(StrEnum):
    """CMOS darks must have the exposure of the light; CCD darks may be scaled."""

    CMOS = "CMOS"
    CCD = "CCD"


class FlatRotation(StrEnum):
    """Whether a flat must have been taken at the rotation of the light."""

    IGNORE = "ignore"
    PREFERRED = "preferred"
    REQUIRED = "required"


class Switch(StrEnum):
    """A setting that is on or off."""

    NO = "no"
    YES = "yes"


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
    filters_as_named: Switch = Switch.NO
    filter_synonyms: str = ""
    filters_apart: str = ""

    @property
    def filters(self) -> FilterNames:
        """Which names of filters are one filter."""
        as_named = self.filters_as_named is Switch.YES
        return filter_names(as_named=as_named, synonyms=self.filter_synonyms, apart=self.filters_apart)


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
    "filters_as_named": Switch,
}
TEXTS: dict[str, int] = {"filter_synonyms": 2000, "filters_apart": 2000}
"""Settings that are written in words, and how many letters they may have."""

FILTERS = ("filters_as_named", *TEXTS)
"""Settings that say which names of filters are one filter."""


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


def consistent(policy: Policy) -> Policy:
    """Return settings a person wrote unless two of them contradict each other.

    Raises
    ------
    PolicyError
        Naming both and the filter they disagree about.
    """
    told = contradiction(policy.filter_synonyms, policy.filters_apart)
    if told is not None:
        raise PolicyError(told)
    return policy


def told_by(policy: Policy, in_use: Iterable[tuple[str, str]]) -> Policy:
    """Let R and B stand for themselves on rigs that also name filters of Johnson, Cousins and Bessell.

    Parameters
    ----------
    policy
        The settings.
    in_use
        Rigs, and the names their frames write.
    """
    rigs = sorted({rig for rig, name in in_use if photometric(name)})
    if not rigs or policy.filters_as_named is Switch.YES:
        return policy
    found = written([Statement((letter,), rig) for rig in rigs for letter in SHARED])
    return replace(policy, filters_apart="; ".join(filter(None, (policy.filters_apart, found))))


def of_rigs(policy: Policy, rigs: Mapping[str, str]) -> Policy:
    """Put the rigs of statements about filters as frames name them; ``rigs`` has those of the names people use.

    Where a rig is not known (any more), names stay apart: its synonyms are left out, and what it keeps apart is kept
    apart everywhere.
    """
    known = {**rigs, **{rig: rig for rig in rigs.values()}}
    if not rigs_named(policy.filter_synonyms, policy.filters_apart):
        return policy
    synonyms = [replace(one, rig=one.rig and known[one.rig]) for one in synonyms_of(policy.filter_synonyms)
                if one.rig is None or one.rig in known]  # fmt: skip
    apart = [replace(one, rig=one.rig and known.get(one.rig)) for one in apart_of(policy.filters_apart)]
    return replace(policy, filter_synonyms=written(synonyms), filters_apart=written(apart))


def as_facts(policy: Policy, *, mixed: bool = False) -> dict[str, object]:
    """Return a policy as it is kept with a master.

    Parameters
    ----------
    policy
        The settings.
    mixed
        Whether the inputs name their filter in several ways: only then the settings of names are kept, so that a
        stacker that does not know them leaves such an order, and no other, to one that does.
    """
    return {name: value for name, value in asdict(policy).items() if mixed or name not in FILTERS}


def _checked(name: str, value: object) -> object:
    """Return one value in its type, or say what is wrong with it."""
    if name in TEXTS:
        return _text(name, value)
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


def _text(name: str, value: object) -> str:
    """Return words that can be read, or say what is wrong with them."""
    if not isinstance(value, str):
        raise PolicyError(f"{name} is {value!r}; it must be text")
    if len(value) > TEXTS[name]:
        raise PolicyError(f"{name} has {len(value)} letters; at most {TEXTS[name]} are kept")
    if not value.isprintable():
        raise PolicyError(f"{name} must be one line of letters that can be shown")
    try:
        synonyms_of(value) if name == "filter_synonyms" else apart_of(value)
    except FilterNamesError as error:
        raise PolicyError(f"{name}: {error}") from error
    return value.strip()

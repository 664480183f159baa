"""Rejection rules as a file: strict YAML in, rule set of the library out."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from pictor.cli.client import CommandError
from pictor.imaging.quality.rejection import Against, Rule, RuleSet, Scatter

NAMED = ("pictor", "target-scheduler")
"""Rule sets that come with the program."""

METRICS = (
    "star_count", "fwhm_px", "fwhm_scatter_px", "beta", "hfr_px", "eccentricity", "ellipticity",
    "elongation_coherence", "background_adu", "background_e", "noise_adu", "gradient", "saturated_fraction",
    "repeated_fraction", "non_finite_fraction", "pattern_noise", "trail_count", "spike_count", "tilt", "curvature",
)  # fmt: skip
"""What rules may ask for."""

_LIMITS = ("above", "below", "above_sigmas", "below_sigmas")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RuleFile(_Strict):
    """One rule: a metric and exactly one limit."""

    metric: str
    above: FiniteFloat | None = None
    below: FiniteFloat | None = None
    above_sigmas: Annotated[FiniteFloat, Field(gt=0)] | None = None
    below_sigmas: Annotated[FiniteFloat, Field(gt=0)] | None = None
    least_share: Annotated[FiniteFloat, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        given = [name for name in _LIMITS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_LIMITS)}, not {', '.join(given) or 'none'}")
        if self.metric not in METRICS:
            raise ValueError(f"metric {self.metric!r} is none of {', '.join(METRICS)}")
        if self.least_share is not None and not given[0].endswith("_sigmas"):
            raise ValueError("least_share goes with above_sigmas or below_sigmas")
        return self

    def rule(self) -> Rule:
        """Give the rule as the library has it."""
        name = next(name for name in _LIMITS if getattr(self, name) is not None)
        return Rule(
            self.metric, getattr(self, name), above=name.startswith("above"), relative=name.endswith("_sigmas"),
            least_share=self.least_share or 0.0,
        )  # fmt: skip


class RulesFile(_Strict):
    """A file of rules."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    rules: Annotated[list[RuleFile], Field(min_length=1)]
    against: str = Against.SET.value
    scatter: str = Scatter.ROBUST.value
    minimum: Annotated[int, Field(ge=2)] = 5
    samples: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _known_words(self) -> Self:
        for name, words in (("against", Against), ("scatter", Scatter)):
            if getattr(self, name) not in {word.value for word in words}:
                raise ValueError(f"{name} is {' or '.join(words)}, not {getattr(self, name)!r}")
        if self.samples is not None and self.samples < self.minimum:
            raise ValueError(f"samples {self.samples} is below minimum {self.minimum}: no rule would ever compare")
        return self


def load_rules(asked: str) -> RuleSet:
    """Read rules: those of a name, or of a YAML file.

    Raises
    ------
    CommandError
        With exit code 2, naming the field at fault.
    """
    try:
        told = yaml.safe_load(rules_text(asked))
        found = RulesFile.model_validate(told)
    except yaml.YAMLError as error:
        raise CommandError(f"{asked}: no YAML: {str(error).splitlines()[0]}", 2) from error
    except ValidationError as error:
        raise CommandError(f"{asked}: {_first(error)}", 2) from error
    return RuleSet(
        found.name, tuple(one.rule() for one in found.rules), Against(found.against), Scatter(found.scatter),
        found.minimum, found.samples,
    )  # fmt: skip


def rules_text(asked: str) -> str:
    """Read the text of a rule set: of a name, or of a file.

    Raises
    ------
    CommandError
        With exit code 2, when there is no such file.
    """
    if asked in NAMED:
        return files("pictor.cli.stages").joinpath("rules", f"{asked}.yaml").read_text(encoding="utf-8")
    try:
        return Path(asked).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"rules {asked!r}: neither {' nor '.join(NAMED)} nor a file that can be read", 2) from error


def _first(error: ValidationError) -> str:
    """Say the first fault in words, with the place it is at."""
    fault = error.errors()[0]
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in fault["loc"])
    return f"{place + ': ' if place else ''}{fault['msg'].removeprefix('Value error, ')}"

"""One row of the load table: the goal, what was measured, and what the check said afterwards."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Figure:
    """One number against its goal; a figure without one is told for its own sake."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    least: bool = False
    """True where more is better."""

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.least else self.value <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f" ({'>=' if self.least else '<='} {self.goal:g})"
        mark = "" if self.met else " **missed**"
        return f"{self.name} {self.value:.4g} {self.unit}{goal}{mark}".replace("  ", " ")


@dataclass(slots=True)
class Row:
    """What one load did."""

    name: str
    load: str
    """What was done, in words with numbers."""
    figures: Sequence[Figure]
    check: str = ""
    """The verdict of ``pictor check`` afterwards."""
    load_average: float = field(default_factory=lambda: os.getloadavg()[0])
    took_s: float = 0.0
    at: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%d %H:%M}")
    full: bool = False
    """Whether it was the load the goal names, or a scaled one."""

    @classmethod
    def read(cls, line: str) -> "Row":
        """Read a line that `line` wrote."""
        found = json.loads(line)
        found["figures"] = [Figure(**figure) for figure in found["figures"]]
        return cls(**{name: found[name] for name in cls.__dataclass_fields__ if name in found})

    @property
    def met(self) -> bool:
        """Whether every goal is reached and nothing is lost."""
        return all(figure.met for figure in self.figures) and self.check in {"", "ok"}

    def line(self) -> str:
        """Return the row as one line of JSON."""
        return json.dumps(asdict(self) | {"met": self.met})


def p95(values: Sequence[float]) -> float:
    """Return the value below which 95 of 100 lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))] if ordered else 0.0

"""One measurement: what ours took, what the peer took, what was promised, and whether it holds."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Of(StrEnum):
    """Which number of a row a bound is about."""

    RATIO = "ratio"
    OURS = "ours"
    RSS = "rss_mib"


@dataclass(frozen=True, slots=True)
class Bound:
    """A promise about one number of a row."""

    of: Of
    limit: float
    least: bool = False
    """True where more is better."""

    def __str__(self) -> str:
        sign = ">=" if self.least else "<="
        return f"{self.of} {sign} {self.limit:g}"

    def holds(self, value: float) -> bool:
        """Whether a number keeps the promise."""
        return value >= self.limit if self.least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement; ``ours`` and ``peer`` are medians in the same unit, taken side by side in one run."""

    name: str
    unit: str
    ours: float
    peer: float | None = None
    peer_name: str = ""
    n: int = 1
    rss_mib: float | None = None
    accuracy: str = ""
    bounds: Sequence[Bound] = ()
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether every promise holds; None where there is none, or none that could be judged."""
        values = [(bound, getattr(self, bound.of)) for bound in self.bounds]
        judged = [bound.holds(value) for bound, value in values if value is not None]
        if not judged:
            return None
        return all(judged) and (len(judged) == len(values) or None)

    @property
    def goal(self) -> str:
        """The promises as text."""
        return ", ".join(map(str, self.bounds))

    def line(self) -> str:
        """The row as one line of JSON."""
        shown: dict[str, Any] = {
            "name": self.name, "unit": self.unit, "ours": rounded(self.ours), "peer": rounded(self.peer),
            "peer_name": self.peer_name, "ratio": rounded(self.ratio), "rss_mib": rounded(self.rss_mib), "n": self.n,
            "accuracy": self.accuracy, "goal": self.goal, "met": self.met, **self.more,
        }  # fmt: skip
        return json.dumps(shown)


def rounded(value: float | None) -> float | None:
    """Four significant digits."""
    if value is None or not math.isfinite(value) or value == 0:
        return value if value == 0 else None
    return round(value, 3 - math.floor(math.log10(abs(value))))

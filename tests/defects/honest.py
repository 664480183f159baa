"""Two hundred honest sets, and what is said of them: ``python -m tests.defects.honest``."""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.defects.observatory import Detector, biases, darks, detector, flats
from tests.defects.path import Outcome, Taken, judge

COUNTS = (3, 4, 5, 8, 10, 15, 20, 30, 40, 50)
SIDE = 128
SETS = 200


@dataclass(frozen=True)
class Honest:
    """One honest set and what it is of."""

    name: str
    taken: Taken


KINDS: tuple[tuple[str, dict[str, float | bool]], ...] = (
    ("CMOS, 16 bits", {"egain": 0.7, "read_noise_e": 2.8, "pattern": 0.5}),
    ("CMOS, row noise", {"egain": 0.7, "read_noise_e": 2.8, "row_noise_e": 0.28}),
    ("CMOS, 14 bits as 16", {"egain": 0.25, "read_noise_e": 2.8, "step": 4, "pattern": 4.0}),
    ("CMOS, 12 bits as 16", {"egain": 0.25, "read_noise_e": 4.0, "step": 16, "pattern": 8.0}),
    ("CMOS, 12 bits as they are", {"egain": 3.6, "read_noise_e": 2.4, "pedestal": 64.0, "pattern": 0.2}),
    ("CMOS, noise 0.4 ADU", {"egain": 4.0, "read_noise_e": 1.6, "pedestal": 30.0, "pattern": 0.1}),
    ("CCD", {"egain": 1.5, "read_noise_e": 8.0, "dark_e_s": 0.05, "pattern": 3.0}),
    ("CCD, warm", {"egain": 2.0, "read_noise_e": 12.0, "dark_e_s": 5.0, "pattern": 5.0}),
    ("one-shot colour", {"egain": 0.7, "read_noise_e": 2.8, "bayer": True}),
    ("one-shot colour, quiet", {"egain": 3.0, "read_noise_e": 1.8, "bayer": True, "pattern": 0.2}),
)


def light_of(at: Detector) -> float:
    """Return photo-electrons that fill half of the scale, or of the full well."""
    scale = 4095.0 if at.step == 1 and at.egain > 2.5 else 65535.0
    return min(0.45 * scale * at.egain, 40_000.0)


def honest_sets(count: int = SETS) -> Iterator[Honest]:
    """Take sets of every detector, kind and number of frames in turn."""
    for number in range(count):
        name, facts = KINDS[number % len(KINDS)]
        frames = COUNTS[(number // len(KINDS) + number) % len(COUNTS)]
        at = detector(100 + number % len(KINDS), side=SIDE, **facts)  # type: ignore[arg-type]
        rng = np.random.default_rng([number, 3])
        take = (number // len(KINDS)) % 4
        if take == 0:
            yield Honest(f"{name}, {frames} biases", biases(at, frames, rng))
        elif take == 1:
            yield Honest(f"{name}, {frames} darks", darks(at, frames, rng))
        elif take == 2:
            yield Honest(f"{name}, {frames} lamp flats", flats(at, frames, rng, light_e=light_of(at)))
        else:
            sky = flats(at, frames, rng, light_e=1.4 * light_of(at), twilight=True, tilt=0.002)
            yield Honest(f"{name}, {frames} twilight flats", sky)


@dataclass
class Tally:
    """How many honest sets and frames were judged bad."""

    sets: int = 0
    frames: int = 0
    sets_refused: int = 0
    frames_refused: int = 0

    def add(self, one: Honest, done: Outcome) -> str | None:
        """Count one set; return what was said against it."""
        self.sets += 1
        self.frames += len(one.taken.shots)
        self.frames_refused += len(done.left_out)
        self.sets_refused += not done.used
        if done.used and not done.left_out:
            return None
        told = [*done.admission.values(), *done.group.values(), *done.stack.values(), *done.reasons]
        return f"{one.name}: {done.verdict}, {len(done.left_out)} frames left out: {told[0] if told else ''}"

    @property
    def summary(self) -> str:
        """Tell the shares."""
        return (
            f"{self.sets_refused} of {self.sets} honest sets refused, {self.frames_refused} of {self.frames} frames "
            f"({100 * self.frames_refused / self.frames:.3f} %)"
        )


def measure(count: int = SETS, *, tell: bool = False) -> Tally:
    """Judge honest sets."""
    tally = Tally()
    for one in honest_sets(count):
        with tempfile.TemporaryDirectory(prefix="pictor-honest-") as folder:
            said = tally.add(one, judge(one.taken, Path(folder)))
        if said and tell:
            print(said, flush=True)
    return tally


if __name__ == "__main__":
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else SETS, tell=True).summary)

"""Whether a candidate master may be used: the numbers against their limits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

STD_RATIO = (0.9, 1.1)
STD_RATIO_HOPELESS = (0.7, 1.4)
"""Outside of this the frames do not belong together, or the noise is not noise."""

BLOCK_LIMIT = 6.0
BLOCK_SHARE = 0.01
"""Share of blocks beyond 5 sigma from which structure is all over the frame."""

REJECTED_FACTOR = 3.0
NEVER_GOOD = 0.005
FEW_FRAMES_FACTOR = 1.6
"""Clipping few frames about their own median loses this much more than the Gaussian tails, at worst."""

HITS = 0.001
"""Share of samples that cosmic rays and unstable pixels take in a long dark."""


LEVEL_RANGE = 4.0
"""A bias without overscan drifts by a noise or two during a night; light, or an offset that jumps, moves it farther."""

LEAST_HOT_KEPT = 0.5
"""Hot pixels come and go with the years, not from one master to the next."""

SHOWN = 6
"""Frames a sentence tells about; the rest are counted."""


class Verdict(StrEnum):
    """What happens to a candidate."""

    ACTIVE = "active"
    NEEDS_REVIEW = "needs-review"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Level:
    """How far a bias or dark lies from the level it should have, in ADU; what is allowed, and who says so."""

    offset: float
    allowed: float
    said_by: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers of a candidate; None where a test could not be made."""

    frames: int
    never_good_share: float
    rejected_share: float
    expected_rejected_share: float | None
    split_std_ratio: float | None = None
    split_block_max: float | None = None
    split_block_share: float | None = None
    active_block_max: float | None = None
    active_block_share: float | None = None
    homogeneous: bool = True
    differences: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    accepted_cameras: tuple[str, ...] = ()
    """Those of the active master: somebody said that they are one."""
    disputed: Mapping[str, str] = field(default_factory=dict)
    """Frames unlike the others, each with its sentence, where nobody can say which are right."""
    drift: float | None = None
    drift_share: float | None = None
    level_range: float | None = None
    """Of the frames of a bias or dark, in the noise of a pixel."""
    level: Level | None = None
    hot_pixels_kept: float | None = None
    active_without_bias: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One test: its number, its limits, and what a failure means."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True)
class GateResult:
    """The verdict and every test behind it."""

    verdict: Verdict
    checks: tuple[Check, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences of the tests that did not pass."""
        return tuple(check.detail for check in self.checks if check.verdict is not Verdict.ACTIVE)


def expected_rejected_share(sigma: float, noise_adu: float | None = None) -> float:
    """Return the share of samples that clipping at ``sigma`` takes from honest frames.

    ``noise_adu`` is the noise of a sample, rounding included: of a quiet camera's whole ADU the threshold takes the
    next one as a whole, which is more than the tail beyond it.
    """
    if noise_adu is not None and noise_adu**2 > 1 / 12:
        step = (math.ceil(sigma * noise_adu) - 0.5) / math.sqrt(noise_adu**2 - 1 / 12)
        sigma = min(sigma, step)
    return FEW_FRAMES_FACTOR * math.erfc(sigma / math.sqrt(2)) + HITS


SEVERITY = (Verdict.ACTIVE, Verdict.NEEDS_REVIEW, Verdict.REJECTED)


def judge(measured: Measured) -> GateResult:
    """Judge a candidate: the worst of its tests decides.

    A first master is judged by its split halves, rejections and never-good pixels; with an active master of the group
    the two are compared as well, and a difference asks for a person, for the detector may really have changed.
    """
    checks = (
        _split_std(measured),
        _split_blocks(measured),
        _agreeing(measured),
        _steady(measured),
        _steady_level(measured),
        _active(measured),
        _level(measured),
        _hot_pixels(measured),
        _rejected(measured),
        _never_good(measured),
        _homogeneous(measured),
        _one_camera(measured),
    )
    return GateResult(max((check.verdict for check in checks), key=SEVERITY.index), checks)


def _split_std(m: Measured) -> Check:
    low, high = STD_RATIO
    value = m.split_std_ratio
    if value is None:
        text = f"split-half test not possible with {m.frames} frames; 4 are needed"
        return Check("split-half noise", None, low, high, Verdict.ACTIVE, text)
    verdict = Verdict.ACTIVE if low <= value <= high else Verdict.NEEDS_REVIEW
    if not STD_RATIO_HOPELESS[0] <= value <= STD_RATIO_HOPELESS[1]:
        verdict = Verdict.REJECTED
    text = f"halves differ by {value:.3f} of the expected noise (allowed {low:g} to {high:g})"
    return Check("split-half noise", value, low, high, verdict, text)


def _split_blocks(m: Measured) -> Check:
    value, share = m.split_block_max, m.split_block_share
    if value is None or share is None:
        text = "no blocks to compare"
        return Check("split-half structure", None, None, BLOCK_LIMIT, Verdict.ACTIVE, text)
    verdict = Verdict.ACTIVE if value <= BLOCK_LIMIT else Verdict.NEEDS_REVIEW
    if verdict is Verdict.NEEDS_REVIEW and share > BLOCK_SHARE:
        verdict = Verdict.REJECTED
    text = f"largest 32 x 32 block of the halves' difference {value:.1f} sigma (limit {BLOCK_LIMIT:g}), "
    text += f"{100 * share:.2f} % beyond 5 sigma"
    return Check("split-half structure", value, None, BLOCK_LIMIT, verdict, text)


def _agreeing(m: Measured) -> Check:
    """Frames that contradict each other make no master: without them nobody knows what is right."""
    count = len(m.disputed)
    if not count:
        text = "every frame shows what the others show"
        return Check("frames agree", 0.0, None, 0.0, Verdict.ACTIVE, text)
    shown = "; ".join(f"{name}: {told}" for name, told in list(m.disputed.items())[:SHOWN])
    more = "" if count <= SHOWN else f"; and {count - SHOWN} more"
    text = f"{count} of {m.frames} frames are unlike the others, and nobody can say which are right; "
    text += f"delete the bad ones ({shown}{more})"
    return Check("frames agree", float(count), None, 0.0, Verdict.REJECTED, text)


def _steady(m: Measured) -> Check:
    if m.drift is None or m.drift_share is None:
        text = f"earlier and later frames cannot be compared with {m.frames} frames; 4 are needed"
        return Check("steady frames", None, None, 1.0, Verdict.ACTIVE, text)
    verdict = Verdict.ACTIVE if m.drift <= 1 else Verdict.NEEDS_REVIEW
    text = f"earlier and later frames differ by {m.drift:.2f} of what is allowed in the worst block, "
    text += f"{100 * m.drift_share:.1f} % of blocks by too much"
    return Check("steady frames", m.drift, None, 1.0, verdict, text)


def _steady_level(m: Measured) -> Check:
    """Levels are aligned before they are combined; where they are far apart nobody knows which is right."""
    if m.level_range is None:
        return Check("steady level", None, None, LEVEL_RANGE, Verdict.ACTIVE, "flats follow the light")
    verdict = Verdict.ACTIVE if m.level_range <= LEVEL_RANGE else Verdict.NEEDS_REVIEW
    text = f"levels of the frames are up to {m.level_range:.1f} times the noise of a pixel apart "
    text += f"({LEVEL_RANGE:g} allowed)"
    return Check("steady level", m.level_range, None, LEVEL_RANGE, verdict, text)


def _level(m: Measured) -> Check:
    """Ask a person about a level nothing explains: light, another offset setting, or frames of another kind."""
    if m.level is None:
        return Check("level", None, None, None, Verdict.ACTIVE, "nothing tells what the level should be")
    offset, allowed = m.level.offset, m.level.allowed
    verdict = Verdict.ACTIVE if abs(offset) <= allowed else Verdict.NEEDS_REVIEW
    text = f"level {offset:+.1f} ADU from that of {m.level.said_by} ({allowed:.1f} ADU allowed)"
    return Check("level", offset, -allowed, allowed, verdict, text)


def _hot_pixels(m: Measured) -> Check:
    """Ask a person about a dark without the hot pixels of the one in use: they are the mark of a detector."""
    value = m.hot_pixels_kept
    if value is None:
        text = "no hot pixels of an active master to look for"
        return Check("hot pixels", None, LEAST_HOT_KEPT, None, Verdict.ACTIVE, text)
    verdict = Verdict.ACTIVE if value >= LEAST_HOT_KEPT else Verdict.NEEDS_REVIEW
    text = f"{100 * value:.0f} % of the hot pixels of the active master are hot in this one "
    text += f"({100 * LEAST_HOT_KEPT:g} % are needed)"
    return Check("hot pixels", value, LEAST_HOT_KEPT, None, verdict, text)


def _active(m: Measured) -> Check:
    value, share = m.active_block_max, m.active_block_share
    if value is None or share is None:
        text = "no active master to compare with"
        if m.active_without_bias:
            text = "the bias of the active master was subtracted: only its hot pixels can be compared"
        return Check("active master", None, None, BLOCK_LIMIT, Verdict.ACTIVE, text)
    failed = value > BLOCK_LIMIT and share > BLOCK_SHARE
    text = f"against the active master: largest block {value:.1f} sigma, {100 * share:.2f} % of blocks beyond 5 sigma "
    text += f"(limits {BLOCK_LIMIT:g} sigma and {100 * BLOCK_SHARE:g} % together)"
    verdict = Verdict.NEEDS_REVIEW if failed else Verdict.ACTIVE
    return Check("active master", value, None, BLOCK_LIMIT, verdict, text)


def _rejected(m: Measured) -> Check:
    if m.expected_rejected_share is None:
        return Check("rejected samples", m.rejected_share, None, None, Verdict.ACTIVE, "nothing could be rejected")
    limit = REJECTED_FACTOR * m.expected_rejected_share
    verdict = Verdict.ACTIVE if m.rejected_share <= limit else Verdict.NEEDS_REVIEW
    text = f"{100 * m.rejected_share:.2f} % of samples rejected (limit {100 * limit:.2f} %)"
    return Check("rejected samples", m.rejected_share, None, limit, verdict, text)


def _never_good(m: Measured) -> Check:
    verdict = Verdict.ACTIVE if m.never_good_share < NEVER_GOOD else Verdict.REJECTED
    text = f"{100 * m.never_good_share:.3f} % of pixels never good (limit {100 * NEVER_GOOD:g} %)"
    return Check("never-good pixels", m.never_good_share, None, NEVER_GOOD, verdict, text)


def _homogeneous(m: Measured) -> Check:
    same = m.homogeneous and not m.differences
    verdict = Verdict.ACTIVE if same else Verdict.REJECTED
    text = "inputs are of one camera mode and kind"
    if not same:
        text = "; ".join(["inputs differ in camera mode or kind", *m.differences])
    return Check("homogeneous inputs", None, None, None, verdict, text)


def _one_camera(m: Measured) -> Check:
    """Ask a person about several serial numbers: some drivers number the same camera anew when it is plugged in."""
    count = len(m.cameras)
    known = set(m.cameras) <= set(m.accepted_cameras)
    verdict = Verdict.ACTIVE if count < 2 or known else Verdict.NEEDS_REVIEW
    text = "inputs are of one camera, as far as they say"
    if count > 1 and known:
        text = f"inputs are of {count} serial numbers, accepted as one camera with the active master"
    if verdict is not Verdict.ACTIVE:
        text = f"inputs are of {count} cameras by their serial numbers: {', '.join(m.cameras[:4])}; "
        text += "accept the master only if these are one camera"
    return Check("one camera", float(count), None, 1.0, verdict, text)

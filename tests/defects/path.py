"""The way of individual frames to a master without any server: admission, group, stack, gate; and the harm done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from pictor.calibration_stacker.stacking import Order, Stacked, stack_group
from pictor.contracts.frames import FrameType as StoredType
from pictor.imaging.calibration.building import Recipe
from pictor.imaging.calibration.masters import Kind, read_master
from pictor.imaging.calibration.splitting import block_means
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.statistics import statistics
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.policy import Policy
from pictor.runtime.stacking.judging import reasons, samples_of
from pictor.runtime.stacking.outliers import outliers
from pictor.state.individuals import Measured, Unjudged

Pixels = NDArray[np.uint16] | NDArray[np.float32]

BAD_PIXELS, BAD_SIGMA = 0.001, 5.0
"""Harm: more than this share of the good pixels farther from the truth than so many of their own errors."""

BAD_BLOCK = 1.0
"""Or any block of 32 x 32 pixels whose mean is farther from the truth than the error of one pixel."""


@dataclass(frozen=True)
class Shot:
    """One exposure: pixels, and what its header says beyond that of its set."""

    pixels: Pixels
    cards: Mapping[str, str | float | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Taken:
    """The frames of one group as they came, what their master should be, and which of them are bad."""

    kind: Kind
    shots: Sequence[Shot]
    truth: NDArray[np.float64]
    bad: frozenset[int] = frozenset()
    exposure_s: float = 0.0
    egain: float | None = 1.5
    read_noise_e: float | None = 6.0
    bias_level: float | None = 500.0
    bayer: bool = False
    dark: Path | None = None
    active: Path | None = None
    expected_level: float | None = None
    policy: Policy = field(default_factory=lambda: Policy(min_frames=3))
    """A threshold as low as can be, so that everything but the threshold decides."""

    force: bool = False
    """Whether a person asks for a master of two frames."""

    @property
    def needed(self) -> int:
        """How many frames there must be."""
        return 2 if self.force else self.policy.min_frames


@dataclass(frozen=True)
class Harm:
    """How a master differs from the truth, in its own errors."""

    far_share: float
    block: float

    @property
    def done(self) -> bool:
        """Whether it is more than nothing."""
        return self.far_share > BAD_PIXELS or self.block > BAD_BLOCK


@dataclass(frozen=True)
class Outcome:
    """What became of a group: the frames kept out with their sentences, by stage, the verdict, and the harm."""

    admission: Mapping[int, str]
    group: Mapping[int, str]
    stack: Mapping[int, str]
    verdict: str
    reasons: tuple[str, ...]
    harm: Harm | None

    @property
    def left_out(self) -> frozenset[int]:
        """Every frame that is not in the master."""
        return frozenset({*self.admission, *self.group, *self.stack})

    @property
    def used(self) -> bool:
        """Whether the master is used without a person."""
        return self.verdict == "active"


def judge(taken: Taken, folder: Path) -> Outcome:
    """Send the frames of one group the whole way."""
    names = [uuid5(NAMESPACE_URL, str(i)) for i in range(len(taken.shots))]
    measured = [Measured(name, taken.exposure_s, _measure(shot)) for name, shot in zip(names, taken.shots, strict=True)]
    told = [reasons(_unjudged(taken, i, one), bias_level=taken.bias_level) for i, one in enumerate(measured)]
    admission = {i: "; ".join(why) for i, why in enumerate(told) if why}
    good = [one for i, one in enumerate(measured) if i not in admission]
    unlike = outliers(FrameType(str(taken.kind)), samples_of(good))
    group = {names.index(UUID(name)): why for name, why in unlike.items()}
    kept = [i for i in range(len(taken.shots)) if i not in admission and i not in group]
    if len(kept) < taken.needed:
        return Outcome(admission, group, {}, "none", (f"{len(kept)} of {taken.needed} frames",), None)
    try:
        done = stack(taken, kept, folder)
    except ImagingError as error:
        return Outcome(admission, group, {}, "failed", (str(error),), None)
    refused = {int(name): why for name, why in done.refused.items()}
    left = len(kept) - len(refused)
    if refused and left < taken.needed:
        return Outcome(admission, group, refused, "none", (f"{left} of {taken.needed} frames",), None)
    return Outcome(admission, group, refused, str(done.gate.verdict), done.gate.reasons, harm(taken, done.master_path))


def stack(taken: Taken, kept: Sequence[int], folder: Path) -> Stacked:
    """Write the frames as files and stack them."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [_write(taken, i, folder) for i in kept]
    policy = taken.policy
    recipe = Recipe(
        taken.kind, policy.stacking_method, policy.sigma_clip_value, policy.sigma_clip_iterations, taken.bayer,
        taken.read_noise_e, taken.egain, None if taken.kind is Kind.BIAS else taken.bias_level, 65535.0,
    )  # fmt: skip
    ids = tuple(str(i) for i in kept)
    order = Order(
        tuple(paths), ids, ids, recipe, policy, folder, taken.dark, taken.active, expected_level=taken.expected_level
    )
    return stack_group(order)


def harm(taken: Taken, path: Path) -> Harm:
    """Compare a master with the truth where it says it is good; the scale of a flat is free."""
    master = read_master(path, planes=("ERR", "MASK"))
    good = master.mask == 0
    truth = taken.truth
    if taken.kind is Kind.FLAT:
        truth = _brought_to(master.sci, np.where(good, truth, np.nan), step=2 if taken.bayer else 1)
    pull = np.where(good, (master.sci - truth) / master.err, np.nan).astype(np.float32)
    far = float(np.mean(np.abs(pull[good]) > BAD_SIGMA)) if good.any() else 1.0
    return Harm(far, float(np.nanmax(np.abs(block_means(pull)))))


def _brought_to(sci: NDArray[np.float32], truth: NDArray[np.float64], *, step: int) -> NDArray[np.float64]:
    """Bring the truth of a flat to the level of its master, each colour by itself."""
    found = truth.copy()
    for y in range(step):
        for x in range(step):
            part = np.s_[y::step, x::step]
            found[part] *= np.nanmedian(sci[part] / truth[part])
    return found


def header(taken: Taken, number: int) -> fits.Header:
    """Say of a frame what its camera would."""
    kind = {Kind.BIAS: "BIAS", Kind.FLAT: "FLAT"}.get(taken.kind, "DARK")
    cards: dict[str, str | float | int] = {
        "IMAGETYP": kind, "EXPTIME": taken.exposure_s, "INSTRUME": "Simulated camera", "GAIN": 100, "OFFSET": 50,
        "XBINNING": 1, "YBINNING": 1, "SET-TEMP": -10.0, "CCD-TEMP": -10.0,
        "DATE-OBS": f"2026-03-10T{20 + number // 60:02d}:{number % 60:02d}:00.000",
    }  # fmt: skip
    if taken.egain:
        cards["EGAIN"] = taken.egain
    if taken.kind is Kind.FLAT:
        cards["FILTER"] = "L"
    return fits.Header({**cards, **taken.shots[number].cards})


def _write(taken: Taken, number: int, folder: Path) -> Path:
    path = folder / f"frame{number:03d}.fits"
    fits.PrimaryHDU(taken.shots[number].pixels, header(taken, number)).writeto(path, overwrite=True)
    return path


def _measure(shot: Shot) -> dict[str, float | None]:
    found = statistics(shot.pixels, saturation_adu=None)
    return {name: getattr(found, name) for name in found.__slots__}


def _unjudged(taken: Taken, number: int, measured: Measured) -> Unjudged:
    said = header(taken, number)
    return Unjudged(
        id=measured.id, frame_type=StoredType(str(taken.kind)), is_master=False, exposure_s=said["EXPTIME"],
        set_temp_c=said["SET-TEMP"], ccd_temp_c=said["CCD-TEMP"], egain=taken.egain, read_noise_e=taken.read_noise_e,
        combined=said.get("NCOMBINE"), real_valued=taken.shots[number].pixels.dtype.kind == "f",
        measured=measured.statistics,
    )  # fmt: skip


def without(taken: Taken, places: Sequence[int]) -> Taken:
    """Return the set with only some of its frames, in the order given."""
    shots = [taken.shots[i] for i in places]
    return replace(taken, shots=shots, bad=frozenset(k for k, i in enumerate(places) if i in taken.bad))

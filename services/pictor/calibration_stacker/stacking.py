"""One stack from frames to files: what `compute.stack` does with its arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median

import numpy as np
from astropy.io import fits

from pictor.calibration_stacker.gate import GateResult, Measured, expected_rejected_share, judge
from pictor.imaging.calibration.badlist import parse_bad_pixels
from pictor.imaging.calibration.badpixels import BAD, bad_pixel_map, read_bad_pixel_list
from pictor.imaging.calibration.building import Built, Recipe, build, compare_with_active, write_built
from pictor.imaging.calibration.cards import Inputs, master_cards, mean_of, read_inputs
from pictor.imaging.calibration.detector import DetectorFacts, detector_facts
from pictor.imaging.calibration.masters import (
    Card,
    Kind,
    Master,
    check_holds_bias,
    master_header,
    read_master,
    write_map,
)
from pictor.imaging.calibration.sameness import cameras, differences
from pictor.imaging.combine.combining import Statistics
from pictor.imaging.combine.method import Method
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.policy import Policy
from pictor.imaging.types import Mask

REFUSED_SHARE = 0.05
"""Honest frames lose a few samples in a thousand; one that loses this many holds something the others do not."""

REFUSED_FACTOR = 10.0
MOST_REFUSED = 0.3
LEAST_TO_COMPARE = 5


@dataclass(frozen=True, slots=True)
class Order:
    """Everything one stack needs; paths are local, identities go into the header."""

    paths: tuple[Path, ...]
    frame_ids: tuple[str, ...]
    sha256s: tuple[str, ...]
    recipe: Recipe
    policy: Policy
    scratch: Path
    dark_path: Path | None = None
    active_path: Path | None = None
    bad_pixel_list: str | None = None
    homogeneous: bool = True
    binning: int | None = None
    """Of the frames, for the list; None: the list is of frames like these, and must fit them."""


@dataclass(frozen=True)
class Stacked:
    """The files of a new master and the numbers about it; ``refused`` frames are not in it, each for its reason."""

    master_path: Path
    bad_pixels_path: Path | None
    built: Built
    facts: DetectorFacts
    gate: GateResult
    kind: Kind
    refused: Mapping[str, str] = field(default_factory=dict)


def stack_group(order: Order) -> Stacked:
    """Stack one group into files in the scratch folder and judge the result.

    This is the whole of a stack, without server, bus or database: files in, files out. A frame of which much more is
    rejected than of the others does not belong to them; it is left out, and the others are combined again.

    Parameters
    ----------
    order
        Frames, recipe and policy, the dark of flats, the active master to compare with, and the folder to write to.

    Returns
    -------
    Stacked
        ``master.fits`` (and for darks ``bad_pixels.fits``), the measured facts and the verdict of the gate. The same
        files and order give the same bytes.

    Raises
    ------
    ImagingError
        If the frames cannot be combined, or a flat comes without a usable dark.
    """
    dark = _dark_of(order)
    inputs, first = read_inputs(order.paths, order.frame_ids, order.sha256s)
    built = _build(order, dark)
    refused = unlike_the_others(built.combined.statistics, order.frame_ids, built.combined.sci.size)
    if refused:
        order, inputs = _without(order, frozenset(refused)), inputs.without(frozenset(refused))
        built = _build(order, dark)
    exposure = mean_of(inputs.headers, "EXPTIME") or mean_of(inputs.headers, "EXPOSURE")
    pixels = None if dark is None else dark.sci
    facts = detector_facts(order.paths, built, order.recipe, dark=pixels, exposure_s=exposure, scratch=order.scratch)
    differing = differences(inputs.descriptions, order.recipe.kind, order.policy)
    serials = cameras(inputs.descriptions)
    gate = judge(replace(measure(built, order), differences=differing, cameras=serials))
    bad_path = _mark_bad(order, built, first)
    path = order.scratch / "master.fits"
    write_built(path, built, _header(order, built, inputs, first))
    return Stacked(path, bad_path, built, facts, gate, order.recipe.kind, refused)


def _build(order: Order, dark: Master | None) -> Built:
    pixels, err = (None, None) if dark is None else (dark.sci, dark.err)
    return build(order.paths, order.recipe, dark=pixels, dark_err=err, scratch=order.scratch)


def unlike_the_others(statistics: Statistics, frame_ids: Sequence[str], pixels: int) -> dict[str, str]:
    """Name the frames of which far more samples were rejected than of the others, each with its sentence."""
    if not statistics.can_reject or len(frame_ids) < LEAST_TO_COMPARE:
        return {}
    shares = [count / pixels for count in statistics.rejected_by_frame]
    usual = median(shares)
    limit = max(REFUSED_SHARE, REFUSED_FACTOR * usual)
    found = {
        name: f"{100 * share:.1f} % of its samples do not fit the other frames, which lost {100 * usual:.2f} %"
        for name, share in zip(frame_ids, shares, strict=True)
        if share > limit
    }
    return found if len(found) <= MOST_REFUSED * len(frame_ids) else {}


def _without(order: Order, left_out: frozenset[str]) -> Order:
    kept = [i for i, name in enumerate(order.frame_ids) if name not in left_out]
    return replace(
        order, paths=tuple(order.paths[i] for i in kept), frame_ids=tuple(order.frame_ids[i] for i in kept),
        sha256s=tuple(order.sha256s[i] for i in kept),
    )  # fmt: skip


def _dark_of(order: Order) -> Master | None:
    """Read the dark of a flat, which must still hold its bias."""
    if order.recipe.kind is not Kind.FLAT:
        return None
    if order.dark_path is None:
        raise ImagingError("a flat cannot be stacked without a matching master dark", reason="no-matching-dark")
    dark = read_master(order.dark_path, planes=("ERR",))
    is_bias = str(dark.header.get("IMAGETYP", "")).lower().startswith("master bias")
    if not is_bias and not check_holds_bias(dark, order.recipe.bias_level):
        raise ImagingError(
            "the master dark for these flats has its bias subtracted; a dark with bias is needed",
            reason="dark-without-bias",
        )
    return dark


def measure(built: Built, order: Order) -> Measured:
    """Collect the numbers the gate judges."""
    statistics = built.combined.statistics
    against = None if order.active_path is None else compare_with_active(built, order.active_path)
    split, clips = built.split, order.recipe.method is Method.SIGMA_CLIP and statistics.can_reject
    noise = None if order.recipe.kind is Kind.FLAT else built.combined.noise.floor**0.5
    return Measured(
        frames=statistics.frames,
        never_good_share=float(np.count_nonzero(built.combined.nused == 0)) / built.combined.nused.size,
        rejected_share=statistics.rejected_share,
        expected_rejected_share=expected_rejected_share(order.recipe.sigma, noise) if clips else None,
        split_std_ratio=None if split is None else split.std_ratio,
        split_block_max=None if split is None else split.block_max,
        split_block_share=None if split is None else split.block_share,
        active_block_max=None if against is None else against.block_max,
        active_block_share=None if against is None else against.block_share,
        homogeneous=order.homogeneous,
    )


def _mark_bad(order: Order, built: Built, first: tuple[Card, ...]) -> Path | None:
    """Find bad pixels of a dark, add the listed ones, put both in the mask and a map of their own."""
    combined = built.combined
    shape = combined.sci.shape[0], combined.sci.shape[1]
    listed = _listed(order, shape)
    if order.recipe.kind not in {Kind.DARK, Kind.FLAT_DARK}:
        if listed is not None:
            combined.mask[listed != 0] |= BAD
        return None
    bad = bad_pixel_map(combined.sci, listed=listed)
    np.bitwise_or(combined.mask, bad, out=combined.mask)
    path = order.scratch / "bad_pixels.fits"
    write_map(path, bad, master_header(first, (), ()))
    return path


def _listed(order: Order, shape: tuple[int, int]) -> Mask | None:
    """Draw the pixels a person listed, in the binning of the frames."""
    if not order.bad_pixel_list:
        return None
    if order.binning is None:
        return read_bad_pixel_list(order.bad_pixel_list, shape)
    return parse_bad_pixels(order.bad_pixel_list).draw(shape, binning=order.binning)


def _header(order: Order, built: Built, inputs: Inputs, first: tuple[Card, ...]) -> fits.Header:
    """Write down what the master is made of."""
    policy: dict[str, str | float] = {
        "method": str(order.policy.stacking_method),
        "sigma": order.policy.sigma_clip_value,
        "iterations": order.policy.sigma_clip_iterations,
        "min_frames": order.policy.min_frames,
        "temp_tol": order.policy.temperature_tolerance_c,
    }
    return master_header(first, master_cards(built, order.recipe, inputs, policy, version("pictor")), ())


def report(done: Stacked) -> dict[str, object]:
    """Tell the result in JSON's words."""
    return {
        "master_path": str(done.master_path),
        "bad_pixels_path": None if done.bad_pixels_path is None else str(done.bad_pixels_path),
        "kind": str(done.kind),
        "refused": dict(done.refused),
        "ncombine": done.built.combined.statistics.frames,
        "statistics": asdict(done.built.combined.statistics),
        "levels_adu": done.built.preparation.levels.tolist(),
        "noise": {
            "source": done.built.preparation.noise_source,
            "ratio": done.built.preparation.noise_ratio,
            "floor_adu2": done.built.combined.noise.floor,
            "slope_adu": done.built.combined.noise.slope,
        },
        "flat_level_adu": done.built.flat_level,
        "facts": asdict(done.facts),
        "verdict": str(done.gate.verdict),
        "reasons": list(done.gate.reasons),
        "checks": [asdict(check) for check in done.gate.checks],
    }

"""One stack from frames to files: what `compute.stack` does with its arguments."""

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.calibration_stacker.gate import GateResult, Measured, expected_rejected_share, judge
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
from pictor.imaging.combine.method import Method
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.policy import Policy


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


@dataclass(frozen=True)
class Stacked:
    """The files of a new master and the numbers about it."""

    master_path: Path
    bad_pixels_path: Path | None
    built: Built
    facts: DetectorFacts
    gate: GateResult


def stack_group(order: Order) -> Stacked:
    """Stack one group into files in the scratch folder and judge the result.

    Raises
    ------
    ImagingError
        If the frames cannot be combined, or a flat comes without a usable dark.
    """
    dark = _dark_of(order)
    inputs, first = read_inputs(order.paths, order.frame_ids, order.sha256s)
    pixels = None if dark is None else dark.sci
    built = build(
        order.paths, order.recipe, dark=pixels, dark_err=None if dark is None else dark.err, scratch=order.scratch
    )
    exposure = mean_of(inputs.headers, "EXPTIME") or mean_of(inputs.headers, "EXPOSURE")
    facts = detector_facts(order.paths, built, order.recipe, dark=pixels, exposure_s=exposure, scratch=order.scratch)
    gate = judge(measure(built, order))
    bad_path = _mark_bad(order, built, first)
    path = order.scratch / "master.fits"
    write_built(path, built, _header(order, built, inputs, first))
    return Stacked(path, bad_path, built, facts, gate)


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
    return Measured(
        frames=statistics.frames,
        never_good_share=float(np.count_nonzero(built.combined.nused == 0)) / built.combined.nused.size,
        rejected_share=statistics.rejected_share,
        expected_rejected_share=expected_rejected_share(order.recipe.sigma) if clips else None,
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
    listed = read_bad_pixel_list(order.bad_pixel_list, shape) if order.bad_pixel_list else None
    if order.recipe.kind not in {Kind.DARK, Kind.FLAT_DARK}:
        if listed is not None:
            combined.mask[listed != 0] |= BAD
        return None
    bad = bad_pixel_map(combined.sci, listed=listed)
    np.bitwise_or(combined.mask, bad, out=combined.mask)
    path = order.scratch / "bad_pixels.fits"
    write_map(path, bad, master_header(first, (), ()))
    return path


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

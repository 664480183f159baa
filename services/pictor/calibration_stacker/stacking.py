"""One stack from frames to files: what `compute.stack` does with its arguments."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits

from pictor.calibration_stacker.expected import beside_active, beside_expected, level_range
from pictor.calibration_stacker.gate import GateResult, Level, Measured, expected_rejected_share, judge
from pictor.calibration_stacker.refusing import MOST_REFUSED, Unlike, unlike_frames
from pictor.imaging.calibration import stackfiles
from pictor.imaging.calibration.badlist import parse_bad_pixels
from pictor.imaging.calibration.badpixels import read_bad_pixel_list
from pictor.imaging.calibration.below import Below, dark_for_flats
from pictor.imaging.calibration.building import Built, Recipe, build, write_built
from pictor.imaging.calibration.cards import mean_of
from pictor.imaging.calibration.detector import DetectorFacts, detector_facts
from pictor.imaging.calibration.halves import split_halves
from pictor.imaging.calibration.masters import (
    Card,
    Kind,
    master_header,
    write_map,
)
from pictor.imaging.calibration.picturing import MasterPictures, picture_planes
from pictor.imaging.calibration.sameness import cameras, differences
from pictor.imaging.calibration.splitting import Difference
from pictor.imaging.calibration.stackfiles import Group
from pictor.imaging.calibration.succession import compare_with_active, hot_pixels_kept
from pictor.imaging.calibration.unlike import drift
from pictor.imaging.combine.method import Method
from pictor.imaging.matching.policy import Policy
from pictor.imaging.types import Mask

NEVER = datetime.min.replace(tzinfo=UTC)


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
    binning: int | None = None
    """Of the frames, for the list; None: the list is of frames like these, and must fit them."""

    origin: tuple[int, int] = (0, 0)
    """First column and row of the frames on the sensor, in their own pixels, for the list."""

    expected_level: float | None = None
    """Level of a dark as bias and darks of other exposures tell it, in ADU."""

    accepted_cameras: tuple[str, ...] = ()
    """Serial numbers in the active master: somebody said that they are one camera."""


@dataclass(frozen=True)
class Stacked:
    """The files of a new master and the numbers about it; ``refused`` frames are not in it, each for its reason."""

    master_path: Path
    bad_pixels_path: Path | None
    built: Built
    facts: DetectorFacts
    gate: GateResult
    pictures: MasterPictures
    kind: Kind
    refused: Mapping[str, str] = field(default_factory=dict)
    cameras: tuple[str, ...] = ()


def stack_group(order: Order) -> Stacked:
    """Stack one group into files in the scratch folder and judge the result.

    This is the whole of a stack, without server, bus or database: files in, files out. A frame that does not show what
    the others show is left out, and the others are combined again; where nobody can say which are right, the gate
    rejects. Frames are combined in the order of time.

    Parameters
    ----------
    order
        Frames, recipe and policy, the dark of flats, the active master to compare with, and the folder to write to.

    Returns
    -------
    Stacked
        ``master.fits`` (and for darks ``bad_pixels.fits``), the measured facts and the verdict of the gate. The same
        files give the same bytes, in whatever order they are listed.

    Raises
    ------
    ImagingError
        If the frames cannot be combined, or a flat comes without a usable dark.
    """
    dark = _dark_of(order)
    order, group = in_order(order)
    inputs = group.inputs
    built = _build(order, dark)
    found: dict[str, str] = {}
    most = int(MOST_REFUSED * len(order.paths))
    unlike = unlike_frames(built, order.frame_ids, order.recipe.kind, most=most)
    while unlike.refused:
        found.update(unlike.refused)
        left_out = frozenset(unlike.refused)
        order, inputs = _without(order, left_out), inputs.without(left_out)
        built = _build(order, dark)
        unlike = unlike_frames(built, order.frame_ids, order.recipe.kind, most=most - len(found))
    against = _beside_active(built, order)
    with ThreadPoolExecutor(1) as beside:
        judged = beside.submit(_judge, order, built, replace(group, inputs=inputs), dark, unlike, against)
        bad_path = _mark_bad(order, built, group.first)
        path = order.scratch / "master.fits"
        write_built(path, built, _header(order, built, replace(group, inputs=inputs), dark))
        facts, gate, pictures = judged.result()
    return Stacked(path, bad_path, built, facts, gate, pictures, order.recipe.kind, found, cameras(inputs.descriptions))


def _judge(  # noqa: PLR0917
    order: Order, built: Built, group: Group, dark: Below | None, unlike: Unlike, against: Difference | None
) -> tuple[DetectorFacts, GateResult, MasterPictures]:
    """Draw, measure and judge a master; of the mask, which is marked meanwhile, nothing is read."""
    inputs, recipe, done = group.inputs, order.recipe, built.combined
    row_order = next((value for key, value, _ in group.first if key == "ROWORDER"), None)
    pictures = picture_planes(
        done.sci, done.nused, done.statistics.frames, row_order=row_order, scratch=order.scratch
    )  # fmt: skip
    exposure = mean_of(inputs.headers, "EXPTIME") or mean_of(inputs.headers, "EXPOSURE")
    pixels = None if dark is None else dark.sci
    facts = detector_facts(order.paths, built, recipe, dark=pixels, exposure_s=exposure, scratch=order.scratch)
    split = split_halves(order.paths, recipe, built.preparation, dark=pixels, scratch=order.scratch)
    differing = differences(inputs.descriptions, recipe.kind, order.policy)
    serials = cameras(inputs.descriptions)
    measured = measure(built, order, split, against)
    measured = replace(measured, differences=differing, cameras=serials, disputed=dict(unlike.disputed))
    return facts, judge(replace(measured, accepted_cameras=order.accepted_cameras)), pictures


def in_order(order: Order) -> tuple[Order, Group]:
    """Put the frames in the order of time."""
    group = stackfiles.in_order(order.paths, order.frame_ids, order.sha256s)
    inputs = group.inputs
    return replace(order, paths=group.paths, frame_ids=inputs.frame_ids, sha256s=inputs.sha256s), group


def _build(order: Order, dark: Below | None) -> Built:
    pixels, err = (None, None) if dark is None else (dark.sci, dark.err)
    return build(order.paths, order.recipe, dark=pixels, dark_err=err, scratch=order.scratch)


def _without(order: Order, left_out: frozenset[str]) -> Order:
    return _only(order, [i for i, name in enumerate(order.frame_ids) if name not in left_out])


def _only(order: Order, places: Sequence[int]) -> Order:
    return replace(
        order, paths=tuple(order.paths[i] for i in places), frame_ids=tuple(order.frame_ids[i] for i in places),
        sha256s=tuple(order.sha256s[i] for i in places),
    )  # fmt: skip


def _dark_of(order: Order) -> Below | None:
    """Open the dark of a flat, which must still hold its bias."""
    if order.recipe.kind is not Kind.FLAT:
        return None
    return dark_for_flats(order.dark_path, order.recipe.bias_level)


def _beside_active(built: Built, order: Order) -> Difference | None:
    """Compare a master with the one in use, where both are of one kind."""
    if order.active_path is None or _unlike_active(order):
        return None
    return compare_with_active(built, order.active_path)


def _unlike_active(order: Order) -> bool:
    return order.recipe.kind is not Kind.FLAT and _without_bias(order.active_path)


def measure(built: Built, order: Order, split: Difference | None, against: Difference | None) -> Measured:
    """Collect the numbers the gate judges: of the master, of its halves, and of it beside the one in use."""
    statistics = built.combined.statistics
    clips = order.recipe.method is Method.SIGMA_CLIP and statistics.can_reject
    flat = order.recipe.kind is Kind.FLAT
    noise = None if flat else built.combined.noise.floor**0.5
    drifted = drift(built.agreement, flat=flat)
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
        level_range=None if noise is None else level_range(built.preparation, order.recipe),
        level=_level(built, order, against, noise),
        active_without_bias=_unlike_active(order),
        hot_pixels_kept=_hot_pixels_kept(built, order),
        drift=None if drifted is None else drifted.largest,
        drift_share=None if drifted is None else drifted.share,
    )


def _without_bias(active: Path | None) -> bool:
    """Tell whether the bias of the dark in use was subtracted, as that of an upload may be."""
    return active is not None and fits.getheader(active).get("DARKBIAS") is False


def _hot_pixels_kept(built: Built, order: Order) -> float | None:
    dark = order.recipe.kind in {Kind.DARK, Kind.FLAT_DARK}
    return hot_pixels_kept(built, order.active_path) if dark and order.active_path is not None else None


def _level(built: Built, order: Order, against: Difference | None, noise: float | None) -> Level | None:
    """Compare the level of a bias or dark with the master in use, or else with what other darks tell."""
    if noise is None:
        return None
    if against is not None:
        return beside_active(against.offset, noise)
    bias, expected = order.recipe.bias_level, order.expected_level
    if bias is None or expected is None:
        return None
    return beside_expected(float(built.preparation.levels.mean()), expected, noise, bias_level=bias)


def _mark_bad(order: Order, built: Built, first: tuple[Card, ...]) -> Path | None:
    """Find bad pixels of a dark, add the listed ones, put both in the mask and a map of their own."""
    mask, kind = built.combined.mask, order.recipe.kind
    stackfiles.mark_bad(built, kind, _listed(order, (mask.shape[0], mask.shape[1])))
    if kind not in {Kind.DARK, Kind.FLAT_DARK}:
        return None
    path = order.scratch / "bad_pixels.fits"
    write_map(path, mask, master_header(first, (), ()))
    return path


def _listed(order: Order, shape: tuple[int, int]) -> Mask | None:
    """Draw the pixels a person listed, in the binning of the frames."""
    if not order.bad_pixel_list:
        return None
    if order.binning is None:
        return read_bad_pixel_list(order.bad_pixel_list, shape)
    return parse_bad_pixels(order.bad_pixel_list).draw(shape, binning=order.binning, origin=order.origin)


def _header(order: Order, built: Built, group: Group, dark: Below | None) -> fits.Header:
    """Write down what the master is made of."""
    policy: dict[str, str | float] = {
        "method": str(order.policy.stacking_method),
        "sigma": order.policy.sigma_clip_value,
        "iterations": order.policy.sigma_clip_iterations,
        "min_frames": order.policy.min_frames,
        "temp_tol": order.policy.temperature_tolerance_c,
    }
    return stackfiles.header_of(built, order.recipe, group, policy, dark)


def report(done: Stacked) -> dict[str, object]:
    """Tell the result in JSON's words."""
    return {
        "master_path": str(done.master_path),
        "bad_pixels_path": None if done.bad_pixels_path is None else str(done.bad_pixels_path),
        "kind": str(done.kind),
        "refused": dict(done.refused),
        "cameras": list(done.cameras),
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

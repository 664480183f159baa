"""Pixel work of the stacker, run in a child: paths and settings in, paths and numbers out."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pictor.calibration_stacker.policy import validate
from pictor.calibration_stacker.stacking import Order, report, stack_group
from pictor.imaging.calibration.building import Recipe
from pictor.imaging.calibration.masters import Kind


def stack(
    *,
    paths: Sequence[str],
    frame_ids: Sequence[str],
    sha256s: Sequence[str],
    kind: str,
    scratch: str,
    policy: Mapping[str, object] | None = None,
    read_noise_e: float | None = None,
    egain: float | None = None,
    bias_level_adu: float | None = None,
    saturation_adu: float | None = None,
    bayer: bool = False,
    dark_path: str | None = None,
    active_path: str | None = None,
    bad_pixel_list: str | None = None,
    homogeneous: bool = True,
) -> dict[str, object]:
    """Stack a group into ``master.fits`` and, for darks, ``bad_pixels.fits`` in the scratch folder.

    Returns paths, statistics by sample and frame, detector facts, and the verdict of the gate with its numbers.
    """
    settings = validate(dict(policy or {}))
    recipe = Recipe(
        Kind(kind), settings.stacking_method, settings.sigma_clip_value, settings.sigma_clip_iterations,
        bayer, read_noise_e, egain, bias_level_adu, saturation_adu,
    )  # fmt: skip
    order = Order(
        tuple(Path(path) for path in paths), tuple(frame_ids), tuple(sha256s), recipe, settings, Path(scratch),
        None if dark_path is None else Path(dark_path), None if active_path is None else Path(active_path),
        bad_pixel_list, homogeneous,
    )  # fmt: skip
    return finite(report(stack_group(order)))


def finite(value: dict[str, object]) -> dict[str, object]:
    """Replace numbers JSON does not know by None."""
    return {key: _finite(item) for key, item in value.items()}


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return finite(value)
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value

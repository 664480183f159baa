"""Pixel work of the stacker, run in a child: paths and settings in, paths and numbers out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pictor.calibration_stacker import premade
from pictor.calibration_stacker.drawing import draw
from pictor.calibration_stacker.drawing import told as told_pictures
from pictor.calibration_stacker.foreign import Given
from pictor.calibration_stacker.stacking import Order, report, stack_group
from pictor.imaging.calibration.agreement import warm as warm_agreement
from pictor.imaging.calibration.badindark import warm as warm_bad
from pictor.imaging.calibration.building import Recipe
from pictor.imaging.calibration.facts import pixel_facts
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.calibration.measuring import warm as warm_measuring
from pictor.imaging.combine.flats import warm as warm_flats
from pictor.imaging.combine.impulses import warm as warm_impulses
from pictor.imaging.combine.tiles import warm as warm_combine
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.matching.policy import validate

CALIBRATED_FILE = "calibrated.fits"


def stack(  # noqa: PLR0913 - the arguments are the order
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
    sensor: Mapping[str, int] | None = None,
    expected_level_adu: float | None = None,
    accepted_cameras: Sequence[str] = (),
) -> dict[str, object]:
    """Stack a group into ``master.fits`` and, for darks, ``bad_pixels.fits`` in the scratch folder.

    ``sensor`` tells binning and, for a part of it, first column ``x`` and row ``y``, for the list of bad pixels.
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
        bad_pixel_list, None if sensor is None else sensor["binning"], _origin(sensor or {}), expected_level_adu,
        tuple(accepted_cameras),
    )  # fmt: skip
    done = stack_group(order)
    return finite({**report(done), "pictures": told_pictures(done.pictures)})


def _origin(sensor: Mapping[str, int]) -> tuple[int, int]:
    return sensor.get("x", 0), sensor.get("y", 0)


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


def calibrate(
    *,
    path: str,
    scratch: str,
    masters: Mapping[str, str],
    identities: Mapping[str, str] | None = None,
    egain: float | None = None,
    read_noise_e: float | None = None,
    bias_level_adu: float | None = None,
    saturation_adu: float | None = None,
    dark_scale: float = 1.0,
    bayer: bool = False,
    cosmics: bool = False,
    bad_pixel_list: str | None = None,
    sha256s: Mapping[str, str] | None = None,
    software: str | None = None,
    weak: bool = False,
    sensor: Mapping[str, int] | None = None,
) -> dict[str, object]:
    """Calibrate a light into ``calibrated.fits`` in the scratch folder.

    ``masters`` maps bias, dark, flat and bad_pixels to paths; ``identities`` the same kinds to the text for the header,
    ``sha256s`` to the hashes of their files; ``sensor`` is as for `stack`.
    """
    from pictor.imaging.calibration.files import calibrate_file  # noqa: PLC0415 - a stack calibrates no light
    from pictor.imaging.calibration.lightcards import Told  # noqa: PLC0415 - as above

    place = sensor or {}
    files = {kind: Path(found) for kind, found in masters.items()}
    done = calibrate_file(
        Path(path), Path(scratch) / CALIBRATED_FILE, bias=files.get("bias"), dark=files.get("dark"),
        flat=files.get("flat"), bad_pixels=files.get("bad_pixels"),
        bad_pixel_list=bad_pixel_list, egain=egain, read_noise_e=read_noise_e, bias_level=bias_level_adu,
        saturation=saturation_adu, dark_scale=dark_scale, bayer=bayer, cosmics=cosmics,
        sensor=(place.get("binning", 1), *_origin(place)),
        told=Told(dict(identities or {}), dict(sha256s or {}), software, weak),
    )  # fmt: skip
    return finite({**asdict(done), "path": str(done.path)})


def examine(
    *,
    path: str,
    saturation_adu: float | None = None,
    egain: float | None = None,
    read_noise_e: float = 0.0,
    bias_level_adu: float = 0.0,
) -> dict[str, object]:
    """Measure what the admission of an individual frame asks; the keys are those of `PixelFacts`."""
    found = pixel_facts(
        read_frame(Path(path)).data, saturation=saturation_adu, egain=egain, read_noise_e=read_noise_e,
        bias_level=bias_level_adu,
    )  # fmt: skip
    return finite(asdict(found))


def inspect(*, path: str, name: str, scratch: str) -> dict[str, object]:
    """Describe an uploaded master; ``path`` in the answer is its plain FITS."""
    return finite(premade.inspect(Path(path), name, Path(scratch)))


def adopt(
    *,
    path: str,
    scratch: str,
    kind: str,
    cards: Mapping[str, str | float | int | bool],
    notes: Sequence[str] = (),
    doubts: Sequence[str] = (),
    bayer: bool = False,
    ncombine: int = 1,
    bias_level_adu: float | None = None,
    usual_level_adu: float | None = None,
    active_path: str | None = None,
    bias_path: str | None = None,
    in_hand: Sequence[str] = (),
    stated: Mapping[str, float | bool] | None = None,
    egain: float | None = None,
    row_order: str | None = None,
) -> dict[str, object]:
    """Bring an uploaded master into our form, ``adopted.fits`` in the scratch folder, judge it and draw it.

    ``stated`` may hold adu_per_unit and bias_inside, ``in_hand`` the paths of individual frames of its group.
    """
    said = stated or {}
    given = Given(
        Kind(kind), dict(cards), bayer, ncombine, bias_level_adu, usual_level_adu,
        None if active_path is None else Path(active_path), tuple(notes), tuple(Path(one) for one in in_hand),
        said.get("adu_per_unit"), _truth(said.get("bias_inside")), egain, row_order, tuple(doubts),
        None if bias_path is None else Path(bias_path),
    )  # fmt: skip
    told = premade.adopt(Path(path), Path(scratch), given)
    pictures = draw(str(told["master_path"]), scratch)
    return finite({**told, "pictures": pictures if told["counted"] else {**pictures, "rejection": None}})


def _truth(said: object) -> bool | None:
    return None if said is None else bool(said)


def warm() -> None:
    """Compile every kernel of the stacker before the first order."""
    from pictor.imaging.calibration.calibrating import warm as warm_calibrate  # noqa: PLC0415 - a stack alone needs
    from pictor.imaging.calibration.files import calibrate_file  # noqa: F401, PLC0415 - neither of both

    warm_combine()
    warm_agreement()
    warm_bad()
    warm_flats()
    warm_impulses()
    warm_measuring()
    warm_calibrate()

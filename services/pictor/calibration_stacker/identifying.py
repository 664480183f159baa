"""What an uploaded master is of: by its header, by what was said at the upload, and by the frames there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pictor.contracts.frames import CALIBRATION_TYPES, FrameType
from pictor.imaging.errors import ImagingError
from pictor.imaging.matching.filters import FilterNames
from pictor.imaging.matching.frames import CameraMode
from pictor.imaging.matching.frames import FrameType as Kind
from pictor.imaging.matching.grouping import GroupKey
from pictor.imaging.matching.policy import FlatRotation, Policy
from pictor.runtime.modes import MODE_FIELDS, mode_key
from pictor.state.premade import KnownMode

NEAR = 1e-3
"""Header and upload agree about a number that differs by this share."""

OF_ONE_EXPOSURE = frozenset({"light", "snapshot"})
USUAL_NAMES = FilterNames()
DARKS = frozenset({"dark", "flat-dark"})
ABOUT_PIXELS = frozenset({"adu_per_unit", "bias_inside"})
"""What is said about the values of a file, not about what it is of."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What an uploaded master is of."""

    kind: FrameType
    camera_mode: str
    key: GroupKey
    described: dict[str, Any]
    notes: tuple[str, ...]
    known: KnownMode | None = None
    doubts: tuple[str, ...] = ()


def merged(described: Mapping[str, Any], stated: Mapping[str, Any], names: FilterNames = USUAL_NAMES) -> dict[str, Any]:
    """Add to what a header says what was said at the upload; the two may not contradict each other.

    The name of the camera may: programs spell one camera differently, so what was said counts; and so may two names of
    one filter.

    Raises
    ------
    ImagingError
        If they do, if neither says what kind of master it is, or nothing says that it is one.
    """
    _must_be_master(described, stated)
    known = {**described, "frame_type": _kind_in(described)}
    for name, said in _fields(stated).items():
        found = known.get(name)
        silent = found is None or name == "camera" or (name.startswith("binning") and found == 1)
        silent = silent or (name == "filter" and names.same(str(found), str(said)))
        if not silent and not _agree(found, said):
            raise ImagingError(
                f"the header says {name} = {found}, the upload {said}; correct one of them", reason="contradiction"
            )
        known[name] = said
    kind = known["frame_type"]
    if kind is None:
        raise ImagingError("nothing says what kind of master this is; state frame_type", reason="no-frame-type")
    if kind in DARKS and known.get("exposure_s") is None:
        raise ImagingError("a master dark needs its exposure; state exposure_s", reason="no-exposure")
    return known


def _must_be_master(described: Mapping[str, Any], stated: Mapping[str, Any]) -> None:
    kind = described.get("frame_type")
    written = (described.get("provenance") or {}).get("frame_type") or {}
    if kind in OF_ONE_EXPOSURE and written.get("keyword"):
        raise ImagingError(
            f"the header says {written['keyword']} = {written.get('value')}: this is a {kind}, not a master; lights go "
            "to the upload of frames", reason="not-a-master",
        )  # fmt: skip
    if described.get("is_master"):
        return
    if "frame_type" not in stated and kind in {None, "unknown"}:
        raise ImagingError(
            "the header does not say what kind of master this is; state frame_type", reason="no-frame-type"
        )
    if "frame_type" not in stated:
        raise ImagingError(
            f"the header says {kind}, not that it is a master; state frame_type and ncombine if it is one",
            reason="not-a-master",
        )
    frames = stated.get("ncombine") or described.get("n_combined") or 0
    if frames < 2:
        raise ImagingError(
            "nothing in the header says that this is more than one exposure; state ncombine, the number of frames "
            "combined, or upload it as an individual frame", reason="not-a-master",
        )  # fmt: skip


def _kind_in(described: Mapping[str, Any]) -> str | None:
    kind = described.get("frame_type")
    return kind if kind in {str(one) for one in CALIBRATION_TYPES} else None


def _fields(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said under the names of a description."""
    renamed = {"camera_name": "camera", "temp_c": "set_temp_c", "ncombine": "n_combined"}
    found = {renamed.get(name, name): value for name, value in stated.items() if name not in ABOUT_PIXELS}
    if "binning_x" in found:
        found["binning_y"] = found["binning_x"]
    return found


def _agree(one: Any, two: Any) -> bool:  # noqa: ANN401 - values of a header
    if isinstance(one, int | float) and isinstance(two, int | float):
        return abs(one - two) <= max(NEAR * abs(two), 0.05)
    if {str(one), str(two)} == DARKS:
        return True
    return str(one) == str(two)


def identify(rig_id: UUID | None, known: Mapping[str, Any], modes: list[KnownMode], policy: Policy) -> Identity:
    """Find the camera mode and the group of a master; what its header leaves out the one mode that fits tells.

    Raises
    ------
    ImagingError
        If several camera modes fit, or the frames of the mode state a temperature and the master does not.
    """
    fitting = [mode for mode in modes if not misses(rig_id, known, mode)]
    exact = [one for one in fitting if all(known.get(n) == one.description.get(n) for n in MODE_FIELDS)]
    if len(exact or fitting) > 1:
        raise ImagingError(_which(exact or fitting), reason="which-mode")
    mode = next(iter(exact or fitting), None)
    described, rig = dict(known), str(rig_id or known.get("camera"))
    notes, doubts = _told(known), list[str]()
    if mode is None:
        (doubts if modes else notes).append(_unknown_mode(rig_id, known, modes))
    else:
        taken = [n for n in MODE_FIELDS if known.get(n) is None and mode.description.get(n) is not None]
        if taken:
            notes.append(f"{', '.join(taken)} taken from the only camera mode that fits")
        described |= {name: mode.description.get(name) for name in MODE_FIELDS}
        rig = str(mode.rig_id or mode.description.get("camera"))
        _need_temperature(known, mode)
    camera_mode = mode.camera_mode if mode else mode_key(rig, described)
    values: dict[str, Any] = {name: described.get(name) for name in MODE_FIELDS}
    key = _key(CameraMode(rig_id=rig, **values), described, policy)
    return Identity(FrameType(described["frame_type"]), camera_mode, key, described, tuple(notes), mode, tuple(doubts))


def _told(known: Mapping[str, Any]) -> list[str]:
    """Say what was only inferred, and what will keep a master from fitting."""
    written = (known.get("provenance") or {}).get("frame_type") or {}
    told = []
    if written.get("rule") == "file name":
        told.append(f"the name of the file says that it is a {known['frame_type']}; no card does")
    if not known.get("n_combined"):
        told.append("the number of frames combined is not stated")
    if known["frame_type"] == "flat" and known.get("filter") is None:
        told.append("no filter is stated: it fits only lights without one")
    return told


def _which(fitting: list[KnownMode]) -> str:
    differing = [n for n in MODE_FIELDS if len({str(one.description.get(n)) for one in fitting}) > 1]
    values = [f"{n} ({', '.join(sorted({str(one.description.get(n)) for one in fitting}))})" for n in differing]
    return f"{len(fitting)} camera modes fit this master; state {', '.join(values) or 'rig'}"


def _unknown_mode(rig_id: UUID | None, known: Mapping[str, Any], modes: list[KnownMode]) -> str:
    """Say that no frame has the camera mode of a master, and by what the nearest mode differs."""
    if not modes:
        return "a camera mode without any frame so far"
    nearest = min((misses(rig_id, known, mode) for mode in modes), key=len)
    return f"no frame has its camera mode; the nearest differs in {'; '.join(nearest)}"


def _need_temperature(known: Mapping[str, Any], mode: KnownMode) -> None:
    mine = [known.get("set_temp_c"), known.get("ccd_temp_c")]
    theirs = [mode.description.get("set_temp_c"), mode.description.get("ccd_temp_c")]
    if all(value is None for value in mine) and any(value is not None for value in theirs):
        shown = next(value for value in theirs if value is not None)
        raise ImagingError(
            f"the header gives no temperature, but the frames of this camera mode do ({shown:g} C): no light could use "
            "the master; state temp_c, the set point", reason="no-temperature",
        )  # fmt: skip


def misses(rig_id: UUID | None, known: Mapping[str, Any], mode: KnownMode) -> list[str]:
    """List in what a master cannot be of a camera mode; empty if it may be."""
    other = mode.description
    found = []
    if rig_id is not None and mode.rig_id is not None and rig_id != mode.rig_id:
        found.append("rig")
    named = known.get("camera"), other.get("camera")
    if None not in named and named[0] != named[1]:
        found.append(f"camera: master {named[0]}, frames {named[1]} (state camera_name if it is the same)")
    serials = known.get("camera_serial"), other.get("camera_serial")
    if None not in serials and serials[0] != serials[1]:
        found.append(f"serial number: master {serials[0]}, frames {serials[1]}")
    for name in MODE_FIELDS:
        mine, theirs = known.get(name), other.get(name)
        silent = mine is None and name not in {"width", "height"}
        if not silent and mine != theirs:
            found.append(f"{name}: master {mine}, frames {theirs}")
    return found


def _key(mode: CameraMode, described: Mapping[str, Any], policy: Policy) -> GroupKey:
    kind = Kind(described["frame_type"])
    flat = kind is Kind.FLAT
    temp = described.get("set_temp_c")
    turned = flat and policy.flat_rotation is not FlatRotation.IGNORE
    return GroupKey(
        mode, kind, exposure_s=described.get("exposure_s") if kind in {Kind.DARK, Kind.FLAT_DARK} else None,
        filter=described.get("filter") if flat else None,
        rotator_deg=described.get("rotator_deg") if turned else None,
        temp_c=described.get("ccd_temp_c") if temp is None else temp,
    )  # fmt: skip

"""Whether the inputs of a master belong together, by their own headers: the last look before their pixels are mixed."""

from collections.abc import Sequence

from pictor.imaging.calibration.masters import Kind
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.matching.grouping import exposure_tolerance
from pictor.imaging.matching.policy import Policy

EXACT = (
    "width", "height", "binning_x", "binning_y", "gain_setting", "offset_setting", "readout_mode", "bayer", "roi_x",
    "roi_y", "camera",
)  # fmt: skip
"""What must be the same in every input."""

EXPOSED = frozenset({Kind.DARK, Kind.FLAT_DARK})


def differences(inputs: Sequence[FrameDescription], kind: Kind, policy: Policy) -> tuple[str, ...]:
    """Tell in which facts the inputs of one master differ more than their group may.

    Parameters
    ----------
    inputs
        What the headers of the inputs say, in the order they are combined.
    kind
        What the master calibrates: darks must agree in exposure, flats in filter.
    policy
        Tolerances of exposure and temperature.

    Returns
    -------
    tuple of str
        One sentence for each fact, with its values and how many inputs have them; empty when they belong together.
    """
    found = [told for name in EXACT if (told := _exact(name, [getattr(one, name) for one in inputs]))]
    found += [told for told in [_filters(inputs, policy)] if told and kind is Kind.FLAT]
    found += [told for told in [_exact("row_order", [one.row_order for one in inputs if one.row_order])] if told]
    if kind in EXPOSED:
        exposures = [one.exposure_s for one in inputs if one.exposure_s is not None]
        tolerance = exposure_tolerance(max(exposures, default=0.0), policy)
        found += _close("exposure", exposures, tolerance, "s")
    set_points = [one.set_temp_c if one.set_temp_c is not None else one.ccd_temp_c for one in inputs]
    temperatures = [value for value in set_points if value is not None]
    return (*found, *_close("temperature", temperatures, policy.temperature_tolerance_c, "C"))


def cameras(inputs: Sequence[FrameDescription]) -> tuple[str, ...]:
    """Return the serial numbers the inputs state: more than one tells that a camera was replaced by its like."""
    return tuple(sorted({one.camera_serial for one in inputs if one.camera_serial}))


def _filters(inputs: Sequence[FrameDescription], policy: Policy) -> str | None:
    """Tell filters apart by the names they go by, on whichever rig; name them as they are written."""
    rigs = {None, *(said.rig for said in policy.filters.together)}
    names = [one.filter for one in inputs]
    as_one = any(len({policy.filters.read(name, rig or "") for name in names}) == 1 for rig in rigs)
    return None if as_one else _exact("filter", names)


def _exact(name: str, values: Sequence[object]) -> str | None:
    kinds = sorted(set(values), key=str)
    if len(kinds) < 2:
        return None
    shown = ", ".join(f"{'not stated' if kind is None else kind} in {values.count(kind)}" for kind in kinds[:4])
    return f"{name.replace('_', ' ')}: {shown}"


def _close(name: str, values: Sequence[float], tolerance: float, unit: str) -> list[str]:
    if not values or max(values) - min(values) <= tolerance + 1e-9:
        return []
    return [f"{name}: {min(values):g} to {max(values):g} {unit}, {tolerance:g} {unit} apart at most"]

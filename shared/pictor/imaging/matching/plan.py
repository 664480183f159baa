"""What to shoot tonight, in the order that lets each frame be used at once."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from pictor.imaging.matching.coverage import Coverage, Need
from pictor.imaging.matching.frames import FrameType

ORDER = (FrameType.BIAS, FrameType.DARK, FrameType.FLAT_DARK, FrameType.FLAT)
"""Flats last: each is stacked with the dark that was taken before it."""

RENEWABLE = frozenset({Coverage.UNCOVERED, Coverage.EXPIRED, Coverage.EXPIRING})
"""A weak match is no fault of the library: new frames would not make the lights say more."""

FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
"""What spreadsheets take for the beginning of a formula, the wide forms included."""


@dataclass(frozen=True, slots=True)
class PlanItem:
    """Frames to take in one go; None where the lights do not say, or where the program must find out (exposure)."""

    kind: FrameType
    count: int
    exposure_s: float | None
    gain_setting: float | None
    offset_setting: float | None
    binning: str | None
    readout_mode: str | None
    set_temp_c: float | None
    filter: str | None
    rotator_deg: float | None
    reason: str
    blocks: tuple[str, ...]
    need_id: str
    rig_id: str
    waiting_lights: int
    waiting_nights: int
    width: int
    height: int
    roi_x: int | None
    roi_y: int | None


def plan(needs: Iterable[Need]) -> tuple[PlanItem, ...]:
    """Plan the frames that are missing: bias, dark, flat-dark, flat; flats of one filter together.

    Within a kind, what most lights wait for comes first; so do the filters among the flats of a rig, and the flats of
    one filter follow each other by rotation.
    """
    wanted = [need for need in needs if need.missing > 0 and need.coverage in RENEWABLE]
    of_filter: dict[tuple[str, str | None], int] = {}
    for need in wanted:
        key = need.mode.rig_id, need.filter
        of_filter[key] = of_filter.get(key, 0) + need.waiting_lights

    def place(need: Need) -> tuple[object, ...]:
        flat = need.kind is FrameType.FLAT
        together = (need.mode.rig_id, -of_filter[need.mode.rig_id, need.filter], need.filter or "") if flat else ()
        turned = need.rotator_deg if flat and need.rotator_deg is not None else -1.0
        return ORDER.index(need.kind), *together, -need.waiting_lights, turned, need.need_id

    return tuple(_item(need) for need in sorted(wanted, key=place))


def _item(need: Need) -> PlanItem:
    mode = need.mode
    binned = mode.binning_x is not None and mode.binning_y is not None
    return PlanItem(
        need.kind, need.missing, need.exposure_s if need.kind is not FrameType.BIAS else 0.0, mode.gain_setting,
        mode.offset_setting, f"{mode.binning_x}x{mode.binning_y}" if binned else None, mode.readout_mode,
        need.temp_c if need.cooled else None, need.filter, need.rotator_deg, f"{need.coverage}: {need.reason}",
        need.blocks, need.need_id, mode.rig_id, need.waiting_lights, need.waiting_nights, mode.width, mode.height,
        mode.roi_x, mode.roi_y,
    )  # fmt: skip


def as_csv(items: Sequence[PlanItem]) -> str:
    """Write a plan as CSV (RFC 4180): one line per item, whatever headers say."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    names = list(PlanItem.__dataclass_fields__)
    writer.writerow(names)
    for item in items:
        values = asdict(item)
        writer.writerow([_cell(values[name]) for name in names])
    return text.getvalue()


def _cell(value: object) -> str:
    """Write one value; text from headers is one harmless line."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, int):
        return str(value)
    return harmless("; ".join(map(str, value)) if isinstance(value, tuple) else str(value))


def harmless(text: str) -> str:
    """Make text that no spreadsheet takes for a formula and no reader for two lines."""
    line = "".join(" " if unicodedata.category(letter) in {"Cc", "Cf", "Zl", "Zp", "Cs"} else letter for letter in text)
    return f"'{line}" if line.lstrip()[:1] and line.lstrip()[0] in FORMULA else line

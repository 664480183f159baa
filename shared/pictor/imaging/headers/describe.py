"""Describe a frame from its header cards: pure Python, no library, never raises on bad values."""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pictor.imaging.fits.cards import Card
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.kinds import CALIBRATION, combined_inputs, frame_type, large_enough
from pictor.imaging.headers.precession import to_j2000
from pictor.imaging.headers.reader import Reader
from pictor.imaging.headers.stacks import read_stack
from pictor.imaging.headers.values import angle, iso, julian, moment, number

_NUMBERS = (
    "gain_setting", "offset_setting", "egain", "set_temp_c", "ccd_temp_c", "focal_mm", "aperture_mm", "planned_pa_deg",
    "rotator_deg", "site_elevation_m", "focus_position", "focus_temp_c", "saturation_adu", "pedestal",
)  # fmt: skip
_INTEGERS = ("bayer_offset_x", "bayer_offset_y", "roi_x", "roi_y")
_TEXTS = (
    "camera", "camera_serial", "telescope", "observer", "observatory", "readout_mode", "target_name", "filter",
    "calstat", "program_version",
)  # fmt: skip
_BAYER = frozenset("RGBCMYWL")
_DISAGREEMENT = 0.01
_SITE_DISAGREEMENT = 0.1
_CLOCK_SLACK_H = 0.02


def describe(cards: Iterable[Card], *, name: str = "") -> FrameDescription:
    """Describe a frame in Pictor's vocabulary.

    Parameters
    ----------
    cards
        Cards of the image HDU, primary cards merged where absent.
    name
        File name as sent, a last resort for the frame type.

    Returns
    -------
    FrameDescription
        Every field with its provenance; what could not be used is in ``warnings``.
    """
    cards = tuple(cards)
    reader, stack = Reader(cards), read_stack(cards)
    width, height, planes = _geometry(reader)
    exposure = _exposure(reader)
    pointing = _pointing(reader)
    target = _pair(reader, "target_ra_deg", "target_dec_deg")
    plausible = bool(exposure) and large_enough(width, height)
    kind, master = frame_type(reader, name=name, plausible=plausible, pointed=pointing != (None, None))
    combined = reader.integer("n_combined") or combined_inputs(reader) or stack.combined
    master = master or stack.calls_itself_stack or any(test.holds(reader.index) for test in reader.program.masters)
    if combined and combined > 1:
        reader.warn(f"the frame is a stack of {combined} exposures")
    start, mid = _times(reader, exposure)
    fields: dict[str, Any] = {
        **_pixel(reader),
        **{field: reader.number(field) for field in _NUMBERS},
        **{field: reader.integer(field) for field in _INTEGERS},
        **{field: reader.text(field) for field in _TEXTS},
    }
    if not fields["roi_x"] and not fields["roi_y"]:
        fields["roi_x"] = fields["roi_y"] = None
    return FrameDescription(
        frame_type=kind, is_master=kind in CALIBRATION and (master or (combined or 1) > 1), exposure_s=exposure,
        start_utc=start, mid_utc=mid, utc_offset_h=_utc_offset(reader, start), ra_deg=pointing[0], dec_deg=pointing[1],
        target_ra_deg=target[0], target_dec_deg=target[1], n_combined=combined,
        program=reader.program.name, width=width, height=height, planes=planes,
        site_latitude_deg=_site(reader, "site_latitude_deg"), site_longitude_deg=_site(reader, "site_longitude_deg"),
        pier_side=_pier_side(reader), bayer=_bayer(reader), row_order=_upper(reader, "row_order"), **fields,
        provenance=reader.provenance, warnings=tuple(reader.warnings),
    )  # fmt: skip


def _geometry(reader: Reader) -> tuple[int | None, int | None, int]:
    prefix = "ZNAXIS" if reader.raw("ZIMAGE") is True else "NAXIS"
    axes = [number(reader.raw(f"{prefix}{axis}")) for axis in (1, 2, 3)]
    width, height, planes = (None if axis is None else int(axis) for axis in axes)
    return width, height, planes or 1


def _exposure(reader: Reader) -> float | None:
    exposure = reader.number("exposure_s")
    other = next((number(reader.raw(key)) for key in ("EXPTIME", "EXPOSURE") if _differs(reader, key, exposure)), None)
    if exposure is not None and other is not None:
        used = reader.provenance["exposure_s"].keyword
        reader.warn(f"two exposure times: {used} {exposure:g} s, which counts, and {other:g} s")
    return exposure


def _differs(reader: Reader, keyword: str, exposure: float | None) -> bool:
    found = number(reader.raw(keyword))
    return exposure is not None and found is not None and abs(found - exposure) > _DISAGREEMENT * max(exposure, 1e-3)


def _pair(reader: Reader, ra_field: str, dec_field: str) -> tuple[float | None, float | None]:
    """Read a position; both zero means that none was set."""
    ra, dec = reader.right_ascension(ra_field), reader.angle(dec_field)
    if ra is None or dec is None or (ra == 0 and dec == 0):
        for field in (ra_field, dec_field):
            reader.provenance.pop(field, None)
        return None, None
    return ra % 360, dec


def _pointing(reader: Reader) -> tuple[float | None, float | None]:
    ra, dec = _pair(reader, "ra_deg", "dec_deg")
    equinox = reader.number("equinox")
    reader.provenance.pop("equinox", None)
    source = reader.provenance.get("ra_deg")
    if source is not None and source.keyword == "CRVAL1" and not str(reader.raw("CTYPE1")).startswith("RA-"):
        del reader.provenance["ra_deg"], reader.provenance["dec_deg"]
        return None, None
    if ra is None or dec is None or equinox is None or abs(equinox - 2000) < 0.01:
        return ra, dec
    reader.warn(f"the pointing is of equinox {equinox:g} and was precessed to J2000")
    return to_j2000(ra, dec, equinox)


def _times(reader: Reader, exposure: float | None) -> tuple[str | None, str | None]:
    start = _start(reader)
    mid = reader.read("mid_utc", lambda value, _alias: moment(value))
    if not isinstance(mid, datetime):
        mid = julian(reader.raw("MJD-AVG"), modified=True)
    if mid is None and start is not None and exposure is not None:
        mid = start + timedelta(seconds=exposure / 2)
        reader.infer("mid_utc", iso(mid), "start + exposure/2")
    return (iso(start) if start else None), (iso(mid) if mid else None)


def _start(reader: Reader) -> datetime | None:
    clock = next(
        (reader.raw(alias.keyword) for alias in reader.program.fields["start_time"] if reader.raw(alias.keyword)), None
    )
    start = reader.read("start_utc", lambda value, _alias: moment(value, clock))
    if isinstance(start, datetime):
        system = str(reader.raw("TIMESYS") or "UTC").upper()
        if system not in {"UTC", "UT", "UT1", "GMT"}:
            reader.warn(f"times are in the scale {system[:8]}, read as UTC")
        return start
    for keyword, modified in (("MJD-OBS", True), ("JD", False)):
        found = julian(reader.raw(keyword), modified=modified)
        if found is not None:
            reader.warn(f"the start is taken from {keyword}, which may be rounded")
            reader.infer("start_utc", reader.raw(keyword), keyword)
            return found
    return None


def _utc_offset(reader: Reader, start: str | None) -> float | None:
    """Compare DATE-LOC with the start; clocks differ by quarters of an hour."""
    local = moment(reader.raw("DATE-LOC"))
    if local is None or start is None:
        return None
    hours = (local - datetime.fromisoformat(start)).total_seconds() / 3600
    quarters = round(hours * 4) / 4
    return quarters if abs(hours - quarters) < _CLOCK_SLACK_H and abs(quarters) <= 14 else None


def _site(reader: Reader, field: str) -> float | None:
    """Read a coordinate of the site and tell when two cards disagree by more than 0.1 degrees."""
    found = reader.angle(field)
    if found is None:
        return None
    used = reader.provenance[field].keyword
    for alias in reader.program.fields[field]:
        other = angle(reader.raw(alias.keyword), hours=False)
        if other is not None and abs(math.remainder(other * alias.scale - found, 360)) > _SITE_DISAGREEMENT:
            reader.warn(
                f"two site positions: {used} {found:.4f}, which counts, and {alias.keyword} {other:.4f} degrees"
            )
    return math.remainder(found, 360)


def _pixel(reader: Reader) -> dict[str, float | int | None]:
    """Tell binned from unbinned pixel sizes: XPIXSZ is binned, PIXSIZE1 and CCDXPIXE are not."""
    binning_x = reader.integer("binning_x") or 1
    binning_y = reader.integer("binning_y") or binning_x
    size = reader.number("pixel_um")
    unbinned = size is not None and reader.alias["pixel_um"].unbinned
    binned = size * binning_x if size is not None and unbinned else size
    return {"binning_x": binning_x, "binning_y": binning_y, "pixel_um": size, "pixel_um_binned": binned}


def _bayer(reader: Reader) -> str | None:
    pattern = (reader.text("bayer") or "").upper()
    if len(pattern) in {4, 8, 16} and set(pattern) <= _BAYER:
        return pattern
    reader.provenance.pop("bayer", None)
    return None


def _pier_side(reader: Reader) -> str | None:
    side = (reader.text("pier_side") or "").lower()
    return next((known for known in ("east", "west") if known in side), None)


def _upper(reader: Reader, field: str) -> str | None:
    text = reader.text(field)
    return text.upper() if text else None

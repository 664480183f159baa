"""The report as CSV and JSON; text of headers stays text in a spreadsheet."""

import csv
import io
import json
import math
from collections.abc import Mapping
from typing import Any

from pictor.cli.processing.rows import Report, Row

FACTS = ("target", "filter", "exposure_s", "start_utc", "rig", "temperature_c", "width", "height", "group", "grade")
NUMBERS = (
    "star_count", "fwhm_px", "fwhm_arcsec", "hfr_px", "eccentricity", "background_adu", "noise_adu", "trail_count",
    "scale_arcsec", "pa_deg", "ra_deg", "dec_deg", "target_offset_arcsec", "matched", "rms_arcsec", "zero_point_mag",
)  # fmt: skip
COLUMNS = (
    "file", "status", "reason", "type", *FACTS, *NUMBERS, "dark", "flat", "bias", "product", "notes", "seconds",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe(text: str) -> str:
    """Keep a spreadsheet from taking text for a formula: such text gets an apostrophe before it [1]_.

    References
    ----------
    .. [1] OWASP, "CSV Injection".
    """
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"'{plain}" if text.startswith(_FORMULA) or plain.lstrip().startswith(_FORMULA) else plain


def csv_of(report: Report) -> str:
    """Write one line for every file."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in report.rows:
        writer.writerow([_cell(value) for value in _values(row)])
    return stream.getvalue()


def _values(row: Row) -> list[object]:
    masters = [row.masters.get(place) for place in ("dark", "flat", "bias")]
    return [
        row.label, str(row.status), row.reason, row.kind, *(row.facts.get(name) for name in FACTS),
        *(row.numbers.get(name) for name in NUMBERS), *masters, row.outputs.get("light") or row.outputs.get("master"),
        "; ".join(row.notes), round(sum(row.seconds.values()), 2),
    ]  # fmt: skip


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.7g}" if math.isfinite(value) else ""
    return safe(value) if isinstance(value, str) else str(value)


def json_of(report: Report) -> str:
    """Write everything."""
    return json.dumps(plain(report.told()), indent=1, allow_nan=False) + "\n"


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Replace numbers JSON does not know by None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

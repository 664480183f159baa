"""Targets whose lights lie far apart: which lights belong to which panel of a mosaic; pure."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pictor.cli.processing.coadds import target_of
from pictor.cli.processing.rows import Row, Status

LARGEST = 9.0
"""A common grid may have so many times the pixels of the largest light: beyond, fields lie side by side."""

NEAR = 0.5
"""Lights whose centres are nearer than this part of the shorter side of their field belong to one panel."""

UNKNOWN = "not solved, and the lights of its target lie far apart: its panel is not known"


@dataclass(frozen=True, slots=True)
class Field:
    """Where a solved light looks, and how large its field is; in degrees."""

    ra: float
    dec: float
    width: float
    height: float

    def apart(self, other: "Field") -> float:
        """Give the distance of two centres, in degrees."""
        from pictor.imaging.astrometry.geometry import separation  # the parent plans without numpy; mosaics are few

        return separation((self.ra, self.dec), (other.ra, other.dec))


def field_of(row: Row) -> Field | None:
    """Give the field of a solved light; None of one that is not solved."""
    told = row.numbers
    if told.get("ra_deg") is None or told.get("dec_deg") is None or not told.get("scale_arcsec"):
        return None
    scale = float(told["scale_arcsec"]) / 3600
    sides = (float(row.facts.get(name) or 0) * scale for name in ("width", "height"))
    return Field(float(told["ra_deg"]), float(told["dec_deg"]), *sides)


def number_panels(rows: Iterable[Row]) -> None:
    """Tell the panels of every target that is too wide for one coadd, with numbers in the order they were begun.

    Parameters
    ----------
    rows
        Every file; lights of a mosaic get the fact ``panel``, those of it that are not solved are skipped.
    """
    targets: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.kind == "light" and row.status is Status.OK and row.numbers:
            targets[re.sub(r"[\W_]+", "", target_of(row).casefold())].append(row)
    for members in targets.values():
        members.sort(key=lambda row: (str(row.facts.get("start_utc")), row.label))
        fields = [(row, field_of(row)) for row in members]
        solved = [(row, field) for row, field in fields if field is not None]
        if not too_wide([field for _, field in solved]):
            continue
        for (row, _), panel in zip(solved, panels_of([field for _, field in solved]), strict=True):
            row.facts["panel"] = panel
        for row, field in fields:
            if field is None:
                row.skip(UNKNOWN)


def too_wide(fields: Sequence[Field]) -> bool:
    """Tell whether one grid for all would have more pixels than `place` allows."""
    if not fields:
        return False
    first = max(fields, key=lambda field: field.width * field.height)
    cosine = math.cos(math.radians(first.dec))
    places = [(math.remainder(field.ra - first.ra, 360.0) * cosine, field.dec) for field in fields]
    spans = (max(one) - min(one) for one in zip(*places, strict=True))
    width, height = (span + side for span, side in zip(spans, (first.width, first.height), strict=True))
    return bool(width * height > LARGEST * first.width * first.height)


def panels_of(fields: Sequence[Field]) -> list[int]:
    """Tell the panel of every field, from 1 in the order they appear: what is near a field, or near a near one, is one.

    Parameters
    ----------
    fields
        Where the lights look.
    """
    panels: list[int] = [0] * len(fields)
    count = 0
    for start in range(len(fields)):
        if panels[start]:
            continue
        count += 1
        waiting = [start]
        while waiting:
            here = waiting.pop()
            panels[here] = count
            mine = fields[here]
            for other, field in enumerate(fields):
                reach = NEAR * min(mine.width, mine.height, field.width, field.height)
                if not panels[other] and mine.apart(field) < reach:
                    panels[other] = count
                    waiting.append(other)
    return panels

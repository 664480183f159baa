"""Quality of frames in files as rows that are told, graded, written and read again."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pictor.cli.stages.running import Told, finite
from pictor.cli.stages.stars import How, egain_of
from pictor.imaging.frame import Frame
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.of_frame import claimed_scale, describe_header
from pictor.imaging.products import Input
from pictor.imaging.quality.frames import quality_of
from pictor.imaging.quality.grading import PICTOR_RULES, RULES, Metrics
from pictor.imaging.quality.sets import Candidate, Like, grade_frames
from pictor.imaging.stars.measuring import measure_frame
from pictor.imaging.stars.tables import csv_text
from pictor.runtime.version import SOFTWARE

KIND = "pictor-quality"
"""What a written document calls itself."""

_CSV_LEFT_OUT = ("field",)


def measure_file(path: Path, how: How) -> Told:
    """Measure one frame: what it is, its metrics, and what they were measured of.

    Raises
    ------
    ImagingError
        If the file is no frame that can be measured.
    """
    frame = Frame.from_fits(path)
    described = describe_header(frame.header, name=path.name)
    return measure_loaded(frame, described, Input.of(path), how)


def measure_loaded(frame: Frame, described: FrameDescription, source: Input, how: How) -> Told:
    """Measure a frame that is in memory."""
    found = measure_frame(frame, threshold=how.threshold, saturation=how.saturation, bayer=how.pattern)
    quality = asdict(quality_of(found, egain=egain_of(described, frame.unit)))
    field = quality.pop("field")
    flat = {**quality, "tilt": field["tilt"], "curvature": field["curvature"]}
    told: Told = finite(
        {
            "file": source.name,
            "sha256": source.sha256,
            "frame_type": described.frame_type,
            "target": described.target_name,
            "telescope": described.telescope,
            "camera": described.camera,
            "filter": described.filter,
            "exposure_s": described.exposure_s,
            "start_utc": described.start_utc,
            "unit": frame.unit,
            "scale_arcsec": claimed_scale(described),
            "metrics": {**flat, "field": field},
            "cautions": list(found.cautions),
        }
    )
    return told


def graded(rows: Sequence[Told], rules: str = PICTOR_RULES.name) -> list[Told]:
    """Add the grade of every row among the others."""
    verdicts = grade_frames([candidate(row) for row in rows], RULES[rules])
    return [{**row, "grade": finite(asdict(verdict))} for row, verdict in zip(rows, verdicts, strict=True)]


def candidate(row: Mapping[str, Any]) -> Candidate:
    """Make what grading takes of a row."""
    rig = [text for text in (row.get("telescope"), row.get("camera")) if text]
    like = Like("/".join(rig) or None, row.get("target"), row.get("filter"), row.get("exposure_s"))
    return Candidate(
        like, Metrics.of({**row["metrics"], "scale_arcsec": row.get("scale_arcsec")}), row.get("start_utc")
    )


def document(rows: Sequence[Told]) -> Told:
    """Make the document that is written: what made it, then the frames."""
    return {"kind": KIND, "version": 1, "software": SOFTWARE, "frames": list(rows)}


def csv_of(rows: Sequence[Told]) -> str:
    """Write rows as CSV: what each frame is, its grade, and one column per metric."""
    names = list(dict.fromkeys(name for row in rows for name in row["metrics"] if name not in _CSV_LEFT_OUT))
    first = ("file", "sha256", "target", "telescope", "camera", "filter", "exposure_s", "start_utc", "unit")
    head = [*first, "grade", "rejected", "reasons", *names, "rules", "software"]
    lines = [
        [
            *(row.get(name) for name in first),
            row["grade"]["letter"],
            int(row["grade"]["rejected"]),
            "; ".join(row["grade"]["reasons"]),
            *(row["metrics"].get(name) for name in names),
            row["grade"]["rules"],
            SOFTWARE,
        ]
        for row in rows
    ]
    return csv_text(head, lines)


def yaml_of(told: Told) -> str:
    """Write a document as YAML."""
    import yaml

    out = io.StringIO()
    yaml.safe_dump(told, out, sort_keys=False, allow_unicode=True)
    return out.getvalue()

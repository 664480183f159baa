"""What became of every file, as the report tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What became of a file."""

    OK = "OK"
    SKIP = "SKIP"
    ERROR = "ERROR"


@dataclass(slots=True)
class Row:
    """One file of the folder.

    Parameters
    ----------
    label
        Path below the folder.
    kind
        Frame type, ``master dark`` and so on for ready masters; None where the file was not read.
    status, reason
        What became of it, and why in a sentence; empty where it was simply used.
    notes
        Sentences about what was done.
    facts
        What the header says: target, filter, exposure_s, start_utc, rig, temperature_c, width, height.
    numbers
        What was measured, None where unknown.
    masters
        Names of the masters applied, by place.
    outputs
        Files made of it, below the output folder.
    seconds
        Time of every stage.
    """

    label: str
    kind: str | None = None
    status: Status = Status.OK
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    masters: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def skip(self, why: str) -> None:
        """Leave it out, unless something worse happened to it."""
        if self.status is not Status.ERROR:
            self.status, self.reason = Status.SKIP, why

    def fail(self, why: str) -> None:
        """Say what went wrong."""
        self.status, self.reason = Status.ERROR, why


NOT_MADE_BY_FAULT = "failed"
"""Verdict of a master or map whose step failed, not its frames."""


@dataclass(slots=True)
class MasterRow:
    """One master: made in this run or found ready."""

    name: str
    kind: str
    verdict: str
    frames: int
    made: bool
    facts: dict[str, Any] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    note: str = ""
    path: str | None = None
    used_by: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class CoaddRow:
    """One coadded or composed picture."""

    name: str
    kind: str
    target: str
    filter: str
    status: Status = Status.OK
    reason: str = ""
    frames: int = 0
    exposure_s: float | None = None
    rig: str = ""
    channel: int | None = None
    numbers: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """Everything one run tells."""

    folder: str
    out: str
    software: str
    settings: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    masters: list[MasterRow] = field(default_factory=list)
    coadds: list[CoaddRow] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    others: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    reused: int = 0
    stopped: str = ""
    stale: list[str] = field(default_factory=list)
    """Products of earlier runs that this one did not make or use."""

    pruned: bool = False
    """Whether these were removed."""

    def count(self, status: Status) -> int:
        """Count files by what became of them."""
        return sum(row.status is status for row in self.rows)

    @property
    def failed(self) -> bool:
        """Whether anything ended as an error."""
        ended = {*(row.status for row in self.rows), *(coadd.status for coadd in self.coadds)}
        return Status.ERROR in ended or any(master.verdict == NOT_MADE_BY_FAULT for master in self.masters)

    def told(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {**asdict(self), "counts": {str(status): self.count(status) for status in Status}}


LIGHT_FACTS = ("target", "filter", "exposure_s", "start_utc", "rig", "temperature_c", "width", "height")


def facts_of(description: Mapping[str, Any], rig: str) -> dict[str, Any]:
    """Take from a header what the report tells of every file."""
    temperature = description.get("set_temp_c")
    return {
        "target": description.get("target_name"), "filter": description.get("filter"),
        "exposure_s": description.get("exposure_s"), "start_utc": description.get("start_utc"), "rig": rig,
        "temperature_c": description.get("ccd_temp_c") if temperature is None else temperature,
        "width": description.get("width"), "height": description.get("height"),
        "target_ra_deg": description.get("target_ra_deg"), "target_dec_deg": description.get("target_dec_deg"),
        "bayer": description.get("bayer"),
    }  # fmt: skip


def numbers_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Take from what was measured and solved the numbers of the table."""
    quality, solution = told["quality"], told["solution"] or {}
    scale, fwhm = solution.get("scale_arcsec"), quality.get("fwhm_px")
    return {
        "star_count": quality.get("star_count"), "fwhm_px": fwhm,
        "fwhm_arcsec": None if scale is None or fwhm is None else fwhm * scale,
        "hfr_px": quality.get("hfr_px"), "eccentricity": quality.get("eccentricity"),
        "background_adu": quality.get("background_adu"), "noise_adu": quality.get("noise_adu"),
        "saturated_fraction": quality.get("saturated_fraction"), "trail_count": quality.get("trail_count"),
        "repeated_fraction": quality.get("repeated_fraction"), "pattern_noise": quality.get("pattern_noise"),
        "non_finite_fraction": quality.get("non_finite_fraction"), "elongation_deg": quality.get("elongation_deg"),
        "scale_arcsec": scale, "pa_deg": solution.get("pa_deg"), "ra_deg": solution.get("ra_deg"),
        "dec_deg": solution.get("dec_deg"), "target_offset_arcsec": solution.get("target_offset_arcsec"),
        "matched": solution.get("matched"), "rms_arcsec": solution.get("rms_arcsec"),
        "zero_point_mag": (told["photometry"] or {}).get("zero_point_mag"),
    }  # fmt: skip


def by_label(rows: Sequence[Row]) -> dict[str, Row]:
    """Find rows by their label."""
    return {row.label: row for row in rows}

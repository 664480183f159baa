"""What became of every frame of the demo, and whether that is what the truth says."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import httpx
from rich.box import HEAVY_HEAD
from rich.table import Table

from pictor.cli.demo_calibration import Shown
from pictor.cli.upload import Sent

TOLERANCE_ARCSEC = 5.0
"""A centre counts as right within one pixel or this, whichever is larger."""

GOOD = frozenset({"A", "B"})
BAD = frozenset({"C", "D"})

REASON_WORDS = {
    "clouds": ("cloud", "star", "transparen", "background"),
    "trailed": ("trail", "elongat", "eccentric"),
    "too-few-stars": ("star",),
}
"""Words one of which must stand in the reasons of a bad frame."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table."""

    file: str
    type: str
    filter: str | None
    state: str
    stars: int | None
    fwhm_px: float | None
    eccentricity: float | None
    grade: str | None
    solved: str | None
    offset_arcsec: float | None
    master: str
    complaint: str | None

    @property
    def ok(self) -> bool:
        """Whether the frame ended as the truth says."""
        return self.complaint is None


def judge(client: httpx.Client, truth: dict[str, Any], sent: Sent) -> Outcome:
    """Ask the gateway what became of a frame and compare it with the truth."""
    expected = truth["expected"]
    if expected["state"] == "duplicate":
        wrong = None if sent.outcome == "duplicate" else f"a second upload of the same bytes was {sent.outcome}"
        return _line(truth, {}, state="duplicate", complaint=wrong)
    if expected["state"] == "refused":
        wrong = None if sent.outcome == "refused" else f"a broken file was {sent.outcome}"
        return _line(truth, {}, state="refused", complaint=wrong)
    if sent.frame_id is None:
        return _line(truth, {}, state=sent.outcome, complaint=f"the upload was {sent.outcome}: {sent.detail}")
    frame = client.get(f"/frames/{sent.frame_id}").raise_for_status().json()
    complaints = [*_registered(truth, frame), *(_light(truth, frame) if truth["type"] == "LIGHT" else [])]
    return _line(truth, frame, state=frame["status"] or frame["state"], complaint="; ".join(complaints) or None)


def _registered(truth: dict[str, Any], frame: dict[str, Any]) -> list[str]:
    found = []
    if frame["state"] != "registered":
        found.append(f"its state is {frame['state']}: {frame['message']}")
    if (frame["frame_type"] or "").upper() != truth["type"]:
        found.append(f"its type was read as {frame['frame_type']}")
    if truth["type"] != "LIGHT" and frame["status"] != "completed":
        found.append(f"its job {frame['status']}")
    return found


def _light(truth: dict[str, Any], frame: dict[str, Any]) -> list[str]:
    expected, found = truth["expected"], []
    solution = frame["solution"]
    if expected["solved"] is True and solution is None:
        found.append("it was not solved")
    if expected["solved"] is False and solution is not None:
        found.append("it was solved, although it shows no sky")
    if solution is not None:
        offset = offset_arcsec(truth, solution)
        if offset > max(TOLERANCE_ARCSEC, truth["wcs"]["scale_arcsec"]):
            found.append(f"the solved centre is {offset:.1f} arcsec off")
    letter = (frame["grading"] or {}).get("letter")
    if letter not in (GOOD if expected["grade"] == "good" else BAD):
        found.append(f"it was graded {letter}, {expected['grade']} is expected")
    found += _calibrated(expected, frame["calibration"])
    reasons = " ".join((frame["grading"] or {}).get("reasons", [])).lower()
    words = REASON_WORDS.get(expected["reason"] or "", ())
    if words and not any(word in reasons for word in words):
        found.append(f"its grade does not say why: {reasons or 'no reason'}")
    return found


def _calibrated(expected: dict[str, Any], used: dict[str, Any] | None) -> list[str]:
    """Compare the masters a light was measured with with whether it should have any."""
    if used is None or expected.get("calibrated") is None:
        return []
    got = {kind: used[f"{kind}_id"] is not None for kind in ("dark", "flat")}
    wrong = [kind for kind, has in got.items() if has is not expected["calibrated"]]
    return [f"its {kind}: {used['explanation'][kind]['reason']}" for kind in wrong]


def offset_arcsec(truth: dict[str, Any], solution: dict[str, Any]) -> float:
    """Return the distance of a solved centre from the true one."""
    ra1, dec1 = math.radians(truth["wcs"]["center_ra_deg"]), math.radians(truth["wcs"]["center_dec_deg"])
    ra2, dec2 = math.radians(solution["ra_deg"]), math.radians(solution["dec_deg"])
    half = math.sin((dec2 - dec1) / 2) ** 2 + math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    return math.degrees(2 * math.asin(math.sqrt(half))) * 3600


def _line(truth: dict[str, Any], frame: dict[str, Any], *, state: str, complaint: str | None) -> Outcome:
    quality, solution = frame.get("quality") or {}, frame.get("solution")
    return Outcome(
        file=truth["file"], type=truth["type"], filter=truth["filter"], state=state,
        stars=quality.get("star_count"), fwhm_px=quality.get("fwhm_px"), eccentricity=quality.get("eccentricity"),
        grade=(frame.get("grading") or {}).get("letter"),
        solved=f"{solution['ra_deg']:.4f} {solution['dec_deg']:+.4f}" if solution else _why_unsolved(frame),
        offset_arcsec=offset_arcsec(truth, solution) if solution else None,
        master=_masters(frame), complaint=complaint,
    )  # fmt: skip


def _why_unsolved(frame: dict[str, Any]) -> str | None:
    for run in frame.get("timeline", []):
        if run["module"] == "astrometry" and run["state"] != "completed":
            return f"no: {run['reason']}"
    return None


def _masters(frame: dict[str, Any]) -> str:
    used = frame.get("calibration")
    if not used:
        return frame.get("message") or ""
    parts = []
    for kind in ("dark", "flat"):
        reason = used["explanation"][kind]["reason"]
        parts.append(reason.replace("master ", "") if used[f"{kind}_id"] else f"{kind}: {reason}")
    return "; ".join(parts)


def table_of(outcomes: list[Outcome], *, wide: bool) -> Table:
    """Draw the table; calibration frames of one set share a line when all went well.

    A narrow terminal gets the masters from ``masters_of`` below it.
    """
    table = Table(title="The sample night", box=None if not wide else HEAVY_HEAD, pad_edge=False)
    for name in ("frame", "type", "filter", "state", "grade"):
        table.add_column(name, overflow="fold")
    for name in ("stars", "FWHM", "ecc."):
        table.add_column(name, justify="right")
    for name in ("solved (RA Dec)", 'off "', "true"):
        table.add_column(name, overflow="fold")
    if wide:
        table.add_column("master used, or why not", overflow="fold")
    for one in _gathered(outcomes):
        row = [
            one.file.removesuffix(".fits"), one.type, one.filter or "", one.state, one.grade or "",
            _number(one.stars, 0), _number(one.fwhm_px, 2), _number(one.eccentricity, 2), one.solved or "",
            _number(one.offset_arcsec, 2), "yes" if one.ok else "NO",
        ]  # fmt: skip
        table.add_row(*row, *([one.master] if wide else []))
    return table


def masters_of(outcomes: list[Outcome]) -> list[str]:
    """Say in lines which masters were used or why not, for a terminal too narrow for the column."""
    users: dict[str, list[str]] = {}
    for one in outcomes:
        if one.master:
            users.setdefault(one.master, []).append(one.file.removesuffix(".fits"))
    return [f"{', '.join(names)}: {master}" for master, names in users.items()]


def _gathered(outcomes: list[Outcome]) -> list[Outcome]:
    """Let the calibration frames of one set that all went well share a line."""
    lines: list[Outcome] = []
    sets: dict[str, list[Outcome]] = {}
    for one in outcomes:
        if one.type == "LIGHT" or not one.ok:
            lines.append(one)
        else:
            sets.setdefault(one.file.rpartition("_")[0], []).append(one)
    return lines + [replace(members[0], file=f"{name}_* ({len(members)} frames)") for name, members in sets.items()]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def report_of(outcomes: list[Outcome], elapsed_s: float, library: Sequence[Shown] = ()) -> dict[str, Any]:
    """Return the report as JSON values."""
    return {
        "ok": all(outcome.ok for outcome in outcomes) and all(shown.ok for shown in library),
        "elapsed_s": round(elapsed_s, 1),
        "frames": [{**asdict(outcome), "ok": outcome.ok} for outcome in outcomes],
        "calibration": [{**asdict(shown), "ok": shown.ok} for shown in library],
    }

"""Tables of a summary: a line per frame, a line per set, and the text for the terminal."""

from collections.abc import Sequence

from pictor.cli.stages.running import Told
from pictor.imaging.quality.rejection import Scatter, middle_and_sigma, number
from pictor.imaging.stars.tables import csv_text
from pictor.runtime.version import SOFTWARE

_OF_SET = ("star_count", "fwhm_px", "hfr_px", "eccentricity", "background_adu", "noise_adu")
_FIRST = (
    "set", "file", "status", "target", "telescope", "camera", "filter", "exposure_s", "start_utc", "unit",
)  # fmt: skip


def frames_csv(frames: Sequence[Told]) -> str:
    """Write a line per frame: what it is, its status with reasons, its grade, its metrics, and what they rest on."""
    names = [name for name in dict.fromkeys(name for row in frames for name in row["metrics"]) if name != "field"]
    head = [*_FIRST, "reasons", "grade", "grade_reasons", *names, "sha256", "rules", "software"]
    lines = [
        [
            *(row.get(name) for name in _FIRST),
            "; ".join(row["reasons"]),
            row["grade"]["letter"],
            "; ".join(row["grade"]["reasons"]),
            *(row["metrics"].get(name) for name in names),
            row["sha256"],
            row["rejected_by"],
            SOFTWARE,
        ]
        for row in frames
    ]
    return csv_text(head, lines)


def set_rows(frames: Sequence[Told]) -> list[Told]:
    """Sum up every set: frames, accepted ones and their exposure, median and robust scatter of their metrics."""
    rows = []
    for name in dict.fromkeys(row["set"] for row in frames):
        members = [row for row in frames if row["set"] == name]
        good = [row for row in members if row["status"] == "accepted"]
        told: Told = {
            "set": name,
            "frames": len(members),
            "accepted": len(good),
            "rejected": len(members) - len(good),
            "accepted_exposure_s": sum(row["exposure_s"] or 0.0 for row in good),
        }
        for metric in _OF_SET:
            values = [value for row in good if (value := number(row["metrics"].get(metric))) is not None]
            middle, sigma = middle_and_sigma(values, Scatter.ROBUST) if values else (None, None)
            told |= {metric: middle, f"{metric}_sigma": sigma}
        rows.append(told)
    return rows


def sets_csv(sets: Sequence[Told]) -> str:
    """Write a line per set."""
    head = list(sets[0]) if sets else ["set"]
    return csv_text([*head, "software"], [[*(row[name] for name in head), SOFTWARE] for row in sets])


def text_of(told: Told) -> str:
    """Show a summary as text: every rejected frame with its reasons, then the sets."""
    rejected = [row for row in told["frames"] if row["status"] == "rejected"]
    lines = [f"rejected {row['input']}: {'; '.join(row['reasons'])}" for row in rejected]
    for one in told["sets"]:
        width = "-" if one["fwhm_px"] is None else f"{one['fwhm_px']:.2f}"
        stars = "-" if one["star_count"] is None else f"{one['star_count']:.0f}"
        lines.append(
            f"{one['set']}: {one['accepted']} of {one['frames']} frames accepted, {one['accepted_exposure_s']:g} s, "
            f"{stars} stars, FWHM {width} px"
        )
    skipped = [one for one in told["left_out"] if not one["refused"]]
    if skipped:
        lines.append(f"{len(skipped)} files were left out: no lights, or lights that are there twice")
    lines += [f"wrote {path}" for path in told["output"].values()]
    return "\n".join(lines)

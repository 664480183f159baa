"""Fourth stage: lights are graded beside the others of their group; what the rules reject is left out of coadds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pictor.cli.processing.rows import Row, Status
from pictor.imaging.quality.grading import RULES, Baseline, Metrics, Verdict, grade


def grade_lights(rows: Iterable[Row], rules: str) -> None:
    """Grade the lights that were measured, in two rounds: what the first rejects is no standard for the second.

    Parameters
    ----------
    rows
        Every file; lights with numbers get ``grade`` and ``grade_reasons``, and rejected ones are skipped.
    rules
        Name of a rule set.
    """
    lights = [row for row in rows if row.numbers and row.kind in {"light", "snapshot"}]
    first = graded(lights, lights, rules)
    accepted = [row for row in lights if not first[row.label].rejected and row.status is Status.OK]
    for label, verdict in graded(lights, accepted, rules).items():
        row = next(one for one in lights if one.label == label)
        row.facts |= {"grade": verdict.letter, "grade_reasons": list(verdict.reasons), "rejected": verdict.rejected}
        if verdict.rejected and row.status is Status.OK:
            row.skip(f"rejected by the rules {rules!r}: {'; '.join(verdict.reasons)}")


def graded(lights: Sequence[Row], standard: Sequence[Row], rules: str) -> Mapping[str, Verdict]:
    """Grade lights against accepted ones: of the same rig, target, filter and exposure, and of the rig's filter."""
    alike: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    of_rig: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in sorted(standard, key=lambda one: (str(one.facts.get("start_utc")), one.label)):
        alike[group_of(row)].append(row)
        of_rig[rig_of(row)].append(row)
    return {row.label: _graded(row, alike[group_of(row)], of_rig[rig_of(row)], rules) for row in lights}


def _graded(row: Row, alike: Sequence[Row], of_rig: Sequence[Row], rules: str) -> Verdict:
    same, rig = (Baseline(tuple(Metrics.of(one.numbers) for one in rows if one is not row)) for rows in (alike, of_rig))
    return grade(Metrics.of(row.numbers), same, RULES[rules], rig=rig)


def group_of(row: Row) -> tuple[object, ...]:
    """Give what must be equal for lights to be compared."""
    return (*rig_of(row), str(row.facts.get("target") or "").casefold())


def rig_of(row: Row) -> tuple[object, ...]:
    """Give rig, size, filter and exposure."""
    return tuple(row.facts.get(name) for name in ("rig", "width", "height", "filter", "exposure_s"))

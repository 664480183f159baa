"""Fourth stage: lights are graded beside the others of their group; what the rules reject is left out of coadds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pictor.cli.processing.rows import Row, Status
from pictor.imaging.quality.grading import Baseline, Metrics, Verdict, grade
from pictor.imaging.quality.rejection import RuleSet, reject


def grade_lights(rows: Iterable[Row], rules: RuleSet | None = None) -> None:
    """Grade the lights that were measured, in two rounds: what the first rejects is no standard for the second.

    Parameters
    ----------
    rows
        Every file; lights with numbers get ``grade`` and ``grade_reasons``, and rejected ones are skipped.
    rules
        Rules that reject instead of grade D.
    """
    lights = [row for row in rows if row.numbers and row.kind in {"light", "snapshot"}]
    first = graded(lights, lights)
    accepted = [row for row in lights if not first[row.label].rejected and row.status is Status.OK]
    verdicts = graded(lights, accepted)
    found = {row.label: verdicts[row.label].reasons for row in lights if verdicts[row.label].rejected}
    if rules is not None:
        found = by_rules(lights, rules)
    for row in lights:
        verdict = verdicts[row.label]
        row.facts |= {"grade": verdict.letter, "grade_reasons": list(verdict.reasons)}
        why = found.get(row.label)
        if why and row.status is Status.OK:
            named = "grade D" if rules is None else f"the rules {rules.name!r}"
            row.skip(f"rejected by {named}: {'; '.join(why)}")


def by_rules(lights: Sequence[Row], rules: RuleSet) -> dict[str, tuple[str, ...]]:
    """Try the rules of a file on every set of lights; give the reasons of the rejected ones by label."""
    sets: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in sorted(lights, key=lambda one: (str(one.facts.get("start_utc")), one.label)):
        if row.status is Status.OK:
            sets[group_of(row)].append(row)
    found: dict[str, tuple[str, ...]] = {}
    for members in sets.values():
        told = reject([_known(row) for row in members], rules)
        found |= {row.label: why for row, why in zip(members, told, strict=True) if why}
    return found


def _known(row: Row) -> dict[str, float | None]:
    return {name: None if value is None else float(value) for name, value in row.numbers.items()}


def graded(lights: Sequence[Row], standard: Sequence[Row]) -> Mapping[str, Verdict]:
    """Grade lights against accepted ones: of the same rig, target, filter and exposure, and of the rig's filter."""
    alike: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    of_rig: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in sorted(standard, key=lambda one: (str(one.facts.get("start_utc")), one.label)):
        alike[group_of(row)].append(row)
        of_rig[rig_of(row)].append(row)
    return {row.label: _graded(row, alike[group_of(row)], of_rig[rig_of(row)]) for row in lights}


def _graded(row: Row, alike: Sequence[Row], of_rig: Sequence[Row]) -> Verdict:
    same, rig = (Baseline(tuple(Metrics.of(one.numbers) for one in rows if one is not row)) for rows in (alike, of_rig))
    return grade(Metrics.of(row.numbers), same, rig=rig)


def group_of(row: Row) -> tuple[object, ...]:
    """Give what must be equal for lights to be compared."""
    return (*rig_of(row), str(row.facts.get("target") or "").casefold())


def rig_of(row: Row) -> tuple[object, ...]:
    """Give rig, size, filter and exposure."""
    return tuple(row.facts.get(name) for name in ("rig", "width", "height", "filter", "exposure_s"))

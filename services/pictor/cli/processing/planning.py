"""What a run would do, told before it: the masters that would be made, and what every light would get of them."""

import asyncio
import json as jsonlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import copyfile

from rich.console import Console

from pictor.cli.processing.choosing import choose, common_times, dark_of_flats, expected_master, master_names
from pictor.cli.processing.coadds import coadd_groups
from pictor.cli.processing.crew import Crew
from pictor.cli.processing.finding import JOURNAL
from pictor.cli.processing.journal import Journal
from pictor.cli.processing.mastering import ALONE, ORDER
from pictor.cli.processing.reading import look, read_all
from pictor.cli.processing.rows import Report, Row, Status
from pictor.cli.processing.run import Run, Wish, showing
from pictor.cli.processing.seen import Seen
from pictor.cli.processing.sorting import Sorted, sort, with_names_of
from pictor.cli.telling import tell
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.version import SOFTWARE


@dataclass(frozen=True, slots=True)
class PlannedMaster:
    """A master that would be made, or why not."""

    name: str
    kind: str
    frames: int
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class PlannedLights:
    """Lights that would get the same masters."""

    target: str
    filter: str
    count: int
    masters: Mapping[str, str]
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, if every master passes its gate and no light is rejected."""

    masters: tuple[PlannedMaster, ...] = ()
    ready: tuple[str, ...] = ()
    lights: tuple[PlannedLights, ...] = ()
    coadds: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    errors: tuple[tuple[str, str], ...] = field(default=())


def plan(files: Sorted, policy: Policy) -> Plan:
    """Plan a run over sorted files; nothing is read or written."""
    made, available = _masters(files, policy)
    lights = _lights(files.lights, available, policy)
    twins = {label for label, _ in files.twins}
    rows = [_row(one) for one in files.lights if one.label not in twins]
    groups = coadd_groups(rows, names=policy.filters)
    coadds = tuple(f"{group.name}: {len(group.members)} lights" for group in groups)
    ready = tuple(one.label for one in files.masters)
    left_out = (*files.left_out, *((label, f"the same exposure as {other}") for label, other in files.twins))
    return Plan(tuple(made), ready, tuple(lights), coadds, left_out)


def _masters(files: Sorted, policy: Policy) -> tuple[list[PlannedMaster], list[MasterFrame]]:
    """Plan the masters, kind after kind: flats need a dark that is there or would be made."""
    available = [one.master for one in files.masters if one.master is not None]
    names = dict(zip([id(group) for group in files.groups], master_names(files.groups), strict=True))
    made = []
    for kinds in ORDER:
        for group in (group for group in files.groups if group.key.frame_type in kinds):
            name, why = names[id(group)], ALONE if len(group.members) < 2 else ""
            if not why and group.key.frame_type is FrameType.FLAT:
                found = dark_of_flats(group, available, policy)
                why = "" if found.master is not None else f"flats need a dark of their exposure: {found.reason}"
            made.append(PlannedMaster(name, str(group.key.frame_type), len(group.members), why))
            if not why:
                available.append(expected_master(group, name))
    return made, available


def _lights(lights: Sequence[Seen], masters: Sequence[MasterFrame], policy: Policy) -> list[PlannedLights]:
    times = common_times(lights, policy)
    counted = Counter[tuple[str, str, tuple[tuple[str, str], ...], tuple[str, ...]]]()
    for light in lights:
        choice = choose(light, masters, policy, at=times[light.label])
        told = light.description
        chosen = tuple(sorted(choice.masters.items()))
        key = (str(told.get("target_name") or ""), str(told.get("filter") or ""), chosen, choice.why)
        counted[key] += 1
    return [
        PlannedLights(target, of_filter, count, dict(chosen), why)
        for (target, of_filter, chosen, why), count in counted.items()
    ]


def _row(light: Seen) -> Row:
    from pictor.cli.processing.rows import facts_of

    return Row(light.label, light.kind, facts=facts_of(light.description, light.rig), numbers={"planned": True})


def show(wish: Wish, *, json: bool) -> int:
    """Print the plan of a folder; nothing is written. Files that an earlier run into OUT read are known."""
    console = Console(stderr=True)
    with scratch_folder() as folder:
        with suppress(OSError):
            copyfile(wish.out / JOURNAL, folder / JOURNAL)
        report, seen = asyncio.run(_read(wish, folder, console))
    policy = with_names_of(wish.policy, seen)
    planned = plan(sort(seen, policy), policy)
    errors = tuple((row.label, row.reason) for row in report.rows if row.status is Status.ERROR)
    skipped = tuple((row.label, row.reason) for row in report.rows if row.status is Status.SKIP)
    planned = Plan(
        planned.masters, planned.ready, planned.lights, planned.coadds, (*planned.left_out, *skipped), errors
    )
    if json:
        tell(jsonlib.dumps(asdict(planned), indent=2))
    else:
        tell("\n".join(lines_of(planned)))
    return 1 if errors else 0


async def _read(wish: Wish, folder: Path, console: Console) -> tuple[Report, list[Seen]]:
    report = Report(str(wish.folder), str(wish.out), SOFTWARE)
    with Journal(folder) as journal, showing(console) as progress:
        crew = Crew(journal, jobs=wish.jobs, seconds=wish.frame_seconds)
        async with crew:
            seen = await read_all(Run(wish, crew, report, progress), look(wish))
    return report, seen


def lines_of(planned: Plan) -> list[str]:
    """Tell a plan line by line."""
    lines = [f"ready master {name}" for name in planned.ready]
    for one in planned.masters:
        became = f"not made: {one.why_not}" if one.why_not else f"of {one.frames} frames"
        lines += [f"{one.name}: {became}"]
    for group in planned.lights:
        got = ", ".join(f"{place} {name}" for place, name in group.masters.items()) or "; ".join(group.why)
        lines.append(f"{group.count} lights {group.target or 'without target'} {group.filter}: {got}")
    lines += [f"coadd {name}" for name in planned.coadds]
    lines += [f"SKIP {label}: {why}" for label, why in planned.left_out]
    return [*lines, *(f"ERROR {label}: {why}" for label, why in planned.errors)]

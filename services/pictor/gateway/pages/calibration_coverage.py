"""Which masters each camera mode has at each temperature, and which it lacks: a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pictor.contracts.masters import MasterState
from pictor.gateway.pages.calibration_groups import camera_of, mode_of
from pictor.gateway.pages.calibration_standing import standing
from pictor.imaging.matching.policy import Policy
from pictor.state.groups import Note
from pictor.state.shelves import ActiveMaster

KINDS = ("bias", "dark", "flat-dark", "flat")


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the table."""

    word: str
    text: str
    title: str
    master_id: UUID | None = None


@dataclass(slots=True)
class Table:
    """One camera mode: temperatures down, what may be needed across."""

    camera: str
    mode: str
    columns: list[tuple[str, str]] = field(default_factory=list)
    cells: dict[float | None, dict[tuple[str, str], list[Cell]]] = field(default_factory=dict)

    def put(self, facts: Mapping[str, Any], cell: Cell, tolerance: float) -> None:
        """Add a cell; temperatures within the tolerance share a row."""
        column = column_of(facts)
        if column not in self.columns:
            self.columns.append(column)
        row = self._row(facts.get("temp_c"), tolerance)
        place = self.cells.setdefault(row, {}).setdefault(column, [])
        if not place or cell.word != "missing":
            place.append(cell)

    def _row(self, temp_c: float | None, tolerance: float) -> float | None:
        near = [
            one for one in self.cells if one is not None and temp_c is not None and abs(one - temp_c) <= tolerance / 2
        ]
        return min(near, key=lambda one: abs(one - (temp_c or 0.0))) if near else temp_c


def column_of(facts: Mapping[str, Any]) -> tuple[str, str]:
    """Name the column of a group: its kind, and exposure or filter."""
    kind = str(facts.get("frame_type") or "")
    if kind == "flat":
        turned = facts.get("rotator_deg")
        return kind, str(facts.get("filter") or "no filter") + ("" if turned is None else f" {turned:.0f}°")
    exposure = facts.get("exposure_s")
    return kind, "" if exposure is None or kind == "bias" else f"{exposure:g} s"


def coverage(
    masters: Sequence[ActiveMaster], notes: Sequence[Note], policy: Policy, rigs: Mapping[str, str],
    missing: Sequence[Mapping[str, Any]] = (),
) -> list[Table]:  # fmt: skip
    """Lay active masters, waiting groups and what lights lack out as one table for each camera mode.

    Parameters
    ----------
    missing
        Facts of what lights need and no master covers, with a ``reason``.
    """
    tables: dict[str, Table] = {}
    called: dict[tuple[str, str | None], str | None] = {}

    def put(facts: Mapping[str, Any], cell: Cell) -> None:
        mode = facts.get("mode") or {}
        rig = str(mode.get("rig_id"))
        name = called.setdefault((rig, policy.filters.read(facts.get("filter"), rig)), facts.get("filter"))
        table = tables.setdefault(repr(sorted(mode.items())), Table(camera_of(mode, rigs), mode_of(mode)))
        table.put({**facts, "filter": name}, cell, policy.temperature_tolerance_c)

    for master in masters:
        now = standing(MasterState.ACTIVE, master.frame_type, master.aged_from, policy)
        put(master.facts, Cell(now.word, now.text.removeprefix("active, "), f"{master.ncombine} frames", master.id))
    has_master = {master.group_key for master in masters}
    for note in notes:
        if note.group_key not in has_master:
            deferred = note.decision == "defer"
            text = "waits for a dark" if deferred else f"{note.have} of {note.needed}"
            put(note.facts, Cell("deferred" if deferred else "growing", text, note.message))
    for facts in missing:
        put(facts, Cell("missing", "missing", str(facts.get("reason") or "no master matches")))
    return [_sorted(table) for table in sorted(tables.values(), key=lambda one: (one.camera, one.mode))]


def _sorted(table: Table) -> Table:
    table.columns.sort(key=lambda column: (KINDS.index(column[0]) if column[0] in KINDS else 9, _number(column[1])))
    table.cells = dict(sorted(table.cells.items(), key=lambda row: (row[0] is None, row[0] or 0.0)))
    return table


def _number(text: str) -> tuple[float, str]:
    value = text.removesuffix(" s")
    try:
        return float(value), ""
    except ValueError:
        return 0.0, text

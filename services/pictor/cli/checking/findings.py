"""What a check found, for people and as JSON whose names do not change."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pictor.state.invariants import TOLD, Answer

SCHEMA = 1
"""Raised when a name in the JSON is removed or changes its meaning; names may be added."""

STATEMENTS = {
    "I1": "every accepted upload is registered and stored, byte for byte",
    "I2": "every object something refers to is there and whole",
    "I3": "no object lies in the store that nothing refers to",
    "I4": "one current result per frame, module and run",
    "I5": "no message waits in the outbox",
    "I6": "every open job waits for a named reason",
    "I7": "one active master per group, with its sources",
    "I8": "nothing belongs to two observatories",
    "I9": "nothing waits on the bus for ended jobs, dead letters are explained",
    "I10": "no lease, scratch folder or process is left behind",
    "I11": "the audit log is whole",
    "I12": "every product opens and its checksums hold",
}

SUBJECTS = ("frame", "job", "master", "key", "module")
EXIT_BROKEN, EXIT_UNCHECKED = 1, 2


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong: what, whose, what it means for the observer, and what mends it."""

    kind: str
    sentence: str
    meaning: str
    remedy: str
    repairable: bool = False
    subject: Mapping[str, str] = field(default_factory=dict)
    """Which frame, job, master, key or module."""


@dataclass(slots=True)
class Finding:
    """One invariant: who violates it, or why it could not be checked."""

    invariant: str
    violations: list[Violation] = field(default_factory=list)
    count: int = 0
    checked: int | None = None
    """How many things were looked at, where that is a number."""
    unchecked: str | None = None
    """Why it could not be checked."""
    skipped: str | None = None
    """Why it was not asked for."""

    @property
    def holds(self) -> bool | None:
        """Whether the invariant holds; None when nobody looked."""
        if self.count:
            return False
        return None if self.unchecked or self.skipped else True

    def add(self, violation: Violation) -> None:
        """Tell of one violation; beyond some they are only counted."""
        self.count += 1
        if len(self.violations) < TOLD:
            self.violations.append(violation)

    def take(self, answer: Answer) -> None:
        """Tell of everything a question found."""
        question = answer.question
        for offender in answer.offenders:
            subject = {name: str(offender[name]) for name in SUBJECTS if name in offender}
            remedy = question.remedy.replace("{frame}", subject.get("frame", "FRAME"))
            self.violations.append(
                Violation(
                    question.kind, str(offender["sentence"]), question.meaning, remedy, question.repairable, subject
                )
            )
        self.count += answer.count


@dataclass(slots=True)
class Report:
    """Everything a check found."""

    deep: bool
    findings: dict[str, Finding] = field(default_factory=lambda: {name: Finding(name) for name in STATEMENTS})
    counts: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[str, str, int]] = field(default_factory=list)
    parked: list[tuple[str, str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    audit_end: str = ""
    """Lines of the audit log and the digest of its end: kept elsewhere it proves that nothing was rewritten."""

    def __getitem__(self, invariant: str) -> Finding:
        return self.findings[invariant]

    @property
    def exit(self) -> int:
        """0 when all invariants hold, 1 when one is violated, 2 when one could not be checked."""
        if any(one.count for one in self.findings.values()):
            return EXIT_BROKEN
        return EXIT_UNCHECKED if any(one.unchecked for one in self.findings.values()) else 0

    def kinds(self) -> set[str]:
        """Return the kinds of all violations."""
        return {violation.kind for one in self.findings.values() for violation in one.violations}

    def as_json(self) -> dict[str, Any]:
        """Return the report in its stable form."""
        return {
            "schema": SCHEMA,
            "ok": self.exit == 0,
            "exit": self.exit,
            "deep": self.deep,
            "counts": self.counts,
            "waiting": [{"module": m, "state": s, "jobs": n} for m, s, n in self.waiting],
            "parked": [{"module": m, "reason": r, "letters": n} for m, r, n in self.parked],
            "notes": self.notes,
            "audit_end": self.audit_end,
            "invariants": [
                {
                    "invariant": one.invariant,
                    "statement": STATEMENTS[one.invariant],
                    "holds": one.holds,
                    "checked": one.checked,
                    "unchecked": one.unchecked,
                    "skipped": one.skipped,
                    "count": one.count,
                    "violations": [asdict(violation) for violation in one.violations],
                }
                for one in self.findings.values()
            ],
        }

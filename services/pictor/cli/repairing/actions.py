"""The tools of a repair: what was found, where to mend it, and the list of what was done."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from pictor.cli.check import Access, Wishes
from pictor.cli.checking.findings import Report, Violation
from pictor.runtime.bus import Bus
from pictor.state import audit
from pictor.state.database import Connection, Pool


@dataclass(frozen=True, slots=True)
class Action:
    """One thing done, or to be done."""

    name: str
    subject: str
    detail: str = ""


@dataclass(slots=True)
class Workshop:
    """One repair."""

    access: Access
    report: Report
    wishes: Wishes
    actor: str
    dry: bool
    actions: list[Action] = field(default_factory=list)

    @property
    def pool(self) -> Pool:
        """The database."""
        return self.access.pool

    @property
    def bus(self) -> Bus | None:
        """The bus, if it answers."""
        return self.access.bus

    def found(self, *kinds: str) -> Iterator[Violation]:
        """Return the violations of some kinds."""
        for finding in self.report.findings.values():
            yield from (one for one in finding.violations if one.kind in kinds)

    def jobs(self, kind: str) -> Iterator[UUID]:
        """Return the jobs of the violations of a kind."""
        return (UUID(one.subject["job"]) for one in self.found(kind))

    async def did(
        self, db: Connection, name: str, subject: str, *, detail: str = "", observatory: UUID | None = None
    ) -> None:
        """Write one action into the audit log, in the transaction of the change, and onto the list."""
        known = {"detail": detail} if detail else {}
        await audit.record(db, self.actor, f"repair.{name}", subject, observatory_id=observatory, detail=known)
        self.actions.append(Action(name, subject, detail))

    def would(self, name: str, subject: str, detail: str = "") -> None:
        """Put on the list what a repair would do."""
        self.actions.append(Action(name, subject, detail))

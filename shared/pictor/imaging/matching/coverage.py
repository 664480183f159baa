"""How well a library serves what is asked of it: the values an assessment tells."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from pictor.imaging.matching.demand import Hand
from pictor.imaging.matching.frames import CameraMode, FrameType
from pictor.imaging.matching.grouping import GroupKey
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame
from pictor.imaging.matching.selection import Candidate
from pictor.imaging.matching.shelf import Shelf


class Coverage(StrEnum):
    """How well the library serves one place, the worst first."""

    UNCOVERED = "uncovered"
    EXPIRED = "expired-in-use"
    EXPIRING = "expiring"
    WEAK = "covered-weak"
    COVERED = "covered"


STACK_DUE = ", the stack is due"

SEVERITY = {coverage: number for number, coverage in enumerate(Coverage)}


@dataclass(frozen=True, slots=True)
class InHand:
    """Individual frames of one temperature cluster; ``fits`` where their master would match."""

    temp_c: float | None
    exposure_s: float | None
    frames: int
    unused: int
    refused: int
    fits: bool


@dataclass(frozen=True, slots=True)
class Need:
    """One kind of master that lights (or their flats) ask for, and what there is of it.

    ``waiting_lights`` and ``waiting_nights`` count what stays uncalibrated without it; ``blocks`` names the needs and
    groups of flats that wait for it, ``waits_for`` the needs it waits for itself. ``deferred`` is true for flats that
    are complete but for their dark. ``cooled`` is false where the camera states no set point; ``temp_c`` is then that
    of the sensor.
    """

    need_id: str
    kind: FrameType
    coverage: Coverage
    mode: CameraMode
    exposure_s: float | None
    filter: str | None
    rotator_deg: float | None
    temp_c: float | None
    lights: int
    nights: tuple[date, ...]
    reason: str
    minimum: int
    have: int
    missing: int
    in_hand: tuple[InHand, ...] = ()
    master: MasterFrame | None = None
    age: timedelta | None = None
    expires_at: datetime | None = None
    nearest: Candidate | None = None
    stand_in: str | None = None
    blocks: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    deferred: bool = False
    cooled: bool = True

    @property
    def waiting_lights(self) -> int:
        """Lights that stay uncalibrated."""
        return self.lights if self.coverage is Coverage.UNCOVERED else 0

    @property
    def waiting_nights(self) -> int:
        """Nights with such lights."""
        return len(self.nights) if self.coverage is Coverage.UNCOVERED else 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A group of individual frames without a master: on its way to the threshold, or deferred."""

    key: GroupKey
    frames: int
    minimum: int
    refused: int
    newest_utc: datetime
    deferred: bool = False
    exposure_s: float | None = None
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Aging:
    """An active master that is expired, or will be soon."""

    master: MasterFrame
    coverage: Coverage
    age: timedelta
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything an observatory needs, by lights that wait; its groups under way; its masters that age."""

    needs: tuple[Need, ...]
    waiting: tuple[Waiting, ...]
    aging: tuple[Aging, ...] = ()


@dataclass(frozen=True, slots=True)
class Library:
    """What an assessment looks at."""

    policy: Policy
    shelf: Shelf
    hand: Hand
    now: datetime
    uncooled: frozenset[CameraMode] = frozenset()

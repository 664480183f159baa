"""Masters sorted by camera mode, so that a choice among thousands looks at the few that count."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import NEVER, MasterFrame, Rule, mode_rules, plainly_refused, rules_for
from pictor.imaging.matching.selection import SERVES, Candidate, Selection, rank_of, selection

Profile = tuple[float | None, str | None, float | None, float | None, bool]
"""What masters of one type and camera mode may differ in besides time."""


class Shelf:
    """The masters of an observatory by type, camera mode, and all else that rules look at.

    Chooses and names the same nearest miss as looking at all of them: masters that differ in time alone pass and fail
    together, and a mode with more differences than the best refusal has failures cannot be nearer.
    """

    def __init__(self, masters: Iterable[MasterFrame]) -> None:
        self._modes: dict[FrameType, dict[CameraMode, dict[Profile, list[MasterFrame]]]] = {}
        self._sorted: dict[tuple[CameraMode, FrameType], list[tuple[int, dict[Profile, list[MasterFrame]]]]] = {}
        for master in masters:
            modes = self._modes.setdefault(master.frame_type, {})
            modes.setdefault(master.mode, {}).setdefault(_profile(master), []).append(master)

    def select(
        self, frame: Frame, policy: Policy, *, wanted: FrameType, at: datetime | None = None
    ) -> Selection:  # fmt: skip
        """Choose the master for one place of one frame, or name the nearest miss: the one candidate told."""
        best: tuple[int, float] | None = None
        kept: list[tuple[MasterFrame, tuple[Rule, ...]]] = []
        for failed, shelf in self._nearing(frame.mode, wanted):
            if best is not None and best < (failed, failed * NEVER):
                break
            for masters in shelf.values():
                rules = rules_for(frame, masters[0], policy)
                missed = [rule.miss for rule in rules if not rule.passed]
                distance = len(missed), sum(missed)
                if best is None or distance <= best:
                    kept = kept if distance == best else []
                    kept += [(master, rules) for master in masters]
                    best = distance
        ranked = [(rank_of(frame, master, policy, at=at), master, rules) for master, rules in kept]
        nearest = min(ranked, key=lambda one: one[0], default=None)
        if nearest is None:
            return selection((), wanted)
        rank, master, rules = nearest
        return selection((Candidate(master, rules, rank[0], rank),), wanted)

    def matching(self, frame: Frame, policy: Policy, *, wanted: FrameType) -> list[MasterFrame]:
        """Return every master that matches, whatever the time."""
        found: list[MasterFrame] = []
        for failed, shelf in self._nearing(frame.mode, wanted):
            if failed:
                break
            for masters in shelf.values():
                refused = plainly_refused(frame, masters[0], policy)
                if not refused and all(rule.passed for rule in rules_for(frame, masters[0], policy)):
                    found += masters
        return found

    def dark_for_flats(self, flat: Frame, policy: Policy, *, at: datetime | None = None) -> Selection:
        """Choose the dark of a flat; a bias where the policy lets it stand in."""
        found = self.select(flat, policy, wanted=FrameType.FLAT_DARK, at=at)
        if found.chosen is not None or not short_flat(flat, policy):
            return found
        instead = self.select(flat, policy, wanted=FrameType.BIAS, at=at)
        return instead if instead.chosen is not None else found

    def _nearing(
        self, mode: CameraMode, wanted: FrameType
    ) -> list[tuple[int, dict[Profile, list[MasterFrame]]]]:  # fmt: skip
        """Return the camera modes, those with the fewest differences first."""
        if (mode, wanted) in self._sorted:
            return self._sorted[mode, wanted]
        shelves = [(other, shelf) for kind in SERVES[wanted] for other, shelf in self._modes.get(kind, {}).items()]
        counted = [(differences(mode, other), shelf) for other, shelf in shelves]
        self._sorted[mode, wanted] = sorted(counted, key=lambda one: one[0])
        return self._sorted[mode, wanted]


@lru_cache(maxsize=65_536)
def differences(wanted: CameraMode, found: CameraMode) -> int:
    """Count the settings in which a master's camera mode is not that of a frame."""
    return sum(not rule.passed for rule in mode_rules(wanted, found))


def _profile(master: MasterFrame) -> Profile:
    return master.exposure_s, master.filter, master.rotator_deg, master.temp_c, master.holds_bias


def short_flat(flat: Frame, policy: Policy) -> bool:
    """Tell whether a bias may take the place of a flat-dark."""
    return flat.exposure_s is not None and flat.exposure_s < policy.bias_for_flats_below_s

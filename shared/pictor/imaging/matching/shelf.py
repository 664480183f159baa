"""Masters sorted by camera mode, so that a choice among thousands looks at the few that count."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from pictor.imaging.matching.frames import CameraMode, Frame, FrameType
from pictor.imaging.matching.policy import Policy
from pictor.imaging.matching.rules import MasterFrame, mode_rules, rules_for
from pictor.imaging.matching.selection import SERVES, Candidate, Selection, candidate, selection


class Shelf:
    """The masters of an observatory by type and camera mode.

    Chooses and names the same nearest miss as looking at all of them: a mode with more differences than the best
    refusal has failures cannot be nearer.
    """

    def __init__(self, masters: Iterable[MasterFrame]) -> None:
        self._modes: dict[FrameType, dict[CameraMode, list[MasterFrame]]] = defaultdict(lambda: defaultdict(list))
        for master in masters:
            self._modes[master.frame_type][master.mode].append(master)

    def select(
        self, frame: Frame, policy: Policy, *, wanted: FrameType, at: datetime | None = None
    ) -> Selection:  # fmt: skip
        """Choose the master for one place of one frame; refusals that cannot be the nearest are left out."""
        found: list[Candidate] = []
        for failed, masters in self._nearing(frame.mode, wanted):
            if found and failed > min(len(one.failures) for one in found):
                break
            found += [candidate(frame, master, policy, at=at) for master in masters]
        return selection(found, wanted)

    def matching(self, frame: Frame, policy: Policy, *, wanted: FrameType) -> list[MasterFrame]:
        """Return every master that matches, whatever the time."""
        masters = [one for failed, some in self._nearing(frame.mode, wanted) if failed == 0 for one in some]
        return [one for one in masters if all(rule.passed for rule in rules_for(frame, one, policy))]

    def dark_for_flats(self, flat: Frame, policy: Policy, *, at: datetime | None = None) -> Selection:
        """Choose the dark of a flat; a bias where the policy lets it stand in."""
        found = self.select(flat, policy, wanted=FrameType.FLAT_DARK, at=at)
        if found.chosen is not None or not short_flat(flat, policy):
            return found
        instead = self.select(flat, policy, wanted=FrameType.BIAS, at=at)
        return instead if instead.chosen is not None else found

    def _nearing(self, mode: CameraMode, wanted: FrameType) -> Iterator[tuple[int, list[MasterFrame]]]:
        """Go through the camera modes, those with the fewest differences first."""
        shelves = [(other, masters) for kind in SERVES[wanted] for other, masters in self._modes[kind].items()]
        counted = [(sum(not rule.passed for rule in mode_rules(mode, other)), masters) for other, masters in shelves]
        yield from sorted(counted, key=lambda one: one[0])


def short_flat(flat: Frame, policy: Policy) -> bool:
    """Tell whether a bias may take the place of a flat-dark."""
    return flat.exposure_s is not None and flat.exposure_s < policy.bias_for_flats_below_s

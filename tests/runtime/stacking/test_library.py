"""Which groups of the library are one."""

from dataclasses import asdict, replace
from uuid import uuid4

from pictor.contracts.frames import FrameType as StoredType
from pictor.contracts.masters import MasterState
from pictor.imaging.matching.frames import FrameType
from pictor.imaging.matching.grouping import GroupKey
from pictor.imaging.matching.policy import FlatRotation, Policy
from pictor.runtime.stacking.library import facts_of, name_of, one_with
from pictor.state.masters import Master
from tests.support.rig import MODE


def _flat(
    rotation: float | None, policy: Policy, *, state: MasterState = MasterState.ACTIVE, **other: object
) -> Master:
    key = replace(GroupKey(MODE, FrameType.FLAT, filter="R", rotator_deg=rotation, temp_c=-10.0), **other)  # type: ignore[arg-type]
    return Master(
        id=uuid4(), observatory_id=uuid4(), rig_id=None, job_id=None, state=state, frame_type=StoredType.FLAT,
        group_key=name_of(key), camera_mode="mode", facts=facts_of(key), ncombine=10, policy=asdict(policy),
        statistics={}, reasons=(), taken_at=None,
    )  # fmt: skip


def test_a_flat_made_when_rotations_no_longer_count_replaces_those_of_every_rotation() -> None:
    required, ignored = Policy(flat_rotation=FlatRotation.REQUIRED), Policy()
    turned, straight, gone = (
        _flat(90.0, required),
        _flat(0.0, required),
        _flat(45.0, required, state=MasterState.SUPERSEDED),
    )
    other = _flat(0.0, required, filter="G")
    library = [turned, straight, gone, other]
    assert one_with(_flat(None, ignored), library, ignored) == [turned.group_key, straight.group_key]
    assert one_with(_flat(90.5, required), library, required) == [turned.group_key]

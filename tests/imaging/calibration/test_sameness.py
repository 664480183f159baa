"""Inputs of one master that do not belong together."""

import pytest

from pictor.imaging.calibration.masters import Kind
from pictor.imaging.calibration.sameness import differences
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.matching.policy import Policy


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        (("TOP-DOWN", "BOTTOM-UP", "TOP-DOWN"), ("row order: BOTTOM-UP in 1, TOP-DOWN in 2",)),
        (("TOP-DOWN", None, "TOP-DOWN"), ()),
        ((None, None, None), ()),
    ],
)
def test_frames_stored_upside_down_do_not_belong_together(
    orders: tuple[str | None, ...], told: tuple[str, ...]
) -> None:
    inputs = [FrameDescription(frame_type="dark", exposure_s=60.0, row_order=order) for order in orders]
    assert differences(inputs, Kind.DARK, Policy()) == told

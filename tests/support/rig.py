"""A rig and its frames."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pictor.imaging.matching.frames import CameraMode, Frame, FrameType

NIGHT = datetime(2026, 3, 10, 22, 0, tzinfo=UTC)
MODE = CameraMode(rig_id="rig-1", width=6000, height=4000, gain_setting=100.0, offset_setting=30.0, readout_mode="High")


@pytest.fixture
def frame() -> Callable[..., Frame]:
    """Make a dark of 300 s at -10 C; anything may be said otherwise."""
    made = iter(range(100_000))

    def make(**said: object) -> Frame:
        values: dict[str, object] = {
            "frame_id": f"f{next(made):05d}", "frame_type": FrameType.DARK, "mode": MODE, "start_utc": NIGHT,
            "exposure_s": 300.0, "set_temp_c": -10.0, "ccd_temp_c": -10.0,
        } | said  # fmt: skip
        return Frame(**values)  # type: ignore[arg-type]

    return make

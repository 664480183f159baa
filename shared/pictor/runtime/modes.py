"""Camera modes: what must be equal for frames to be calibrated together, and the short key that stands for it."""

import hashlib
import json
from collections.abc import Mapping

MODE_FIELDS = (
    "width", "height", "binning_x", "binning_y", "gain_setting", "offset_setting", "readout_mode", "bayer",
    "roi_x", "roi_y",
)  # fmt: skip
"""What makes a camera mode, besides the rig (or, where the rig is unknown, the camera's name)."""


def mode_key(rig: str, described: Mapping[str, object]) -> str:
    """Return a short stable key of the detector settings: equal for frames that may be calibrated together."""
    facts = [rig, *(described.get(name) for name in MODE_FIELDS)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

"""A rig and its frames; the individual frames beside which masters are judged."""

from pathlib import Path
from typing import Any

import pytest

from pictor.calibration_stacker import compute
from pictor.imaging.fits.unpack import unpack
from tests.support.adopting import ONE, Adopt
from tests.support.foreign import BIAS_ADU, individual, saved
from tests.support.rig import frame

__all__ = ["frame"]


@pytest.fixture(scope="module")
def in_hand(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Six individual frames of every kind, as the stacker fetches them."""
    folder = tmp_path_factory.mktemp("frames")
    return {
        kind: [str(saved(folder, f"{kind}{n}.fits", individual(ONE, kind, n))) for n in range(6)]
        for kind in ("bias", "dark", "flat")
    }


@pytest.fixture
def adopt(tmp_path: Path, in_hand: dict[str, list[str]]) -> Adopt:
    """Adopt the bytes of a master as the stacker does, with frames in hand unless told otherwise."""

    def run(body: bytes, kind: str = "dark", **known: Any) -> dict[str, Any]:
        path = saved(tmp_path, "master.fits", body)
        plain = unpack(path, tmp_path).path
        given = {
            "cards": {"EXPTIME": 300.0}, "in_hand": in_hand[kind], "row_order": "TOP-DOWN", "ncombine": 10,
            "bias_level_adu": None if kind == "bias" else BIAS_ADU, **known,
        }  # fmt: skip
        return dict(compute.adopt(path=str(plain), scratch=str(tmp_path), kind=kind, **given))

    return run

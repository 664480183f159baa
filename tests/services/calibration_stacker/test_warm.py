"""No compilation at run time."""

from pathlib import Path

import numba
import numpy as np
import pytest

from pictor.calibration_stacker import compute
from pictor.imaging.calibration import badindark, calibrating, looking, repair
from pictor.imaging.combine import clipping, impulses, kernels, scaled
from tests.imaging.calibration.camera import make_camera


def compiled() -> dict[str, int]:
    """Signatures of every kernel of the stacker."""
    found = {}
    for module in (kernels, clipping, scaled, impulses, looking, badindark, calibrating, repair):
        for name, kernel in vars(module).items():
            if isinstance(kernel, numba.core.registry.CPUDispatcher):
                found[f"{module.__name__}.{name}"] = len(kernel.signatures)
    return found


@pytest.mark.parametrize("stored", ["uint16", "float32"])
def test_a_warm_stacker_compiles_nothing(stored: str, rng: np.random.Generator, tmp_path: Path) -> None:
    compute.warm()
    before = compiled()
    assert all(before[f"{kernels.__name__}.{name}"] for name in ("average_integers", "decode_words"))
    camera = make_camera(rng, side=64)
    darks, flats = [camera.expose(2.0) for _ in range(4)], [camera.expose(2.0, 30_000.0) for _ in range(4)]
    darks[0][5, 5] = 40_000
    ids = [str(i) for i in range(4)]
    made = {}
    for name, frames in (("dark", darks), ("flat", flats)):
        kept = [frame.astype(stored) for frame in frames]
        paths = [str(path) for path in camera.write(tmp_path, name, kept)]  # type: ignore[arg-type]
        folder = tmp_path / name
        folder.mkdir()
        done = compute.stack(
            paths=paths, frame_ids=ids, sha256s=ids, kind=name, scratch=str(folder), egain=1.5, read_noise_e=6.0,
            dark_path=made.get("dark"),
        )  # fmt: skip
        made[name] = str(done["master_path"])
        light = paths[0]
    compute.calibrate(path=light, scratch=str(tmp_path), masters=made, egain=1.5, read_noise_e=6.0)
    calibrating.apply_masters(flats[0], camera.bias.astype(np.float32), camera.response.astype(np.float32))
    assert compiled() == before

"""Darks with one hit of 50,000 ADU in each frame, at the default policy: clean, or refused."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pictor.calibration_stacker import compute
from pictor.imaging.calibration.masters import read_master
from tests.imaging.calibration.camera import make_camera

HIT = 50_000
SIDE = 256


def stack(paths: list[Path], folder: Path) -> dict[str, object]:
    names = [path.stem for path in paths]
    return compute.stack(
        paths=[str(path) for path in paths], frame_ids=names, sha256s=names, kind="dark", scratch=str(folder),
        egain=1.5, read_noise_e=6.0, bias_level_adu=500.0,
    )  # fmt: skip


@pytest.mark.parametrize("n", [3, 5, 8, 10, 11])
def test_a_hit_in_every_dark_leaves_no_trace(n: int, rng: np.random.Generator, tmp_path: Path) -> None:
    camera = make_camera(rng, side=SIDE)
    frames = [camera.expose(60.0) for _ in range(n)]
    cold = np.flatnonzero(camera.dark_rate.ravel() < 1.0)
    cold = cold[(cold // SIDE > 3) & (cold // SIDE < SIDE - 4) & (cold % SIDE > 3) & (cold % SIDE < SIDE - 4)]
    hits = rng.choice(cold, n, replace=False)
    for frame, where in zip(frames, hits, strict=True):
        frame.ravel()[where] = HIT
    done = stack(camera.write(tmp_path, "dark", frames, EXPTIME=60.0), tmp_path)
    if done["verdict"] != "active":
        print(f"N = {n}: refused: {done['reasons']}")
        return
    master = read_master(Path(str(done["master_path"]))).sci
    worst = 0.0
    for where in hits:
        y, x = divmod(int(where), SIDE)
        near = master[y - 3 : y + 4, x - 3 : x + 4].ravel()
        near = np.delete(near, near.size // 2)
        width = 1.4826 * float(np.median(np.abs(near - np.median(near))))
        worst = max(worst, abs(float(master[y, x] - np.median(near))) / width)
    statistics = done["statistics"]
    assert isinstance(statistics, dict)
    good = (statistics["rejected"] - n) / (statistics["samples"] - n)
    print(f"N = {n}: worst hit {worst:.1f} sigma of its neighbours, good samples rejected {100 * good:.3f} %")
    assert worst < 5.0
    assert good < 0.006 or n < 5


@pytest.mark.parametrize("n", [5, 8, 10, 11])
def test_quiet_quantised_darks_keep_their_mean_with_a_hit_in_each(
    n: int, rng: np.random.Generator, tmp_path: Path
) -> None:
    truth = rng.uniform(500, 510, (SIDE, SIDE))
    cube = np.rint(rng.normal(truth, 0.6, (n, SIDE, SIDE))).astype(np.uint16)
    for frame, where in zip(cube, rng.choice(truth.size, n, replace=False), strict=True):
        frame.ravel()[where] = HIT
    paths = []
    for i, frame in enumerate(cube):
        paths.append(tmp_path / f"dark{i}.fits")
        fits.PrimaryHDU(frame, fits.Header({"EXPTIME": 60.0})).writeto(paths[-1])
    names = [path.stem for path in paths]
    done = compute.stack(
        paths=[str(path) for path in paths], frame_ids=names, sha256s=names, kind="dark", scratch=str(tmp_path),
        egain=1.0, read_noise_e=0.6, bias_level_adu=600.0,
    )  # fmt: skip
    off = float((read_master(Path(str(done["master_path"]))).sci - truth).mean())
    print(
        f"N = {n}, noise 0.6 ADU in whole ADU: the mean is off by {off:+.4f} ADU, {done['verdict']} {done['reasons']}"
    )
    assert abs(off) < 0.02
    assert done["verdict"] == "active"

"""Our combination of frames in memory beside ccdproc's, on the same simulated frames in turns: speed and what is left.

``python -m tests.comparison.detector``
"""

import time
from collections.abc import Callable

import numpy as np
from astropy.nddata import CCDData
from ccdproc import Combiner

from pictor.imaging.combine.frames import combine_frames
from pictor.imaging.combine.method import Method

SIDE, COUNT, ROUNDS = 1000, 6, 3


Combination = Callable[[list[np.ndarray], Method], np.ndarray]


def timed(work: Combination, frames: list[np.ndarray], method: Method) -> tuple[float, np.ndarray]:
    start = time.process_time()
    found = work(frames, method)
    return time.process_time() - start, found


def ours(frames: list[np.ndarray], method: Method) -> np.ndarray:
    return combine_frames(frames, method=method).frame.data


def theirs(frames: list[np.ndarray], method: Method) -> np.ndarray:
    peer = Combiner([CCDData(frame, unit="adu") for frame in frames], dtype=np.float32)
    if method is Method.SIGMA_CLIP:
        peer.sigma_clipping(low_thresh=3, high_thresh=3, func=np.ma.median)
    return np.asarray(peer.median_combine() if method is Method.MEDIAN else peer.average_combine())


def main() -> None:
    """Print one row per method."""
    rng = np.random.default_rng(1)
    frames = list(rng.normal(1000, 10, (COUNT, SIDE, SIDE)).astype(np.float32))
    hit = [frame.copy() for frame in frames]
    for k, frame in enumerate(hit):
        frame[k::COUNT, ::37] += 50_000
    struck = np.any([a != b for a, b in zip(frames, hit, strict=True)], axis=0)
    ours([frame[:8, :8] for frame in frames], Method.SIGMA_CLIP)
    print(f"{COUNT} frames of {SIDE} x {SIDE}, every 37th column hit once by 50,000 ADU; processor seconds")
    print(f"{'method':<12}{'ours':>8}{'ccdproc':>9}{'ratio':>7}{'worst hit left, ours':>22}{'ccdproc':>9}")
    for method in Method:
        best: dict[str, tuple[float, np.ndarray]] = {}
        for _ in range(ROUNDS):
            for name, work in (("ours", ours), ("theirs", theirs)):
                found = timed(work, hit, method)
                best[name] = min(best.get(name, found), found, key=lambda one: one[0])
        (one, mine), (two, peer) = best["ours"], best["theirs"]
        left = [float(np.abs(data[struck] - 1000).max()) for data in (mine, peer)]
        print(f"{method:<12}{one:8.2f}{two:9.2f}{two / one:7.1f}{left[0]:22.1f}{left[1]:9.1f}")


if __name__ == "__main__":
    main()

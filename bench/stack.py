"""Time master stacks against astropy, ccdproc and Siril, measured in the same run; prints one JSON line per comparison.

Run ``python bench/stack.py [dark flat many calibrate ...]``. Each measurement is a whole process, started cold except
for the page cache and the compiled kernels; ``inner`` is the combination alone inside it. A ratio below 1 means ours is
faster. Ours includes gate, bad-pixel map, error, mask and count planes; the peers write one plane. ``left`` counts
pixels more than 30 ADU off where a hit was made, and is the price of speed where a peer does not reject.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

SHAPE = (4000, 6000)
REPEATS = 3
CASES = {
    "dark": ("stack", 20, ("astropy", "ccdproc", "siril")),
    "many": ("stack", 50, ("siril",)),
    "flat": ("flat", 20, ()),
    "calibrate": ("calibrate", 1, ("ccdproc-light",)),
}
CCDPROC_FRAMES = 5
"""ccdproc holds all frames at once, 8 GiB for twenty; its time is that of five, scaled to the same number."""


def make_frames(folder: Path, count: int) -> None:
    """Darks of one camera: fixed pattern, hot pixels, noise of 9 ADU, 3,000 hits each."""
    rng = np.random.default_rng(7)
    noise = rng.standard_normal(SHAPE[0] * SHAPE[1] + 4_000_000, dtype=np.float32) * 9
    pattern = np.full(SHAPE[0] * SHAPE[1], 500, np.float32)
    pattern[rng.integers(0, pattern.size, 24_000)] += rng.uniform(100, 5000, 24_000).astype(np.float32)
    hits = []
    for i in range(count):
        frame = pattern + noise[i * 71_993 : i * 71_993 + pattern.size]
        where = rng.integers(0, pattern.size, 3000)
        frame[where] += rng.uniform(200, 30_000, 3000).astype(np.float32)
        hits.append(where)
        fits.writeto(folder / f"f{i:03d}.fits", np.rint(frame.clip(0, 65535)).astype(np.uint16).reshape(SHAPE))
    np.savez(folder / "truth.npz", pattern=pattern, hits=np.concatenate(hits))


def paths_of(folder: Path, count: int) -> list[Path]:
    return sorted(folder.glob("f*.fits"))[:count]


def ours_stack(folder: Path, count: int, *, kind: str = "dark", dark: str | None = None) -> float:
    """The stack as the service makes it."""
    from pictor.calibration_stacker.compute import stack  # noqa: PLC0415
    from pictor.imaging.combine.combining import combine  # noqa: PLC0415
    from pictor.imaging.combine.noise import NoiseModel  # noqa: PLC0415

    paths = paths_of(folder, count)
    scratch = folder / "ours"
    scratch.mkdir(exist_ok=True)
    names = [path.name for path in paths]
    stack(
        paths=[str(p) for p in paths], frame_ids=names, sha256s=names, kind=kind, scratch=str(scratch), dark_path=dark
    )
    shutil.copyfile(scratch / "master.fits", folder / f"ours-{kind}.fits")
    return statistics.median(timed(lambda: combine(paths, noise=NoiseModel(81.1))) for _ in range(REPEATS))


def ours_flat(folder: Path, count: int) -> float:
    """The same frames taken as flats above a dark of no signal."""
    from pictor.imaging.calibration.masters import Master, write_master  # noqa: PLC0415

    empty, none = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint8)
    write_master(folder / "nothing.fits", Master(empty, empty, none, none, fits.Header({"DARKBIAS": True})))
    return ours_stack(folder, count, kind="flat", dark=str(folder / "nothing.fits"))


def dark_of(folder: Path) -> Path:
    """A master of the fixed pattern with its hot pixels marked bad."""
    from pictor.imaging.calibration.badpixels import bad_pixel_map  # noqa: PLC0415
    from pictor.imaging.calibration.masters import Master, write_master  # noqa: PLC0415

    path = folder / "pattern.fits"
    if not path.exists():
        pattern = np.load(folder / "truth.npz")["pattern"].reshape(SHAPE)
        noise = np.random.default_rng(8).standard_normal(SHAPE, dtype=np.float32) * 2
        err, used = np.full(SHAPE, 2, np.float32), np.full(SHAPE, 20, np.uint8)
        header = fits.Header({"DARKBIAS": True})
        write_master(path, Master(pattern + noise, err, bad_pixel_map(pattern + noise), used, header))
    return path


def ours_calibrate(folder: Path, _count: int) -> float:
    """A light, dark-subtracted, bad pixels repaired, with error and mask planes, read to written."""
    from pictor.calibration_stacker import compute  # noqa: PLC0415

    compute.warm()
    masters = {"dark": str(dark_of(folder))}
    light = str(paths_of(folder, 1)[0])

    def run() -> None:
        compute.calibrate(path=light, scratch=str(folder), masters=masters, egain=1.0, read_noise_e=9.0)

    return statistics.median(timed(run) for _ in range(REPEATS))


def peer_astropy(folder: Path, count: int) -> float:
    """astropy.stats.sigma_clip in tiles of 100 rows, then the mean."""
    from astropy.stats import sigma_clip  # noqa: PLC0415

    start = time.perf_counter()
    frames = [fits.open(path, memmap=False) for path in paths_of(folder, count)]
    cube = np.stack([units[0].data for units in frames])
    out = np.empty(SHAPE, np.float32)
    for y in range(0, SHAPE[0], 100):
        tile = cube[:, y : y + 100].astype(np.float32)
        out[y : y + 100] = sigma_clip(tile, sigma=3, maxiters=5, axis=0, masked=False, copy=False).mean(axis=0)
    fits.writeto(folder / "astropy.fits", out, overwrite=True)
    return time.perf_counter() - start


def peer_ccdproc(folder: Path, count: int) -> float:
    """ccdproc.combine with sigma clipping as it comes, of fewer frames."""
    import ccdproc  # noqa: PLC0415

    few = [str(path) for path in paths_of(folder, CCDPROC_FRAMES)]
    start = time.perf_counter()
    made = ccdproc.combine(few, method="average", sigma_clip=True, unit="adu", mem_limit=2e9, dtype=np.float32)
    fits.writeto(folder / "ccdproc.fits", np.asarray(made.data), overwrite=True)
    return (time.perf_counter() - start) * count / CCDPROC_FRAMES


def peer_ccdproc_light(folder: Path, _count: int) -> float:
    """ccdproc.subtract_dark and a file of one plane; no repair."""
    import ccdproc  # noqa: PLC0415
    from astropy import units as u  # noqa: PLC0415
    from astropy.nddata import CCDData  # noqa: PLC0415

    dark = CCDData(fits.getdata(dark_of(folder)).astype(np.float32), unit="adu")

    def run() -> None:
        light = CCDData.read(paths_of(folder, 1)[0], unit="adu")
        done = ccdproc.subtract_dark(light, dark, dark_exposure=1 * u.s, data_exposure=1 * u.s)
        fits.writeto(folder / "peer-light.fits", done.data.astype(np.float32), overwrite=True)

    return statistics.median(timed(run) for _ in range(REPEATS))


def peer_siril(folder: Path, count: int) -> float:
    """Siril's sigma rejection of a sequence of links, without normalisation."""
    room = folder / f"siril{count}"
    room.mkdir(exist_ok=True)
    for i, path in enumerate(paths_of(folder, count), 1):
        (room / f"f_{i:05d}.fit").unlink(missing_ok=True)
        (room / f"f_{i:05d}.fit").symlink_to(path)
    script = room / "stack.ssf"
    script.write_text("requires 1.0.0\nset32bits\nsetcpu 2\nstack f rej s 3 3 -nonorm -out=out\n")
    command = [str(shutil.which("siril-cli")), "-d", str(room), "-s", str(script)]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    elapsed = time.perf_counter() - start
    shutil.copyfile(room / "out.fit", folder / "siril.fits")
    return elapsed


def timed(call: object) -> float:
    start = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - start


RUNS = {
    "ours-stack": ours_stack, "ours-flat": ours_flat, "ours-calibrate": ours_calibrate, "astropy": peer_astropy,
    "ccdproc": peer_ccdproc, "ccdproc-light": peer_ccdproc_light, "siril": peer_siril,
}  # fmt: skip


def measure(run: str, folder: Path, count: int) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    start = time.perf_counter()
    command = [sys.executable, __file__, "--child", run, str(folder), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found | {"process_s": time.perf_counter() - start}


def child(run: str, folder: Path, count: int) -> None:
    inner = RUNS[run](folder, count)
    own = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss if run == "siril" else int(own.split()[1])
    print(json.dumps({"inner_s": round(inner, 3), "rss_mib": spent // 1024}))


def left_over(folder: Path, name: str) -> int | None:
    """Count hit pixels that are still more than 30 ADU off."""
    path = folder / f"{name}.fits"
    if not path.exists():
        return None
    truth = np.load(folder / "truth.npz")
    made = fits.getdata(path).astype(np.float32).ravel()
    factor = 65535 if name == "siril" and made.max() <= 1 else 1
    return int((np.abs(made[truth["hits"]] * factor - truth["pattern"][truth["hits"]]) > 30).sum())


def report(case: str, folder: Path) -> None:
    """Measure one case and its peers; print a line for each."""
    kind, count, peers = CASES[case]
    if case == "calibrate":
        dark_of(folder)
    ours = measure(f"ours-{kind}", folder, count)
    line = {"name": f"{case} {count} x 24 MP", "ours": ours, "rss_mib": ours["rss_mib"], "n": REPEATS}
    if case == "dark":
        line["left"] = left_over(folder, "ours-dark")
    for peer in peers or (None,):
        if peer is None or (peer == "siril" and shutil.which("siril-cli") is None):
            print(json.dumps(line | {"peer": None, "note": f"{peer} is not here" if peer else "no peer"}))
            continue
        theirs = measure(peer, folder, count)
        ratio = ours["inner_s"] / theirs["inner_s"]
        found = {"peer": {"name": peer} | theirs, "ratio": round(ratio, 4), "peer_left": left_over(folder, peer)}
        print(json.dumps(line | found), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
        return
    cases = sys.argv[1:] or list(CASES)
    from pictor.calibration_stacker.compute import warm  # noqa: PLC0415

    warm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_frames(folder, max(CASES[case][1] for case in cases))
        for case in cases:
            report(case, folder)


if __name__ == "__main__":
    main()

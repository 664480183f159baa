"""Star counts, widths, sky and noise by SExtractor and by us, side by side.

python -m tests.comparison.stars [--night FOLDER] [FRAME ...]

Without frames, every light of PICTOR_REAL_DATA. With --night, the lights of a simulated night and their truth.
Needs the program source-extractor.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pictor.imaging.frame import Frame
from pictor.imaging.quality.frames import quality_of
from pictor.imaging.skymap import measure_sky
from pictor.imaging.stars.measuring import Measured, measure_frame

COLUMNS = (
    "X_IMAGE", "Y_IMAGE", "FLUX_AUTO", "FLUXERR_AUTO", "FWHM_IMAGE", "FLUX_RADIUS", "ELONGATION", "FLAGS", "FLUX_MAX",
)  # fmt: skip
SETTINGS = (
    "-DETECT_MINAREA", "5", "-DETECT_THRESH", "1.5", "-ANALYSIS_THRESH", "1.5", "-BACK_SIZE", "64", "-BACK_FILTERSIZE",
    "3", "-CLEAN", "Y", "-CATALOG_TYPE", "ASCII", "-FILTER", "Y", "-WEIGHT_TYPE", "NONE", "-SATUR_KEY", "NONE",
)  # fmt: skip
"""The defaults of the program: five touching pixels above 1.5 sigma of a frame smoothed by a 3 x 3 pyramid."""

CONV = "CONV NORM\n1 2 1\n2 4 2\n1 2 1\n"
REAL = ("lights/**/*", "calibration/huntsman/raw/science_0.fits", "reference/lco-banzai/banzai_test_frame.fits.fz")
NOT_LIGHTS = ("noheader",)  # the same bytes as tiny.fits, without its header
SAME = 2.0


@dataclass(frozen=True)
class Extracted:
    """What SExtractor found; positions 0-based."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    snr: NDArray[np.float64]
    fwhm: NDArray[np.float64]
    hfr: NDArray[np.float64]
    elongation: NDArray[np.float64]
    flags: NDArray[np.int64]
    level: float
    noise: float


def extract(image: NDArray[np.float32], saturation: float | None) -> Extracted:
    """Run SExtractor on an image."""
    with tempfile.TemporaryDirectory(prefix="pictor-comparison-") as name:
        folder = Path(name)
        fits.PrimaryHDU(image).writeto(folder / "frame.fits")
        (folder / "names.param").write_text("".join(f"{column}\n" for column in COLUMNS))
        (folder / "default.conv").write_text(CONV)
        level = ("-SATUR_LEVEL", str(saturation if saturation is not None else 1e12))
        command = ["source-extractor", "frame.fits", "-CATALOG_NAME", "out.cat", "-PARAMETERS_NAME", "names.param"]
        done = subprocess.run(
            [*command, "-FILTER_NAME", "default.conv", *SETTINGS, *level],
            cwd=folder, capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        told = re.findall(r"Background: (\S+)\s+RMS: (\S+)", done.stdout + done.stderr)
        rows = np.loadtxt(folder / "out.cat", ndmin=2).reshape(-1, len(COLUMNS))
    x, y, flux, error, fwhm, hfr, elongation, flags, _ = rows.T
    snr = flux / np.maximum(error, 1e-12)
    background, rms = (float(value) for value in told[-1])
    return Extracted(x - 1, y - 1, snr, fwhm, hfr, elongation, flags.astype(int), background, rms)


@dataclass(frozen=True)
class Compared:
    """One row of the table."""

    name: str
    ours: Measured
    theirs: Extracted
    fwhm: float | None
    sky: float
    why: dict[str, int]

    @property
    def both(self) -> int:
        """Sources of SExtractor that are sources of ours."""
        return len(self.theirs.x) - sum(self.why.values())


def compare(path: Path) -> Compared:
    """Measure one frame both ways."""
    frame = Frame.from_fits(path)
    ours = measure_frame(frame)
    image = ours.image.astype(np.float32)
    theirs = extract(image, ours.stars.saturation)
    return Compared(
        path.name, ours, theirs, quality_of(ours).fwhm_px, measure_sky(frame).level, unmatched(ours, theirs, image)
    )


def unmatched(ours: Measured, theirs: Extracted, image: NDArray[np.float32]) -> dict[str, int]:
    """Say what the sources are that only SExtractor has."""
    why = dict.fromkeys(("hot", "faint", "blended", "long", "other"), 0)
    if not len(theirs.x):
        return why
    stars, width = ours.stars, max(SAME, 0.7 * float(np.median(ours.stars.fwhm)) if len(ours.stars) else SAME)
    near = np.full(len(theirs.x), np.inf)
    if len(stars):
        near, _ = cKDTree(np.column_stack([stars.x, stars.y])).query(np.column_stack([theirs.x, theirs.y]))
    level = ours.sky.evaluate()
    for k in np.flatnonzero(near >= width):
        why[_kind(k, theirs, image - level, near[k] < 4.0 * width)] += 1
    return why


def _kind(k: int, theirs: Extracted, light: NDArray[np.float32], close: bool) -> str:  # noqa: FBT001
    row, column = round(float(theirs.y[k])), round(float(theirs.x[k]))
    top, left = max(1, row - 2), max(1, column - 2)
    box = light[top : row + 3, left : column + 3]
    if box.size and row < light.shape[0] - 2 and column < light.shape[1] - 2:
        i, j = np.unravel_index(int(np.argmax(box)), box.shape)
        y, x = min(top + int(i), light.shape[0] - 2), min(left + int(j), light.shape[1] - 2)
        around = 0.25 * (light[y - 1, x] + light[y + 1, x] + light[y, x - 1] + light[y, x + 1])
        if around < 0.2 * light[y, x]:
            return "hot"
    if theirs.snr[k] < 5.0:
        return "faint"
    if theirs.elongation[k] > 2.5:
        return "long"
    return "blended" if close else "other"


def clean_fwhm(found: Extracted) -> float | None:
    """Median FWHM of bright unflagged round sources of SExtractor."""
    good = (found.flags == 0) & (found.snr > 20) & (found.fwhm > 0) & (found.elongation < 1.6)
    return float(np.median(found.fwhm[good])) if good.any() else None


def line(row: Compared) -> str:
    """One line of the table of real frames."""
    stars, sky = row.ours.stars, row.ours.sky
    why = " ".join(f"{kind} {count}" for kind, count in row.why.items() if count)
    return (
        f"| {row.name} | {stars.star_count} | {len(stars)} | {stars.spike_count} | {len(row.theirs.x)} | {row.both} "
        f"| {_width(row.fwhm)} | {_width(clean_fwhm(row.theirs))} | {sky.level:.6g} | {row.sky:.6g} "
        f"| {row.theirs.level:.6g} | {sky.noise:.4g} | {row.theirs.noise:.4g} | {why} |"
    )


HEAD = (
    "| frame | our stars | our sources | hot or hit pixels | SExtractor | of these ours too | our FWHM | its FWHM "
    "| our sky | sources masked | its sky | our noise | its noise | only SExtractor has |\n" + "|---" * 14 + "|"
)
TRUTH_HEAD = (
    "| frame | true stars SNR > 10 | our recall | its recall | our precision | its precision | FWHM error | its "
    "| sky error (sigma) | sources masked | its |\n" + "|---" * 11 + "|"
)


def truth_line(row: Compared, path: Path) -> str:
    """One line of the table of simulated frames."""
    told = json.loads(path.with_name(f"{path.stem}.truth.json").read_text())
    true = np.load(path.with_name(f"{path.stem}.stars.npz"))
    stars = row.ours.stars.select(row.ours.stars.is_star | ((row.ours.stars.flags & 1) > 0))
    ours = scored(true, stars.x, stars.y, row.ours.stars.shape)
    theirs = scored(true, row.theirs.x, row.theirs.y, row.ours.stars.shape)
    wide, sigma = told["fwhm_recorded_px"], told["sky_sigma_adu"]
    errors = [None if width is None else width / wide - 1.0 for width in (row.fwhm, clean_fwhm(row.theirs))]
    skies = [(level - told["background_adu"]) / sigma for level in (row.ours.sky.level, row.sky, row.theirs.level)]
    return (
        f"| {row.name} | {told['star_count_snr10']} | {_share(ours[0])} | {_share(theirs[0])} | {_share(ours[1])} "
        f"| {_share(theirs[1])} | {_percent(errors[0])} | {_percent(errors[1])} | "
        + " | ".join(f"{offset:+.3f}" for offset in skies)
        + " |"
    )


def scored(
    true: dict[str, NDArray[np.float64]], x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[float | None, float | None]:
    """Recall of true stars above SNR 10, and share of sources that are one true star each."""
    if not len(x):
        return None, None
    places = np.column_stack([true["x"], true["y"]])
    inside = (places > 6).all(axis=1) & (places < np.array([shape[1] - 7, shape[0] - 7])).all(axis=1)
    wanted = inside & (true["snr"] > 10)
    found = np.column_stack([x, y])
    recall = float((cKDTree(found).query(places[wanted])[0] < SAME).mean()) if wanted.any() else None
    near, which = cKDTree(places).query(found)
    return recall, len(np.unique(which[near < SAME])) / len(found)


def _width(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f} %"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", nargs="*", type=Path)
    parser.add_argument("--night", type=Path)
    asked = parser.parse_args()
    if asked.night is not None:
        print(TRUTH_HEAD)
        for path in sorted(asked.night.glob("light_??_*.fits")):
            if path.with_name(f"{path.stem}.stars.npz").exists() and "truncated" not in path.stem:
                print(truth_line(compare(path), path), flush=True)
        return
    data = Path(os.environ.get("PICTOR_REAL_DATA", "."))
    found = asked.frames or [path for pattern in REAL for path in sorted(data.glob(pattern)) if path.is_file()]
    print(HEAD)
    for path in found:
        if path.stem not in NOT_LIGHTS:
            print(line(compare(path)), flush=True)


if __name__ == "__main__":
    main()

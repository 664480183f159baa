"""Stars of frames in files."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pictor.cli.stages.running import Told, checked, each, finite, left_to_do, named, require_free, write_text
from pictor.cli.stages.starfacts import about_frame, zone_table
from pictor.imaging.frame import Frame
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.of_frame import describe_header
from pictor.imaging.products import Input, Provenance, write_whole
from pictor.imaging.stars.apertures import Apertures, aperture_photometry
from pictor.imaging.stars.drawing import draw_stars
from pictor.imaging.stars.measuring import Measured, measure_frame
from pictor.imaging.stars.tables import csv_text, ds9_regions, star_rows, write_star_table
from pictor.runtime.version import SOFTWARE

_PER_SECOND = "/s"


@dataclass(frozen=True, slots=True)
class How:
    """How stars are looked for: threshold, saturation, colour pattern, radius of the aperture, how many are kept."""

    threshold: float = 5.0
    saturation: float | None = None
    bayer: str | None = None
    aperture: float | None = None
    brightest: int | None = None

    @property
    def pattern(self) -> str | None:
        """Colour pattern as the library takes it: an empty text measures one channel."""
        return "" if self.bayer is not None and self.bayer.strip().lower() == "none" else self.bayer


def main(
    files: Sequence[Path], out: Path, *, how: How, more: Sequence[str], overwrite: bool, resume: bool, json: bool
) -> int:
    """Measure every frame; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        left = left_to_do(files, lambda path: _targets(path, out, more).values(), resume=resume)
        targets = [target for path in left for target in _targets(path, out, more).values()]
        require_free(targets, overwrite=overwrite or resume, inputs=files)
        work = partial(_one, out=out, how=how, more=more, overwrite=overwrite or resume)
        return each(left, work, label="stars", say=_line, json=json)

    return checked(run)


def _targets(path: Path, out: Path, more: Sequence[str]) -> dict[str, Path]:
    """Name the files of one frame by kind."""
    suffixes = {kind: ("zones", ".csv") if kind == "zones" else ("stars", f".{kind}") for kind in ("fits", *more)}
    return {kind: named(path, suffix, out, ending=ending) for kind, (suffix, ending) in suffixes.items()}


def _one(path: Path, *, out: Path, how: How, more: Sequence[str], overwrite: bool) -> Told:
    frame = Frame.from_fits(path)
    described = describe_header(frame.header, name=path.name)
    found = measure_frame(frame, threshold=how.threshold, saturation=how.saturation, bayer=how.pattern)
    facts = about_frame(found, described)
    found = _brightest(found, how.brightest)
    apertures = aperture_photometry(found, radius=how.aperture, egain=egain_of(described, frame.unit))
    made = Provenance(
        "stars",
        [Input.of(path)],
        {
            "threshold": how.threshold,
            "saturation": found.stars.saturation,
            "bayer": found.bayer,
            "brightest": how.brightest,
        },
        SOFTWARE,
    )
    targets = _targets(path, out, more)
    seconds = seconds_of(described, frame.unit)
    write_star_table(targets["fits"], found, made, apertures=apertures, exposure_s=seconds, overwrite=overwrite)
    writers = _writers(found, apertures, seconds, {"file": path.name, "software": SOFTWARE, **facts})
    for kind in more:
        write_whole(targets[kind], writers[kind], overwrite=overwrite)
    return {**facts, "output": {kind: str(target) for kind, target in targets.items()}}


def _brightest(found: Measured, most: int | None) -> Measured:
    """Keep the brightest sources of a list, which begins with them."""
    if most is None or len(found.stars) <= most:
        return found
    return replace(found, stars=found.stars.select(np.arange(most)))


def _writers(
    found: Measured, apertures: Apertures, seconds: float | None, facts: Told
) -> dict[str, Callable[[Path], None]]:
    def text(make: Callable[[], str]) -> Callable[[Path], None]:
        def write(part: Path) -> None:
            write_text(part, make())

        return write

    def picture(part: Path) -> None:
        with part.open("wb") as stream:
            draw_stars(found).save(stream, "PNG")

    return {
        "csv": text(lambda: csv_text(*star_rows(found, apertures=apertures, exposure_s=seconds))),
        "reg": text(lambda: ds9_regions(found)),
        "png": picture,
        "yaml": text(lambda: _yaml(facts)),
        "zones": text(lambda: csv_text(*zone_table(found.stars))),
    }


def _yaml(facts: Told) -> str:
    import yaml

    out = io.StringIO()
    yaml.safe_dump(finite(facts), out, sort_keys=False, allow_unicode=True)
    return out.getvalue()


def seconds_of(described: FrameDescription, unit: str) -> float | None:
    """Seconds the light was gathered for: 1 for frames per second; None where the header does not say."""
    if unit.replace(" ", "").endswith(_PER_SECOND):
        return 1.0
    exposure = described.exposure_s
    return exposure if exposure is not None and np.isfinite(exposure) and exposure > 0.0 else None


def egain_of(described: FrameDescription, unit: str) -> float | None:
    """Electrons per unit of the frame; None where it is not known."""
    if unit == "electron":
        return 1.0
    return described.egain if unit == "adu" and described.egain and described.egain > 0.0 else None


def _line(told: Told) -> str:
    sources, psf, sky = told["source_info"], told["psf_info"], told["background_info"]
    width = "- px" if psf["fwhm_px"] is None else f"{psf['fwhm_px']:.2f} px"
    width += "" if psf["fwhm_arcsec"] is None else f" ({psf['fwhm_arcsec']:.2f} arcsec)"
    beta = "-" if psf["beta"] is None else f"{psf['beta']:.2f}"
    radius = "-" if psf["hfr_px"] is None else f"{psf['hfr_px']:.2f}"
    level = "-" if sky["level"] is None else f"{sky['level']:.6g}"
    line = (
        f"{told['input']}: {sources['stars']} stars of {sources['sources']} sources, FWHM {width}, beta {beta}, "
        f"HFR {radius} px, sky {level} {sky['unit']}; {sources['saturated']} saturated, {sources['spikes']} hot or hit "
        f"pixels, {sources['trails']} trails"
    )
    return "\n  ".join([line, *told["cautions"]])

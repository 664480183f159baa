"""One light from raw file to a calibrated, measured and solved product; runs in a child."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from astropy.io import fits

from pictor.calibration_stacker.compute import calibrate
from pictor.calibration_stacker.sensor import place_of
from pictor.cli.calib_files import sha256_of
from pictor.cli.calib_stack import bias_level
from pictor.cli.processing.unpacking import opened
from pictor.imaging.calibration.mending import repair_frame
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.reading import read_frame
from pictor.imaging.fits.result_cards import quality_cards, solution_cards
from pictor.imaging.fits.sealing import seal
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.fits.wcs_cards import is_stale
from pictor.imaging.frame import Frame
from pictor.imaging.preview.rendering import render_small
from pictor.imaging.products import Input, Provenance, write_product
from pictor.quality.compute import measure
from pictor.runtime.version import SOFTWARE

STARS, THUMBNAIL, LIGHT = "stars.fits", "thumbnail.webp", "light.fits"
MAP = "bad_pixels"


@dataclass(slots=True)
class _Clock:
    """Seconds of every stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = round(time.monotonic() - begin, 3)


def process_light(
    *,
    source: Mapping[str, str | None],
    seen: Mapping[str, Any],
    masters: Mapping[str, str],
    out: str,
    scratch: str,
    dark_scale: float = 1.0,
    weak: bool = False,
    cosmics: bool = False,
    solving: Mapping[str, Any] | None = None,
) -> dict[str, object]:
    """Calibrate, measure and solve one light.

    Parameters
    ----------
    source
        Where the raw file is; it is not changed.
    seen
        What its survey told.
    masters
        Paths by kind: ``bias``, ``dark``, ``flat``, ``bad_pixels``; of ``bad_pixels`` alone only these are mended;
        empty: it goes on as it is.
    out
        Path of the product without ending; ``.fits``, ``_stars.fits`` and ``.webp`` are added.
    scratch
        Empty folder on the same file system.
    dark_scale, weak, cosmics
        As for the calibration.
    solving
        Further arguments of the solver; None: it is not solved.

    Returns
    -------
    dict
        ``calibration`` (None where nothing was applied), ``mended`` (bad pixels of a light no master was applied to),
        ``quality``, ``stars``, ``solution`` (None where unsolved), ``unsolved`` (sentence), ``reason``, ``outputs``,
        ``planes`` and ``seconds`` by stage.
    """
    folder, clock, described = Path(scratch), _Clock(), seen["description"]
    with clock.of("read"):
        raw = opened(source, folder)
        if seen["packed"]:
            raw = unpack(raw, folder).path
    mapped = None if masters.keys() != {MAP} else Path(masters[MAP])
    masters = {} if mapped is not None else masters
    with clock.of("calibrate"):
        applied = apply_masters(raw, folder, seen, masters, dark_scale=dark_scale, weak=weak, cosmics=cosmics)
    with clock.of("measure"):
        measured = _measured(raw, folder, seen, masters if dark_scale == 1.0 else {}, applied)
    with clock.of("solve"):
        solved = _solved(folder, described, solving, measured, pedestal_removed=bool(masters))
    with clock.of("write"):
        product, mended = folder / LIGHT, 0
        if applied is None:
            mended = _uncalibrated(raw, product, str(source.get("member") or source["path"]), mapped)
        planes = _finish(product, measured["quality"], solved)
        render_small(read_frame(product).data, bayer=described.get("bayer"), scratch=folder, **_upright(described))
        outputs = _placed(folder, Path(out))
    return {
        "calibration": applied, "mended": mended, "quality": measured["quality"],
        "stars": measured["stars"], "solution": None if solved is None else solved["solution"],
        "photometry": None if solved is None else solved["photometry"],
        "unsolved": "not asked for" if solved is None else solved["message"],
        "reason": "not-asked" if solved is None else solved["reason"],
        "outputs": outputs, "planes": planes, "seconds": clock.seconds,
    }  # fmt: skip


def apply_masters(
    raw: Path,
    folder: Path,
    seen: Mapping[str, Any],
    masters: Mapping[str, str],
    **how: Any,  # noqa: ANN401
) -> dict[str, Any] | None:
    """Apply masters into ``light.fits`` of a folder; a bias beside a dark that holds it only tells the level."""
    if not masters:
        return None
    described, measured = seen["description"], seen["statistics"]
    applied = {kind: path for kind, path in masters.items() if kind != "bias_level"}
    level = bias_level(Path(masters["bias_level"])) if "bias_level" in masters else None
    named = {kind: path for kind, path in applied.items() if kind != "bad_pixels"}
    found = calibrate(
        path=str(raw), scratch=str(folder), masters=applied,
        identities={kind: Path(path).name for kind, path in named.items()},
        sha256s={kind: sha256_of(Path(path)) for kind, path in named.items()},
        egain=described.get("egain"), bias_level_adu=level, saturation_adu=measured.get("saturation_adu"),
        bayer=bool(described.get("bayer")), software=SOFTWARE, sensor=place_of(described), **how,
    )  # fmt: skip
    Path(str(found.pop("path"))).replace(folder / LIGHT)
    return found


def _measured(
    raw: Path, folder: Path, seen: Mapping[str, Any], masters: Mapping[str, str], applied: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Measure as the services do: the raw pixels with the masters applied in memory, or the calibrated ones."""
    described = seen["description"]
    dark, flat = masters.get("dark") or masters.get("bias"), masters.get("flat")
    in_memory = dark is not None and ("dark" in masters) != ("bias" in masters)
    pixels = raw if in_memory or applied is None else folder / LIGHT
    return measure(
        str(pixels), str(folder), dark_path=dark if in_memory else None, flat_path=flat if in_memory else None,
        egain=described.get("egain"), saturation_adu=seen["statistics"].get("saturation_adu"),
        bayer=described.get("bayer"),
    )  # fmt: skip


def _solved(
    folder: Path,
    described: Mapping[str, Any],
    solving: Mapping[str, Any] | None,
    measured: Mapping[str, Any],
    *,
    pedestal_removed: bool,
) -> dict[str, Any] | None:
    from pictor.astrometry.compute import solve

    if solving is None:
        return None
    sky = measured["quality"].get("background_adu")
    return solve(
        str(folder / STARS), str(folder), exposure_s=described.get("exposure_s"), background_adu=sky,
        pedestal_removed=pedestal_removed, **solving,
    )  # fmt: skip


def _uncalibrated(raw: Path, product: Path, name: str, mapped: Path | None) -> int:
    """Write a light no master was applied to in the form of the others; return how many bad pixels were mended."""
    frame = Frame.from_fits(raw)
    if frame.data.ndim == 3 and len(frame.data) == 1:
        frame = replace(frame, data=frame.data[0], err=None if frame.err is None else frame.err[0])
    inputs, notes = [replace(Input.of(raw), name=Path(name).name)], ["no master was applied by this run"]
    if mapped is not None:
        bad = fits.getdata(mapped)
        if bad.shape == frame.data.shape:
            frame = repair_frame(frame, bad, bayer=bool(frame.header.get("BAYERPAT")))
            inputs.append(Input.of(mapped))
            notes.append("bad columns and rows replaced by the median of good neighbours")
    write_product(product, frame, Provenance("process", inputs, {}, SOFTWARE, notes))
    return int(frame.header.get("BPIXNFIX", 0)) if len(inputs) > 1 else 0


def _finish(product: Path, quality: Mapping[str, Any], solved: Mapping[str, Any] | None) -> int:
    """Write what was measured and solved into the header; return the number of colour planes."""
    with fits.open(product, mode="update", checksum=False, memmap=False) as units:
        header = units[0].header
        cards = [*quality_cards(quality)]
        if solved is not None and solved["solution"] is not None:
            for keyword in {key for key in header if is_stale(key)}:
                header.remove(keyword, ignore_missing=True, remove_all=True)
            cards += [*solution_cards({**solved["solution"], **(solved["photometry"] or {})})]
            cards += solved["cards"]
        for keyword, value, comment in cards:
            header[keyword] = (value, comment)
        header.add_history(f"{SOFTWARE} process: quality and solution")
        seal(units)
        shape: Sequence[int] = units[0].shape
    return shape[0] if len(shape) > 2 else 1


def _upright(described: Mapping[str, Any]) -> dict[str, Any]:
    offset = (int(described.get("bayer_offset_x") or 0), int(described.get("bayer_offset_y") or 0))
    order = described.get("row_order")
    return {"bayer_offset": offset, "row_order": order if order in {"TOP-DOWN", "BOTTOM-UP"} else "TOP-DOWN"}


def _placed(folder: Path, out: Path) -> dict[str, str]:
    """Give the files their names, the frame last: a frame that is there is whole."""
    out.parent.mkdir(parents=True, exist_ok=True)
    placed = {}
    for made, ending in ((STARS, "_stars.fits"), (THUMBNAIL, ".webp"), (LIGHT, ".fits")):
        target = out.with_name(f"{out.name}{ending}")
        if not (folder / made).exists():
            raise ImagingError(f"the step left no {made}", reason="no-product")
        (folder / made).replace(target)
        placed[made.split(".", maxsplit=1)[0]] = str(target)
    return placed

"""Lights in files coadded."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from pictor.cli.client import CommandError
from pictor.cli.stages.resample import Wish, grid_in, grid_wanted
from pictor.cli.stages.running import Told, checked, finite, once, refusal, require_free
from pictor.cli.telling import tell
from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.coadd.coadding import Coadded, coadd_files
from pictor.imaging.coadd.products import write_coadd, write_weight
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import image_of, read_cards, read_header
from pictor.imaging.fits.unpack import unpack
from pictor.imaging.frame import Frame
from pictor.imaging.headers.describe import describe
from pictor.imaging.products import Input, Provenance
from pictor.imaging.registration.stars import match_stars, places_of
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid
from pictor.imaging.resampling.resampling import require_plain
from pictor.imaging.scratch import scratch_folder
from pictor.runtime.version import SOFTWARE

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Manner:
    """How to coadd."""

    method: str
    sigma: float
    weights: str
    scale_flux: str
    background: str
    by: str
    kernel: str


def main(
    files: Sequence[Path], outs: tuple[Path, Path | None], wish: Wish, manner: Manner, *, overwrite: bool, json: bool
) -> int:
    """Coadd all lights; 0: done, 1: one was refused, 2: the call was wrong."""
    refused: list[Told] = []

    def run() -> int:
        require_free([one for one in outs if one is not None], overwrite=overwrite, inputs=[*files, wish.onto])
        work = partial(_coadd, files, outs, wish, manner, overwrite=overwrite, refused=refused)
        code = once(work, say=_line, json=json, inputs=[*files, wish.onto])
        return code or int(bool(refused))

    return checked(run)


def _coadd(
    files: Sequence[Path],
    outs: tuple[Path, Path | None],
    wish: Wish,
    manner: Manner,
    *,
    overwrite: bool,
    refused: list[Told],
) -> Told:
    readable = _without_refused(files, _described, refused)
    notes = _notes(readable, manner)
    kept, onto = _target(readable, wish, manner, refused)
    scale = True if manner.scale_flux == "auto" else manner.scale_flux
    weights = None if manner.weights == "equal" else manner.weights
    done = coadd_files(
        kept, method=manner.method, sigma=manner.sigma, weights=weights, onto=onto, scale_flux=scale,
        background=manner.background, kernel=manner.kernel,
    )  # fmt: skip
    by = "wcs" if isinstance(onto, Grid) else "stars"
    settings = {**asdict(manner), "by": by, "sigma": manner.sigma if manner.method == "clipped" else None}
    made = Provenance("coadd", [Input.of(path) for path in kept], settings, SOFTWARE)
    write_coadd(outs[0], done, made, overwrite=overwrite)
    if outs[1] is not None:
        write_weight(outs[1], done, made, overwrite=overwrite)
    return {**_told(kept, outs, done, by), "notes": notes, "refused": refused}


def _target(
    readable: Sequence[tuple[Path, "_Light"]], wish: Wish, manner: Manner, refused: list[Told]
) -> tuple[list[Path], Grid | list[Transform]]:
    """Say which lights can be used and where they are brought to: a grid on the sky, or the first light's pixels."""
    kept = [path for path, _ in readable]
    by_sky = manner.by == "wcs" or (manner.by == "auto" and all(light.solved for _, light in readable))
    if by_sky:
        if manner.by == "wcs":
            kept = [path for path, _ in _without_refused(kept, grid_in, refused)]
        _require_some(kept)
        return kept, grid_wanted(kept, wish)
    if wish != Wish():
        raise CommandError("a grid can be chosen only for lights with world coordinates: solve them first", 2)
    _require_some(kept)
    first = Frame.from_fits(kept[0])
    stars = places_of(first)

    def onto_first(path: Path) -> Transform:
        return match_stars(stars, places_of(Frame.from_fits(path))).onto(first.wcs)

    found = _without_refused(kept[1:], onto_first, refused)
    return [kept[0], *(path for path, _ in found)], [
        Transform.identity(first.shape, first.wcs),
        *(transform for _, transform in found),
    ]


def _without_refused(paths: Sequence[Path], work: Callable[[Path], T], refused: list[Told]) -> list[tuple[Path, T]]:
    """Do something to every light; one that is refused is named and left out."""
    found = []
    for path in paths:
        try:
            found.append((path, work(path)))
        except (ImagingError, OSError) as error:
            refused.append(refusal(path, error))
    return found


def _require_some(kept: Sequence[Path]) -> None:
    if not kept:
        raise ImagingError("no light is left to coadd", reason="no-frames")


@dataclass(frozen=True, slots=True)
class _Light:
    """What the header of a light says: whether it has world coordinates, its filter and exposure."""

    solved: bool
    filter: str | None
    exposure_s: float | None


def _described(path: Path) -> _Light:
    """Read what the header of a light says.

    Raises
    ------
    ImagingError
        If it is no frame, or has colour planes or a mosaic.
    """
    with scratch_folder() as scratch:
        plain = unpack(path, scratch).path
        header, prescanned = read_header(plain), prescan_file(plain)
        shape = image_of(prescanned).shape
        seen = describe(read_cards(plain, prescanned), name=path.name)
    if len(shape) != 2:
        raise ImagingError(f"it has {shape[0]} colour planes; coadd them one by one", reason="frame-mismatch")
    require_plain(header, 2)
    return _Light(read_wcs(header) is not None, seen.filter, seen.exposure_s)


def _notes(lights: Sequence[tuple[Path, _Light]], manner: Manner) -> list[str]:
    """Tell what a person who meant it knows, and one who did not wants to: several filters, unknown exposures."""
    notes = []
    filters = Counter(light.filter or "none told" for _, light in lights)
    if len(filters) > 1:
        told = ", ".join(f"{name} ({count})" for name, count in filters.items())
        notes.append(f"the lights were taken through several filters: {told}")
    untold = [path.name for path, light in lights if not light.exposure_s]
    if untold and len(lights) > 1 and manner.scale_flux in {"auto", "exposure"} and manner.method != "sum":
        notes.append(
            f"{len(untold)} lights tell no exposure and are not scaled by it, as {untold[0]}: --scale-flux stars"
        )
    for note in notes:
        tell(f"note: {note}", file=sys.stderr)
    return notes


def _told(files: Sequence[Path], outs: tuple[Path, Path | None], done: Coadded, by: str) -> Told:
    ny, nx = done.frame.shape
    rows = zip(files, done.scales, done.weights, done.rejected, strict=True)
    told: Told = finite({
        "output": str(outs[0]), "weight": None if outs[1] is None else str(outs[1]), "lights": len(files), "by": by,
        "columns": nx, "rows": ny, "total_exposure_s": done.total_exposure_s, "noise_correlation": done.correlation,
        "inputs": [
            {"input": str(path), "scale": scale, "weight": weight, "rejected": rejected}
            for path, scale, weight, rejected in rows
        ],
    })  # fmt: skip
    return told


def _line(told: Told) -> str:
    exposure = told["total_exposure_s"]
    total = "total exposure unknown" if exposure is None else f"total exposure {exposure:g} s ({exposure / 3600:.2f} h)"
    lines = [
        f"{one['input']}: scale {one['scale']:.4f}, weight {one['weight']:.3f}, {one['rejected']} samples rejected"
        for one in told["inputs"]
    ]
    return "\n".join([
        *lines, f"{told['output']}: {told['lights']} lights, {told['columns']} x {told['rows']} pixels, {total}",
    ])  # fmt: skip

"""Lights in files coadded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.resample import Wish, grid_wanted
from pictor.cli.stages.running import Told, checked, finite, once, require_free
from pictor.imaging.astrometry.cards import read_wcs
from pictor.imaging.coadd.coadding import Coadded, coadd_files
from pictor.imaging.coadd.products import write_coadd, write_weight
from pictor.imaging.errors import ImagingError
from pictor.imaging.fits.reading import read_header
from pictor.imaging.frame import Frame
from pictor.imaging.products import Input, Provenance
from pictor.imaging.registration.stars import match_stars, stars_of
from pictor.imaging.registration.transform import Transform
from pictor.imaging.resampling.grid import Grid
from pictor.runtime.version import SOFTWARE


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

    def run() -> int:
        require_free([one for one in outs if one is not None], overwrite=overwrite)
        return once(lambda: _coadd(files, outs, wish, manner, overwrite=overwrite), say=_line, json=json)

    return checked(run)


def _coadd(
    files: Sequence[Path], outs: tuple[Path, Path | None], wish: Wish, manner: Manner, *, overwrite: bool
) -> Told:
    onto = _target(files, wish, manner)
    scale = True if manner.scale_flux == "auto" else manner.scale_flux
    weights = None if manner.weights == "equal" else manner.weights
    done = coadd_files(
        files, method=manner.method, sigma=manner.sigma, weights=weights, onto=onto, scale_flux=scale,
        background=manner.background, kernel=manner.kernel,
    )  # fmt: skip
    by = "wcs" if isinstance(onto, Grid) else "stars"
    settings = {**asdict(manner), "by": by, "sigma": manner.sigma if manner.method == "clipped" else None}
    made = Provenance("coadd", [Input.of(path) for path in files], settings, SOFTWARE)
    write_coadd(outs[0], done, made, overwrite=overwrite)
    if outs[1] is not None:
        write_weight(outs[1], done, made, overwrite=overwrite)
    return _told(files, outs, done, by)


def _target(files: Sequence[Path], wish: Wish, manner: Manner) -> Grid | list[Transform]:
    """Say where the lights are brought to: a grid on the sky, or the first light's pixels."""
    asked = wish.onto or wish.centre or wish.size or wish.scale or wish.north_up
    by_sky = manner.by == "wcs" or (manner.by == "auto" and all(_solved(path) for path in files))
    if by_sky:
        return grid_wanted(files, wish)
    if asked:
        raise CommandError("a grid can be chosen only for lights with world coordinates: solve them first", 2)
    first = Frame.from_fits(files[0])
    stars, found = stars_of(first), [Transform.identity(first.shape, first.wcs)]
    for path in files[1:]:
        try:
            found.append(match_stars(stars, stars_of(Frame.from_fits(path))).onto(first.wcs))
        except ImagingError as error:
            raise ImagingError(f"{path}: {error}", reason=error.reason) from error
    return found


def _solved(path: Path) -> bool:
    return read_wcs(read_header(path)) is not None


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

"""Continuum subtraction of two frames in files."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.running import Told, checked, finite, once, read_frame, require_free
from pictor.imaging.compositing.aligning import align
from pictor.imaging.continuum.subtraction import SKIES, ContinuumSubtracted, continuum_subtract
from pictor.imaging.products import Input, Provenance, write_product
from pictor.runtime.version import SOFTWARE


@dataclass(frozen=True, slots=True)
class Wish:
    """What the caller chose."""

    scale: float | None
    line_in_broad: float
    sky: str
    saturation: float | None
    other_line: tuple[str, ...] = ()


def main(pair: tuple[Path, Path], out: Path, wish: Wish, *, overwrite: bool, json: bool) -> int:
    """Subtract; 0: done, 1: refused, 2: the call was wrong."""

    def run() -> int:
        if wish.sky not in SKIES:
            raise CommandError(f"--sky is one of {', '.join(SKIES)}, not {wish.sky}", 2)
        others = [_other(text) for text in wish.other_line]
        inputs = [*pair, *(path for path, _ in others)]
        require_free([out], overwrite=overwrite, inputs=inputs)
        return once(
            lambda: _subtract(pair, out, wish, others, overwrite=overwrite), say=_line, json=json, inputs=inputs
        )

    return checked(run)


def _other(text: str) -> tuple[Path, float]:
    """Read LINE=SHARE.

    Raises
    ------
    CommandError
        If it is not a file that is there, and a number.
    """
    name, _, share = text.rpartition("=")
    try:
        found = Path(name), float(share)
    except ValueError:
        found = Path(), -1.0
    if not (found[0].is_file() and found[1] > 0):
        raise CommandError(f"--other-line is a file and a number, as line_Ha.fits=0.33, not {text}", 2)
    return found


def _subtract(
    pair: tuple[Path, Path], out: Path, wish: Wish, others: Sequence[tuple[Path, float]], *, overwrite: bool
) -> Told:
    narrow, broad = (read_frame(path).plane() for path in pair)
    aligned = align(broad, narrow)
    lines = [(align(read_frame(path).plane(), narrow), share) for path, share in others]
    made = continuum_subtract(
        narrow, aligned, scale=wish.scale, line_in_broad=wish.line_in_broad, other_lines=lines, sky=wish.sky,
        saturation=(wish.saturation, wish.saturation),
    )  # fmt: skip
    told = _told(made) | {"resampled": aligned is not broad, "output": str(out)}
    notes = [f"{pair[0].name} - {made.scale.value:.6g} x {pair[1].name}, the {made.convolved} frame convolved"]
    if aligned is not broad:
        notes.append(f"{pair[1].name} was resampled onto the grid of {pair[0].name}")
    settings = {name: value for name, value in asdict(wish).items() if value is not None and name != "other_line"}
    settings |= {"other_line": ", ".join(f"{path.name}={share:g}" for path, share in others)} if others else {}
    files = [*pair, *(path for path, _ in others)]
    made_by = Provenance("contsub", [Input.of(path) for path in files], settings, SOFTWARE, notes)
    write_product(out, made.line, made_by, overwrite=overwrite)
    return told


def _told(made: ContinuumSubtracted) -> Told:
    told: Told = finite(
        {
            "scale": made.scale.value,
            "scale_error": made.scale.error,
            "scatter": made.scale.scatter,
            "star_count": made.scale.star_count,
            "convolved": made.convolved,
            "kernel_fwhm": made.kernel.fwhm,
            "kernel_star_count": made.kernel.star_count,
            "fwhm_narrow": made.fwhm_narrow,
            "fwhm_broad": made.fwhm_broad,
            "shift": made.shift,
            "sky": made.sky,
            "saturated_count": made.saturated_count,
        }
    )
    return told


def _line(told: Told) -> str:
    return (
        f"{told['output']}: k {told['scale']:.5f} +- {told['scale_error']:.5f} from {told['star_count']} stars "
        f"(scatter {100 * told['scatter']:.1f} %), {told['convolved']} frame convolved by {told['kernel_fwhm']:.2f} px"
    )

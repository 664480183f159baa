"""Quality of frames in files."""

import json as jsonlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pictor.cli.client import CommandError
from pictor.cli.stages.measured import csv_of, document, graded, measure_file, yaml_of
from pictor.cli.stages.running import Told, checked, refusal, require_free, shown, write_text
from pictor.cli.stages.stars import How
from pictor.cli.stages.sums import sums_beside
from pictor.cli.telling import tell
from pictor.imaging.errors import ImagingError
from pictor.imaging.products import write_whole

__all__ = ["How", "main"]

_FORMS: dict[str, Callable[[list[Told]], str]] = {
    ".json": lambda rows: jsonlib.dumps(document(rows), indent=2, allow_nan=False) + "\n",
    ".yaml": lambda rows: yaml_of(document(rows)),
    ".yml": lambda rows: yaml_of(document(rows)),
    ".csv": csv_of,
}
_COLUMNS = (
    ("stars", "star_count", "{:6d}"), ("FWHM", "fwhm_px", "{:6.2f}"), ("HFR", "hfr_px", "{:6.2f}"),
    ("ecc", "eccentricity", "{:5.2f}"), ("sky", "background_adu", "{:9.5g}"), ("noise", "noise_adu", "{:9.4g}"),
    ("trails", "trail_count", "{:6d}"),
)  # fmt: skip


def main(files: Sequence[Path], out: Path | None, *, how: How, rules: str, overwrite: bool, json: bool) -> int:
    """Measure and grade all frames; 0: all done, 1: one was refused, 2: the call was wrong."""

    def run() -> int:
        if out is not None:
            if out.suffix.lower() not in _FORMS:
                raise CommandError(f"{out}: the ending must be one of {', '.join(_FORMS)}", 2)
            require_free([out], overwrite=overwrite, inputs=files)
        rows, refused = measure_files(files, how)
        rows = graded(rows, rules)
        if out is not None:
            text = _FORMS[out.suffix.lower()](rows)
            write_whole(out, partial(_write, text=text), overwrite=overwrite)
        if json:
            tell(jsonlib.dumps(document([*rows, *refused]), indent=2, allow_nan=False))
        elif rows:
            tell(table(rows))
        return 1 if refused else 0

    return checked(run)


def measure_files(files: Sequence[Path], how: How) -> tuple[list[Told], list[Told]]:
    """Measure every frame, with progress; give rows, and what was refused with its reason."""
    rows: list[Told] = []
    refused: list[Told] = []
    for path in shown(files, "quality"):
        try:
            rows.append({"input": str(path), **sums_beside([path], partial(measure_file, path, how))})
        except (ImagingError, OSError) as error:
            refused.append(refusal(path, error))
    return rows, refused


def table(rows: Sequence[Told]) -> str:
    """Show rows as text, each followed by what is wrong with it."""
    width = max((len(row["file"]) for row in rows), default=4)
    sizes = [len(form.format(0)) for _, _, form in _COLUMNS]
    head = " ".join(title.rjust(size) for (title, _, _), size in zip(_COLUMNS, sizes, strict=True))
    lines = [f"{'frame'.ljust(width)} grade {head}"]
    for row in rows:
        cells = [
            "-".rjust(size) if (value := row["metrics"].get(name)) is None else form.format(value)
            for (_, name, form), size in zip(_COLUMNS, sizes, strict=True)
        ]
        lines.append(f"{row['file'].ljust(width)} {row['grade']['letter']:>5} {' '.join(cells)}")
        told = dict.fromkeys((*row["grade"]["reasons"], *row["cautions"]))
        lines += [f"{' ' * width}       {reason}" for reason in told]
    return "\n".join(lines)


def _write(path: Path, *, text: str) -> None:
    write_text(path, text)

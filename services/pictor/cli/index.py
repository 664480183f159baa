"""Star indexes: what is there, what it covers, and how to get more."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path

from pictor.astrometry import indexes
from pictor.astrometry.indexes import Coverage
from pictor.cli.client import CommandError, guarded


def _folders(folder: Path | None) -> list[Path]:
    sample = indexes.sample_folder()
    return [*([folder] if folder else []), *([sample] if sample else [])]


def show(folder: Path | None, *, json: bool) -> int:
    """List indexes and the fields they cover; exit 1 when there is none."""
    return _print(indexes.check(_folders(folder)), json=json)


def check(folder: Path | None, *, json: bool) -> int:
    """Read every index; exit 1 when one is damaged or there is none."""
    return _print(indexes.check(_folders(folder), deep=True), json=json)


def _print(coverage: Coverage, *, json: bool) -> int:
    if json:
        print(jsonlib.dumps(asdict(coverage), default=str, indent=1))
    else:
        for index in coverage.indexes:
            sizes = f"{index.quad_low:6.1f} to {index.quad_high:6.1f} arcmin"
            print(f"{index.path.name:<28} patterns {sizes}  {index.path.parent}")
        for damaged in coverage.unusable:
            print(f"{damaged.path.name:<28} cannot be used: {damaged.reason}")
        print(f"fields covered (arcmin): {', '.join(map(str, coverage.covered_arcmin)) or 'none'}")
        print("more: pictor index install FOLDER --source debian")
    return 0 if coverage.indexes and not coverage.unusable else 1


def install(folder: Path, names: list[str], *, source: str, json: bool) -> int:
    """Install indexes from what is present, Debian packages, or the internet."""
    from pictor.astrometry import installing

    try:
        done = installing.install(folder, names, source=source)
    except installing.InstallError as error:
        return guarded(CommandError(str(error)))
    if json:
        print(jsonlib.dumps([str(path) for path in done]))
    else:
        print(f"{len(done)} index files in {folder}")
    return 0

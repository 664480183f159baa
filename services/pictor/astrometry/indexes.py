"""Star indexes: which are installed, what they cover, and which fit a field."""

import hashlib
import importlib.util
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from astropy.io import fits

from pictor.astrometry.backends.protocol import Hints
from pictor.imaging.astrometry.geometry import separation

_SMALLEST_QUAD = 0.1
"""The engine takes patterns of at least a tenth of the stars' extent."""
_BASE_CELL_DEG = 58.6
_HASH_CHUNK = 1024**2
_FIELDS_ARCMIN = (5, 10, 15, 20, 30, 45, 60, 90, 120, 240, 480, 1200)


@dataclass(frozen=True, slots=True)
class Index:
    """One astrometry.net index file; pattern sizes in arcmin, ``nside`` 0 when it covers the sky."""

    path: Path
    index_id: int
    quad_low: float
    quad_high: float
    stars: int
    quads: int
    healpix: int
    nside: int
    size: int
    sample: bool


@dataclass(frozen=True, slots=True)
class Unusable:
    """A file in an index folder that cannot be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Index files by the width of the field they can solve; gaps are fields without any."""

    indexes: tuple[Index, ...]
    unusable: tuple[Unusable, ...]
    covered_arcmin: tuple[int, ...]
    gaps_arcmin: tuple[int, ...]
    sample_only: bool


def sample_folder() -> Path | None:
    """Folder of the small index that ships with the simulator, for the fields it simulates."""
    spec = importlib.util.find_spec("pictor.imaging.simulator")
    places = list(spec.submodule_search_locations or ()) if spec else []
    folder = Path(places[0]) / "data" if places else None
    return folder if folder and folder.is_dir() else None


def installed(folders: Iterable[Path]) -> tuple[Index, ...]:
    """Find the usable index files of some folders, finest patterns first."""
    return tuple(item for item in _look(folders) if isinstance(item, Index))


def check(folders: Iterable[Path], *, deep: bool = False) -> Coverage:
    """Find out which fields of view the installed indexes cover.

    Parameters
    ----------
    folders
        Where index files are.
    deep
        Walk through every table of every file, which finds files cut short.

    Returns
    -------
    Coverage
        The files, what is wrong with the others, and covered field widths.
    """
    items = _look(folders)
    bad = [item for item in items if isinstance(item, Unusable)]
    good = [item for item in items if isinstance(item, Index)]
    if deep:
        damage = {index.path: damage_of(index.path) for index in good}
        bad += [Unusable(path, reason) for path, reason in damage.items() if reason]
        good = [index for index in good if not damage[index.path]]
    real = [index for index in good if not index.sample]
    covered = tuple(width for width in _FIELDS_ARCMIN if any(_matches(i, width, width) for i in real))
    gaps = tuple(width for width in _FIELDS_ARCMIN if width not in covered)
    return Coverage(tuple(good), tuple(bad), covered, gaps, sample_only=bool(good) and not real)


def fitting(indexes: Sequence[Index], hints: Hints, width: int, height: int) -> tuple[Index, ...]:
    """Choose the indexes with patterns of the field's size, near the believed position.

    Parameters
    ----------
    indexes
        What is installed.
    hints
        Scale limits and position; without them every index is chosen.
    width, height
        Frame size, in pixels.

    Returns
    -------
    tuple
        The indexes that can match, finest patterns first.
    """
    chosen = list(indexes)
    if hints.scale_low is not None and hints.scale_high is not None:
        shortest = min(width, height) * hints.scale_low / 60
        longest = math.hypot(width, height) * hints.scale_high / 60
        chosen = [index for index in chosen if _matches(index, shortest, longest)]
    if hints.position is not None:
        chosen = [index for index in chosen if near(index, hints.position, hints.radius_deg)]
    return tuple(chosen)


def near(index: Index, position: tuple[float, float], radius_deg: float) -> bool:
    """Tell whether an index has stars within a radius of a position (all-sky indexes always have)."""
    if index.nside == 0 or index.nside & (index.nside - 1):
        return True
    centre = _cell_centre(index.healpix, index.nside)
    return separation(centre, position) <= radius_deg + _BASE_CELL_DEG / index.nside


def sha256(path: Path) -> str:
    """Digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def damage_of(path: Path) -> str | None:
    """Say what is wrong with an index file when every table is walked through, or None."""
    try:
        with fits.open(path, memmap=True, lazy_load_hdus=False) as tables:
            names = {column.name for table in tables[1:] for column in table.columns}
            end = max(table.fileinfo()["datLoc"] + table.fileinfo()["datSpan"] for table in tables)
    except Exception as error:  # noqa: BLE001 - astropy raises eleven kinds on damaged files
        return f"it cannot be read ({error})"
    missing = {"quads", "kdtree_data_codes", "kdtree_data_stars", "kdtree_range_stars"} - names
    if missing:
        return f"it lacks {', '.join(sorted(missing))}"
    size = path.stat().st_size
    return f"it is cut short: {size} of {end} bytes" if size < end else None


def _look(folders: Iterable[Path]) -> list[Index | Unusable]:
    """Identify every file once, whatever folder names it."""
    found: dict[Path, Index | Unusable] = {}
    sample = sample_folder()
    for folder in folders:
        for path in sorted(folder.glob("*.fits")) if folder.is_dir() else ():
            real = path.resolve()
            status = real.stat()
            item = _identify(real, status.st_size, status.st_mtime_ns, sample=folder == sample)
            if item is not None:
                found.setdefault(real, item)
    return sorted(found.values(), key=lambda item: (item.quad_low if isinstance(item, Index) else 0.0, item.path))


@lru_cache(maxsize=4096)
def _identify(path: Path, size: int, changed: int, *, sample: bool) -> Index | Unusable | None:
    """Read the primary header; None when the file is no index. ``changed`` only renews the cache."""
    del changed
    try:
        header = fits.getheader(path, 0)
        if str(header.get("AN_FILE", "")).strip() not in ("QUAD", "INDEX"):
            return None
        if str(header["ENDIAN"]) != "04:03:02:01":
            return Unusable(path, "it is made for big-endian machines")
        low, high = (math.degrees(float(header[key])) * 60 for key in ("SCALE_L", "SCALE_U"))
        numbers = [int(header[key]) for key in ("INDEXID", "NSTARS", "NQUADS", "HEALPIX", "HPNSIDE")]
    except Exception as error:  # noqa: BLE001 - astropy raises eleven kinds on damaged files
        return Unusable(path, f"its header cannot be read ({error})")
    index_id, stars, quads, healpix, nside = numbers
    if not 0 < low <= high or stars <= 0 or quads <= 0:
        return Unusable(path, f"its header is wrong: {stars} stars, {quads} patterns of {low:g} to {high:g} arcmin")
    return Index(path, index_id, low, high, stars, quads, healpix, max(0, nside if healpix >= 0 else 0), size, sample)


def _matches(index: Index, shortest_arcmin: float, longest_arcmin: float) -> bool:
    """Tell whether patterns of this index fit into a field and are not lost in it."""
    return index.quad_low <= longest_arcmin and index.quad_high >= _SMALLEST_QUAD * shortest_arcmin


def _cell_centre(cell: int, nside: int) -> tuple[float, float]:
    """Centre of a cell; astrometry.net counts base cell, then x, then y, HEALPix interleaves the bits of x and y."""
    from cdshealpix import nested  # noqa: PLC0415 - only split indexes need it

    base, rest = divmod(cell, nside * nside)
    x, y = divmod(rest, nside)
    order = nside.bit_length() - 1
    mixed = sum(((x >> bit & 1) | (y >> bit & 1) << 1) << 2 * bit for bit in range(order))
    lon, lat = nested.healpix_to_lonlat([base * nside * nside + mixed], order)
    return float(lon[0].deg), float(lat[0].deg)

"""Stack frames from files to a master file; the parts of it are those of the service."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from astropy.io import fits

from pictor.imaging.calibration.badindark import mark_bad_pixels
from pictor.imaging.calibration.badpixels import BAD
from pictor.imaging.calibration.below import Below, dark_for_flats, digest_of
from pictor.imaging.calibration.building import Built, Recipe, build, write_built
from pictor.imaging.calibration.cards import Inputs, master_cards, mean_of, read_inputs, start_of
from pictor.imaging.calibration.detector import DetectorFacts, detector_facts
from pictor.imaging.calibration.masters import (
    Card,
    Kind,
    master_header,
    write_map,
)
from pictor.imaging.calibration.unlike import mark_unsteady, unlike
from pictor.imaging.combine.combining import Statistics
from pictor.imaging.combine.method import Method
from pictor.imaging.errors import ImagingError
from pictor.imaging.types import Mask
from pictor.imaging.version import VERSION

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Group:
    """Individual frames in the order they are combined, their headers, and the cards of the first."""

    paths: tuple[Path, ...]
    inputs: Inputs
    first: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class StackedFile:
    """A master made of files.

    ``bad_pixels`` is the map of a dark, None of other kinds; ``unlike`` names the frames that do not show what the
    others show, each with its sentence: they are in the master, which is better made without them.
    """

    path: Path
    bad_pixels: Path | None
    statistics: Statistics
    facts: DetectorFacts
    unlike: Mapping[str, str] = field(default_factory=dict)


def stack_files(
    paths: Sequence[Path],
    out: Path,
    *,
    kind: Kind,
    dark: Path | None = None,
    bad_pixels: Path | None = None,
    method: Method = Method.SIGMA_CLIP,
    sigma: float = 3.0,
    iterations: int = 5,
    egain: float | None = None,
    read_noise_e: float | None = None,
    bias_level: float | None = None,
    saturation: float | None = None,
    bayer: bool = False,
    listed: Mask | None = None,
    sha256s: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> StackedFile:
    """Combine individual frames in files into a master, without server, bus, database or judgement.

    The same files give the same bytes in whatever order they are listed, and memory does not grow with their number.

    Parameters
    ----------
    paths
        Bias, darks or flats of one camera mode: FITS, shape (ny, nx), in ADU. They are not changed; unsigned integers
        do not wrap.
    out
        File to write; one that is there is replaced. SCI is in ADU, of a flat relative to 1; ERR is its standard
        deviation, MASK has the bits 1 bad, 2 saturated, 4 low flat, 16 no data, NUSED counts the samples used.
    kind
        What the master calibrates.
    dark
        For flats: the master dark of their exposure, its bias inside, or a master bias.
    bad_pixels
        For darks: file for the map of bad pixels; None writes none.
    method, sigma, iterations
        How samples are combined, and the clipping about their median.
    egain, read_noise_e
        Conversion gain in electrons per ADU and read noise in electrons RMS, from which the noise is known; None: it is
        measured.
    bias_level
        Level without signal, in ADU.
    saturation
        Level from which a pixel is saturated, in ADU.
    bayer
        Whether the pixels lie under a Bayer pattern: then colours are never mixed.
    listed
        Further bad pixels, not 0 where bad, shape (ny, nx).
    sha256s
        SHA-256 of the frames, where they are known; else the files are hashed.
    notes
        Sentences for HISTORY.

    Returns
    -------
    StackedFile
        Statistics of the samples, what the frames tell about the detector, and frames unlike the others.

    Raises
    ------
    UnreadableFrameError
        If a file is no FITS image.
    FrameMismatchError
        If shapes differ.
    ImagingError
        If there are no frames or too many, a flat has no usable dark, or ``out`` is one of the inputs.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> rng = np.random.default_rng(1)
    >>> with TemporaryDirectory() as folder:
    ...     paths = [Path(folder) / f"dark{i}.fits" for i in range(10)]
    ...     for i, path in enumerate(paths):
    ...         frame = rng.normal(500, 5, (64, 64)).round().astype(np.uint16)
    ...         frame[i, i] = 50_000
    ...         fits.writeto(path, frame, fits.Header({"EXPTIME": 60.0}))
    ...     done = stack_files(paths, Path(folder) / "master.fits", kind=Kind.DARK)
    ...     master = fits.getdata(done.path)
    ...     print(done.statistics.frames, bool(abs(master.diagonal()[:10] - 500).max() < 10))
    10 True
    """
    _require_other(out, [*paths, *([] if dark is None else [dark])])
    recipe = Recipe(kind, method, sigma, iterations, bayer, read_noise_e, egain, bias_level, saturation)
    names = [path.name for path in paths]
    below = dark_for_flats(dark, bias_level) if kind is Kind.FLAT else None
    group = in_order(paths, names, list(sha256s) or _digests(paths))
    pixels, err = (None, None) if below is None else (below.sci, below.err)
    built = build(group.paths, recipe, dark=pixels, dark_err=err, scratch=out.parent)
    exposure = mean_of(group.inputs.headers, "EXPTIME") or mean_of(group.inputs.headers, "EXPOSURE")
    with ThreadPoolExecutor(2) as beside:
        known = beside.submit(
            detector_facts, group.paths, built, recipe, dark=pixels, exposure_s=exposure, scratch=out.parent
        )
        odd = beside.submit(unlike, built.agreement, flat=kind is Kind.FLAT)
        mark_bad(built, kind, listed)
        mapped = bad_pixels if kind in {Kind.DARK, Kind.FLAT_DARK} else None
        if mapped is not None:
            write_map(mapped, built.combined.mask, master_header(group.first, (), ()))
        settings: dict[str, str | float] = {"method": str(method), "sigma": sigma, "iterations": iterations}
        write_built(out, built, header_of(built, recipe, group, settings, below, notes=notes))
    told = {group.inputs.frame_ids[place]: sentence for place, sentence in odd.result().items()}
    return StackedFile(out, mapped, built.combined.statistics, known.result(), told)


def _digests(paths: Sequence[Path]) -> list[str]:
    """Hash files, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(digest_of, paths))


def _require_other(out: Path, inputs: Sequence[Path]) -> None:
    """Refuse to write over what is read."""
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise ImagingError(f"{out.name} would be written over {path.name}; name another file", reason="same-file")


def in_order(paths: Sequence[Path], frame_ids: Sequence[str], sha256s: Sequence[str]) -> Group:
    """Read the headers and put the frames in the order of time: a set gives one master however it is listed."""
    inputs, _ = read_inputs(paths, frame_ids, sha256s)
    starts = [start_of(header) or NEVER for header in inputs.headers]
    places = sorted(range(len(starts)), key=lambda i: (starts[i], sha256s[i], frame_ids[i]))
    begin = places[:1]
    _, first = read_inputs([paths[i] for i in begin], [frame_ids[i] for i in begin], [sha256s[i] for i in begin])
    ordered = Inputs(
        tuple(frame_ids[i] for i in places), tuple(sha256s[i] for i in places),
        tuple(inputs.headers[i] for i in places), tuple(inputs.descriptions[i] for i in places),
    )  # fmt: skip
    return Group(tuple(paths[i] for i in places), ordered, first)


def mark_bad(built: Built, kind: Kind, listed: Mask | None) -> None:
    """Put bad pixels into the mask: those with no one value, those listed, and those a dark shows."""
    mask = built.combined.mask
    mark_unsteady(built.agreement, mask, flat=kind is Kind.FLAT)
    if kind in {Kind.DARK, Kind.FLAT_DARK}:
        mark_bad_pixels(built.combined.sci, mask, listed=listed)
    elif listed is not None:
        mask[listed != 0] |= BAD


def header_of(
    built: Built,
    recipe: Recipe,
    group: Group,
    settings: Mapping[str, str | float],
    dark: Below | None,
    *,
    notes: Sequence[str] = (),
) -> fits.Header:
    """Write down what a master is made of."""
    cards = master_cards(built, recipe, group.inputs, settings, VERSION)
    if dark is not None:
        cards.append(("DARKSHA", dark.sha256, ""))
    return master_header(group.first, cards, notes)

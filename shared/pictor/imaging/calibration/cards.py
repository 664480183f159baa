"""The cards of a master: what it is, what it is made of, how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pictor.imaging.calibration.building import Built, Recipe
from pictor.imaging.calibration.masters import IMAGE_TYPE, Card, Kind
from pictor.imaging.fits.prescan import prescan_file
from pictor.imaging.fits.reading import read_cards
from pictor.imaging.headers.describe import describe
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.matching.spans import span_of

CALSTAT = {Kind.BIAS: "", Kind.DARK: "M", Kind.FLAT_DARK: "M", Kind.FLAT: "D"}
"""MaxIm's letters: M for a master dark with bias inside, B, D and F for what was applied."""

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Inputs:
    """The individual frames of a master, in the order they were combined."""

    frame_ids: tuple[str, ...]
    sha256s: tuple[str, ...]
    headers: tuple[Mapping[str, Value], ...]
    descriptions: tuple[FrameDescription, ...] = ()

    def without(self, left_out: frozenset[str]) -> "Inputs":
        """Return the inputs that are not left out."""
        kept = [i for i, name in enumerate(self.frame_ids) if name not in left_out]
        return Inputs(
            tuple(self.frame_ids[i] for i in kept), tuple(self.sha256s[i] for i in kept),
            tuple(self.headers[i] for i in kept), tuple(self.descriptions[i] for i in kept),
        )  # fmt: skip


def start_of(header: Mapping[str, Value]) -> datetime | None:
    """Return DATE-OBS as an aware time; None where it is missing or unreadable."""
    text = str(header.get("DATE-OBS", "")).strip()
    if "T" not in text and "TIME-OBS" in header:
        text = f"{text}T{str(header['TIME-OBS']).strip()}"
    try:
        found = datetime.fromisoformat(text.rstrip("Z")[:26])
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def mean_start(headers: Sequence[Mapping[str, Value]]) -> str | None:
    """Return the mean of the inputs' DATE-OBS in FITS form."""
    starts = [start for header in headers if (start := start_of(header)) is not None]
    span = span_of(starts)
    return span.mean.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") if span else None


def mean_of(headers: Sequence[Mapping[str, Value]], key: str) -> float | None:
    """Return the mean of a numeric card over the inputs that have it."""
    values = [header.get(key) for header in headers]
    found = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return round(float(np.mean(found)), 6) if found else None


def master_cards(
    built: Built, recipe: Recipe, inputs: Inputs, policy: Mapping[str, str | float], version: str
) -> list[Card]:
    """List the cards of a master."""
    statistics = built.combined.statistics
    cards: list[Card] = [
        ("IMAGETYP", IMAGE_TYPE[recipe.kind], "kind of master"),
        ("CALROLE", str(recipe.kind), "role in calibration"),
        ("BUNIT", "adu" if built.flat_level is None else "", "unit; a flat is relative to 1"),
        ("NCOMBINE", statistics.frames, "frames combined"),
        ("COMBMETH", str(recipe.method), "how samples were combined"),
        ("NREJECT", statistics.rejected, "samples rejected"),
        ("REJSHARE", round(statistics.rejected_share, 8), "rejected share of all samples"),
        ("CANREJ", statistics.can_reject, "enough frames to reject outliers"),
        ("NOISESRC", built.preparation.noise_source, "noise model: detector facts or measured"),
        ("LEVALIGN", built.preparation.offset is not None, "drifting levels aligned before clipping"),
        ("CALSTAT", CALSTAT[recipe.kind], "calibration state"),
        ("PROGRAM", f"pictor {version}", "software that made this file"),
    ]
    cards += [card for card in _optional(built, recipe, inputs) if card[1] is not None]
    cards += [(f"HIERARCH POLICY {name.upper()}", value, "") for name, value in policy.items()]
    for i, (frame, digest) in enumerate(zip(inputs.frame_ids, inputs.sha256s, strict=True), 1):
        cards += [(f"IN{i:03d}ID", frame, "input frame"), (f"IN{i:03d}SHA", digest, "")]
        cards += [(f"IN{i:03d}LEV", round(float(built.preparation.levels[i - 1]), 4), "level, ADU")]
        cards += [(f"IN{i:03d}REJ", statistics.rejected_by_frame[i - 1], "samples rejected")]
    return cards


def _optional(built: Built, recipe: Recipe, inputs: Inputs) -> list[tuple[str, str | float | bool | None, str]]:
    """Cards that only some masters have; None leaves one out."""
    dark = recipe.kind in {Kind.DARK, Kind.FLAT_DARK}
    level = float(built.preparation.levels.mean()) if recipe.kind is Kind.BIAS else recipe.bias_level
    return [
        ("DATE-OBS", mean_start(inputs.headers), "mean start of the inputs"),
        ("CCD-TEMP", mean_of(inputs.headers, "CCD-TEMP"), "mean sensor temperature, C"),
        ("DARKBIAS", True if dark else None, "bias level is still inside"),
        ("BIASLVL", None if level is None else round(level, 4), "bias level, ADU"),
        ("FLATLVL", built.flat_level, "mean level divided out, ADU"),
        ("RDNOISE", recipe.read_noise_e, "read noise assumed, e-"),
    ]


def read_inputs(
    paths: Sequence[Path], frame_ids: Sequence[str], sha256s: Sequence[str]
) -> tuple[Inputs, tuple[Card, ...]]:
    """Read the headers of the individual frames; return them and the cards of the first.

    Raises
    ------
    UnreadableFrameError
        If a file is not a frame.
    """
    cards = [read_cards(path, prescan_file(path)) for path in paths]
    headers = tuple({card.keyword: card.value for card in reversed(of_one)} for of_one in cards)
    first = tuple((card.keyword, card.value, card.comment) for card in cards[0])
    described = tuple(describe(of_one) for of_one in cards)
    return Inputs(tuple(frame_ids), tuple(sha256s), headers, described), first

"""The cards of a calibrated light: what was applied to it, and the numbers its noise rests on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from astropy.io import fits

from pictor.imaging.calibration.jobs import How
from pictor.imaging.inherited import repair_cards
from pictor.imaging.products import card_name, unstamp


@dataclass(frozen=True, slots=True)
class Told:
    """What the header says beside the pixels: names and hashes of the masters, software, how well they match.

    ``cards`` are further ones, HISTORY among them.
    """

    identities: Mapping[str, str] = field(default_factory=dict)
    sha256s: Mapping[str, str] = field(default_factory=dict)
    software: str | None = None
    weak: bool = False
    cards: fits.Header | None = None


@dataclass(frozen=True, slots=True)
class CalibratedFile:
    """The file of a calibrated light and what was done."""

    path: Path
    calstat: str
    repaired: int
    left: int
    cleaned: int
    egain: float
    read_noise_e: float
    egain_assumed: bool


STALE = ("CHECKSUM", "DATASUM", "BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX")
"""Cards of the raw file that are not true of the calibrated one."""

SHORT = {"bias": "BIAS", "dark": "DARK", "flat": "FLAT"}


def corrections(applied: Mapping[str, str | None]) -> fits.Header:
    """Say which corrections were made and from which file: BIASCORR, BIASFILE and so on for dark and flat.

    Parameters
    ----------
    applied
        File of what was applied by kind: bias, dark, flat; None where it came from no file.
    """
    cards = fits.Header()
    sources = {"bias": applied.get("dark"), **applied} if "dark" in applied else applied
    for kind, short in SHORT.items():
        cards[f"{short}CORR"] = (kind in sources, f"{kind} corrected")
        name = sources.get(kind)
        if name is not None:
            cards[f"{short}FILE"] = card_name(name)
    return cards


def calibrated_header(light: fits.Header, told: Told, how: How, found: CalibratedFile, *, cosmics: bool) -> fits.Header:
    """Extend the header of a light by what was applied; the number of cards does not depend on what was found."""
    header = light.copy(strip=True)
    for key in STALE:
        header.remove(key, ignore_missing=True, remove_all=True)
    repair_cards(header)
    header["CALSTAT"] = (found.calstat, "B bias, D dark, F flat removed")
    header["BUNIT"] = ("adu", "unit of the science and error planes")
    header["CALEGAIN"] = (found.egain, "e-/ADU used for the error plane")
    header["CALGAINA"] = (found.egain_assumed, "that gain is assumed, nothing states it")
    header["CALRN"] = (found.read_noise_e, "e- read noise used for the error plane")
    header["BPIXNFIX"] = (found.repaired, "pixels replaced, bad or hit")
    header["BPIXNREM"] = (found.left, "such pixels left: too few good neighbours")
    header["CALCOSM"] = (cosmics, "cosmic rays looked for")
    header["NCOSMIC"] = (found.cleaned, "pixels hit by cosmic rays")
    header["CALWEAK"] = (told.weak, "a master was matched without all values")
    if how.dark_scale != 1.0:
        header["DARKSCAL"] = (how.dark_scale, "dark current of the dark multiplied by")
    if told.software:
        header["CALSOFT"] = (told.software, "software that calibrated")
    _tell_masters(header, told, how, cosmics=cosmics)
    return header


def _tell_masters(header: fits.Header, told: Told, how: How, *, cosmics: bool) -> None:
    """Name the masters with their hashes, and say in words what was done."""
    for kind, identity in told.identities.items():
        short = SHORT.get(kind, kind.upper()[:5])
        header[f"CAL{short}"] = (identity, f"master {kind}"[:20])
        if kind in told.sha256s:
            header[f"SHA{short}"] = (told.sha256s[kind], "")
        header.add_history(f"master {kind} applied: {identity}")
    if how.dark_scale != 1.0:
        header.add_history(f"dark current scaled by {how.dark_scale:.4g}")
    if cosmics:
        header.add_history("cosmic rays found by their Laplacian, replaced by the median of good neighbours")
    if how.read_noise_e <= 0:
        header.add_history("no read noise is known: ERR has the noise of the signal only")
    header.add_history("planes: SCI, ERR (1 sigma), MASK (1 bad, 2 saturated, 4 low flat, 8 hit, 16 no data)")
    if told.cards is not None:
        unstamp(header)
        header.extend(told.cards, update=True)

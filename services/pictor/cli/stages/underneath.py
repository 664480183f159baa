"""What lies under the light of flats: a dark with its bias, a bias, or both put together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pictor.cli.client import CommandError
from pictor.imaging.calibration.below import below_of
from pictor.imaging.calibration.masters import Master, bias_level, read_master, write_master


@dataclass(frozen=True, slots=True)
class Underneath:
    """The master that is subtracted from flats, and the level of the bias in ADU."""

    path: Path | None
    bias_level: float | None


def underneath(dark: Path | None, bias: Path | None, scratch: Path) -> Underneath:
    """Settle what is subtracted from flats; what has to be made is written into ``scratch``.

    Raises
    ------
    CommandError
        If dark and bias differ in shape, or the dark needs a bias that is not given.
    """
    level = None if bias is None else bias_level(bias)
    if dark is None:
        return Underneath(None if bias is None else _as_bias(bias, scratch), level)
    if below_of(dark).holds_bias(level):
        return Underneath(dark, level)
    if bias is None:
        raise CommandError(f"{dark} has its bias subtracted; give --bias as well")
    master = read_master(dark, planes=("ERR",))
    return Underneath(_joined(master, read_master(bias, planes=("ERR",)), scratch), level)


def _as_bias(bias: Path, scratch: Path) -> Path:
    """Give a bias of another program the card that says what it is."""
    if below_of(bias).is_bias:
        return bias
    return _written(read_master(bias, planes=("ERR",)), "Master Bias", scratch / bias.name)


def _joined(dark: Master, bias: Master, scratch: Path) -> Path:
    """Put the bias back into a dark."""
    if dark.sci.shape != bias.sci.shape:
        raise CommandError(f"the dark has shape {dark.sci.shape}, the bias {bias.sci.shape}")
    whole = Master(dark.sci + bias.sci, np.hypot(dark.err, bias.err), dark.mask, dark.nused, dark.header)
    whole.header["DARKBIAS"] = True
    return _written(whole, "Master Dark", scratch / "dark_with_bias.fits")


def _written(master: Master, kind: str, path: Path) -> Path:
    header = master.header.copy(strip=True)
    header["IMAGETYP"] = kind
    write_master(path, Master(master.sci, master.err, master.mask, master.nused, header))
    return path

"""What the file names of iTelescope.net tell of a frame."""

import re
from dataclasses import dataclass
from datetime import datetime

from pictor.imaging.errors import ImagingError

_PACKED = (".gz", ".fz")
_ENDINGS = (".fits", ".fit", ".fts", ".xisf")
_NAME = re.compile(
    r"(?P<stage>[A-Za-z]+)-(?P<telescope>T\d{1,3})-(?P<observer>[^-]+)-(?P<target>.+)-(?P<date>\d{8})-(?P<time>\d{6})"
    r"-(?P<filter>[^-]+)-BIN(?P<binning>\d{1,2})-(?P<pier>[EW])-(?P<exposure>\d{1,5}(?:\.\d+)?)-(?P<number>\d{1,5})"
    r"(?:_[A-Za-z0-9_]+)?",
    re.IGNORECASE,
)
_MOSAIC = re.compile(r"[ _-]+(?:x\d{1,2}[ _-]*y\d{1,2}|(?:panel|pane|tile|p)[ _-]?\d{1,3})\Z", re.IGNORECASE)
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class NamedFrame:
    """What an iTelescope file name tells.

    Parameters
    ----------
    telescope
        Such as ``T20``.
    observer
        Name of the account.
    target
        Name of the target, without a mosaic suffix; underscores are blanks.
    mosaic
        The mosaic suffix; empty without one.
    taken
        Date and time in the name: the clock of the site, without time zone.
    filter
        Name of the filter.
    binning
        Of both axes.
    pier_side
        ``east`` or ``west``.
    exposure_s
        Exposure time, in seconds.
    """

    telescope: str
    observer: str
    target: str
    mosaic: str
    taken: datetime
    filter: str
    binning: int
    pier_side: str
    exposure_s: float


def parse_itelescope(name: str) -> NamedFrame:
    """Read a file name of iTelescope.net.

    The form is ``STAGE-Tnn-USER-TARGET-YYYYMMDD-HHMMSS-FILTER-BINn-E-SECONDS-NUMBER``, where TARGET may hold hyphens
    and end with a mosaic suffix such as ``_x1_y2``; what other stages appended with an underscore is let pass.

    Parameters
    ----------
    name
        File name, without or with folder, packed or not.

    Returns
    -------
    NamedFrame
        What it tells.

    Raises
    ------
    ImagingError
        ``not-itelescope`` when the name has another form.

    Examples
    --------
    >>> found = parse_itelescope("cal-T20-someone-CygnusLoop_x1_y1-20210708-220604-Ha-BIN1-E-300-001.fits")
    >>> found.telescope, found.target, found.mosaic, found.filter, found.exposure_s
    ('T20', 'CygnusLoop', 'x1_y1', 'Ha', 300.0)
    """
    stem = name.replace("\\", "/").rsplit("/", 1)[-1]
    for ending in (*_PACKED, *_ENDINGS):
        if stem.lower().endswith(ending):
            stem = stem[: -len(ending)]
    found = _NAME.fullmatch(stem) if len(stem) <= _LONGEST and stem.isascii() and stem.isprintable() else None
    try:
        taken = None if found is None else datetime.strptime(found["date"] + found["time"], "%Y%m%d%H%M%S")  # noqa: DTZ007 - the name has no zone
    except ValueError:
        taken = None
    if found is None or taken is None:
        raise ImagingError(
            f"{stem[:80]!r} is no iTelescope name; it would be such as "
            "raw-T05-observer-NGC_6888-20200716-231744-Ha-BIN1-E-180-001",
            reason="not-itelescope",
        )
    target, mosaic = _without_mosaic(found["target"])
    return NamedFrame(
        f"T{int(found['telescope'][1:]):02d}", found["observer"], target, mosaic, taken, found["filter"],
        int(found["binning"]), "east" if found["pier"].upper() == "E" else "west", float(found["exposure"]),
    )  # fmt: skip


def _without_mosaic(target: str) -> tuple[str, str]:
    suffix = _MOSAIC.search(target)
    plain = target if suffix is None else target[: suffix.start()]
    return " ".join(plain.replace("_", " ").split()), "" if suffix is None else suffix[0].lstrip(" _-")

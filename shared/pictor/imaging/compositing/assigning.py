"""Which frame is shown in which colour."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pictor.imaging.compositing.filters import CHANNELS, Palette, filter_of
from pictor.imaging.errors import ImagingError

COLOURS = ("red", "green", "blue")


def assign(
    files: Sequence[tuple[Path, str]], palette: Palette, named: Mapping[str, Path] | None = None
) -> dict[str, Path]:
    """Decide which file is shown as red, green and blue.

    Parameters
    ----------
    files
        Files with the filter their headers tell, in the order given.
    palette
        What filters it shows.
    named
        Files whose colour was named, by ``red``, ``green`` and ``blue``; they go first.

    Returns
    -------
    dict
        One file for each colour; a filter that a palette shows twice is there twice.

    Raises
    ------
    ImagingError
        If neither filters nor order tell it.
    """
    given = {colour: path for colour, path in (named or {}).items() if colour in COLOURS}
    wanted = [*dict.fromkeys(CHANNELS[palette])]
    if len(given) == len(COLOURS):
        return {colour: given[colour] for colour in COLOURS}
    told = {filter_of(name): path for path, name in files}
    if all(one in told for one in wanted):
        found = told
    elif len(files) == len(wanted):
        found = dict(zip(wanted, (path for path, _ in files), strict=True))
    elif len(files) == len(COLOURS):
        return dict(zip(COLOURS, (path for path, _ in files), strict=True)) | given
    else:
        raise ImagingError(
            f"the palette {palette} shows {', '.join(wanted)}; {len(files)} frames with the filters "
            f"{', '.join(name or 'unknown' for _, name in files)} were given",
            reason="filters",
        )
    shown = {colour: found[one] for colour, one in zip(COLOURS, CHANNELS[palette], strict=True)}
    return shown | given

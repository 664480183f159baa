"""How every stage runs: one frame's fault leaves the others alone, and what was made is told once."""

import errno
import json as jsonlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pictor.cli.client import CommandError, guarded
from pictor.cli.telling import tell

if TYPE_CHECKING:
    from rich.progress import Progress

    from pictor.imaging.frame import Frame

Told = dict[str, Any]
"""What is told of one result, as JSON values."""

STOPPED = 130
"""As programs end that Ctrl-C ended."""

_PACKED = (".gz", ".fz")
_LONGEST_NAME = 255


def named(path: Path, suffix: str, folder: Path, *, ending: str = ".fits") -> Path:
    """Name the product of a frame: ``m51.fits.fz`` becomes ``FOLDER/m51_SUFFIX.fits``."""
    name = path.name
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return folder / f"{Path(name).stem}_{suffix}{ending}"


def require_free(targets: Sequence[Path], *, overwrite: bool, inputs: Iterable[object] = ()) -> None:
    """Refuse names that are taken, by an input above all, or that two results share; make the folders.

    Of ``inputs`` only paths count, so that everything a command was given may be handed over.

    Raises
    ------
    CommandError
        With exit code 2.
    """
    seen: set[Path] = set()
    kept = {path.resolve() for path in inputs if isinstance(path, Path)}
    for target in targets:
        there = _is_there(target)
        if there and target.is_dir():
            raise CommandError(f"{target} is a folder; give the name of a file in it", 2)
        if target.resolve() in kept:
            raise CommandError(f"{target} is one of the inputs, which are never changed; give another name", 2)
        if target in seen:
            raise CommandError(f"two results would be {target}; give the frames in separate calls or rename them", 2)
        seen.add(target)
        if there and not overwrite:
            raise CommandError(f"{target} exists; --overwrite replaces it", 2)
    for folder in dict.fromkeys(target.parent for target in targets):
        _require_folder(folder)


def _is_there(target: Path) -> bool:
    """Tell whether there is anything of a name that can be one."""
    if len(os.fsencode(target.name)) > _LONGEST_NAME:
        raise CommandError(f"{target} cannot be written: a name of a file has at most {_LONGEST_NAME} bytes", 2)
    try:
        return target.exists()
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror}", 2) from error


def _require_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{folder} is no folder to write into: {error.strerror}", 2) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandError(f"{folder} may not be written to: choose another folder, or change its mode", 2)


def write_text(path: Path, text: str) -> None:
    """Write text; names of files that are no UTF-8 keep their bytes."""
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def left_to_do(paths: Sequence[Path], targets: Callable[[Path], Iterable[Path]], *, resume: bool) -> list[Path]:
    """Leave out frames all of whose products are there, where a call is to go on; say how many.

    Products appear under their name only when they are whole: what has its name is done.
    """
    if not resume:
        return list(paths)
    left = [path for path in paths if not all(target.exists() for target in targets(path))]
    if len(left) < len(paths):
        tell(f"pictor: {len(paths) - len(left)} of {len(paths)} frames are done already", file=sys.stderr)
    return left


def each(
    paths: Sequence[Path],
    work: Callable[[Path], Told],
    *,
    label: str,
    say: Callable[[Told], str],
    json: bool,
    beside: Iterable[object] = (),
) -> int:
    """Do one thing to every frame, with progress; return the exit code.

    Parameters
    ----------
    paths
        Frames, in the order they are told.
    work
        Makes what is told of one frame; an ImagingError refuses it and the others go on.
    label
        What is being done, for the progress bar.
    say
        One line of text for one result.
    json
        Whether one JSON document is printed instead of lines.
    beside
        What all frames are worked on with, such as masters; of it only paths count.

    Returns
    -------
    int
        0: all done; 1: a frame was refused; 130: stopped by Ctrl-C, with what was done told.
    """
    results: list[Told] = []
    stopped = False
    try:
        for path in shown(paths, label):
            results.append(_one(path, work, beside=() if results else beside))
            if not json and "refused" not in results[-1]:
                tell(say(results[-1]))
    except KeyboardInterrupt:
        stopped = True
        tell(f"pictor: stopped; {len(results)} of {len(paths)} frames were looked at", file=sys.stderr)
    if json:
        tell(jsonlib.dumps(results, indent=2, allow_nan=False))
    if stopped:
        return STOPPED
    return 1 if any("refused" in result for result in results) else 0


def _one(path: Path, work: Callable[[Path], Told], *, beside: Iterable[object]) -> Told:
    from pictor.cli.stages.sums import sums_beside
    from pictor.imaging.errors import ImagingError

    try:
        return {"input": str(path), **sums_beside([path, *beside], lambda: work(path))}
    except (ImagingError, CommandError, OSError) as error:
        return refusal(path, error)


_NO_ROOM = frozenset({errno.ENOSPC, errno.EFBIG, errno.EDQUOT})
_NO_ROOM_SAID = ("problem writing element", "Not enough space on disk")


def _lacks_room(error: OSError) -> bool:
    return error.errno in _NO_ROOM or any(words in str(error) for words in _NO_ROOM_SAID)


def sentence_of(error: Exception) -> str:
    """Say what went wrong; of files that cannot be read or written which, why, and what to do."""
    if not isinstance(error, OSError):
        return str(error)
    why = error.strerror or str(error)
    if _lacks_room(error):
        return f"there is no room for the result ({why}); nothing was left half written: make room and try again"
    return why if error.filename is None else f"{error.filename}: {why}"


def read_frame(path: Path) -> "Frame":
    """Read one of several frames; what is wrong with it is told with its name.

    Raises
    ------
    ImagingError
        If it is no frame.
    """
    from pictor.imaging.errors import ImagingError
    from pictor.imaging.frame import Frame

    try:
        return Frame.from_fits(path)
    except ImagingError as error:
        raise ImagingError(f"{path}: {str(error).removeprefix(f'{path}: ')}", reason=error.reason) from error


def refusal(path: Path, error: Exception) -> Told:
    """Tell on standard error why a frame is refused, naming it once; return the same as JSON values."""
    why = sentence_of(error).removeprefix(f"{path} ").removeprefix(f"{path}: ")
    tell(f"pictor: {path}: {why}", file=sys.stderr)
    return {"input": str(path), "refused": why, "reason": reason_of(error)}


def reason_of(error: Exception) -> str:
    """Name the kind of a fault in a word that stays the same."""
    if isinstance(error, OSError):
        return "no-room" if _lacks_room(error) else "unreadable"
    return str(getattr(error, "reason", "cannot"))


def once(work: Callable[[], Told], *, say: Callable[[Told], str], json: bool, inputs: Iterable[object] = ()) -> int:
    """Do one thing to all frames together; return the exit code: 0 done, 1 refused, 2 wrong call.

    What is refused is told on standard error, and in the JSON document too.
    """
    from pictor.cli.stages.sums import sums_beside
    from pictor.imaging.errors import ImagingError
    from pictor.imaging.products import FileTakenError

    try:
        told = sums_beside(inputs, lambda: _waiting(work))
    except FileTakenError as error:
        return guarded(CommandError(str(error), 2))
    except (ImagingError, CommandError, OSError) as error:
        why = sentence_of(error)
        code = guarded(CommandError(why, getattr(error, "code", 1)))
        if json and code == 1:
            tell(jsonlib.dumps({"refused": why, "reason": reason_of(error)}, indent=2))
        return code
    tell(jsonlib.dumps(told, indent=2, allow_nan=False) if json else say(told))
    return 0


def checked(work: Callable[[], int]) -> int:
    """Run a command whose call may be wrong; return its exit code."""
    try:
        return work()
    except CommandError as error:
        return guarded(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        return guarded(CommandError(sentence_of(error)))


def shown(things: Sequence[Any], label: str) -> Iterable[Any]:
    """Go through things with a progress bar on a terminal, silently elsewhere."""
    if len(things) < 2 or not sys.stderr.isatty():
        yield from things
        return
    with _bar() as progress:
        yield from progress.track(things, description=label)


def _waiting(work: Callable[[], Told]) -> Told:
    """Do one thing, with a clock on a terminal."""
    if not sys.stderr.isatty():
        return work()
    with _bar(waiting=True) as progress:
        progress.add_task("working", total=None)
        return work()


def _bar(*, waiting: bool = False) -> "Progress":
    """Make a progress bar, or a clock while waiting, that leaves results alone when they go into a file."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    counted, left = ((), ()) if waiting else ((MofNCompleteColumn(),), (TimeRemainingColumn(), TextColumn("left")))
    columns = (TextColumn("{task.description}"), BarColumn(), *counted, TimeElapsedColumn(), *left)
    return Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())


def finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Replace numbers JSON does not know by None, arrays and tuples by lists, paths by text."""
    import math

    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value

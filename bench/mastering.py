"""One stack in a process of its own, loaded as the command line and the pixel children load it, and nothing else."""

import time
from pathlib import Path

from pictor.runtime.child.loading import load_lightly


def main(given: dict[str, object], *, parts: bool = False) -> dict[str, object]:
    """Stack once, the process is timed from outside; or tell what ``parts`` of a stack take of the processor."""
    load_lightly()
    from pictor.calibration_stacker import compute  # noqa: PLC0415 - after the line above

    stack: object = compute.stack
    assert callable(stack)
    start = time.process_time()
    verdict = stack(**given)["verdict"]
    if not parts:
        return {"verdict": verdict}
    stacked = time.process_time() - start
    built = _build(given)
    return {"start_cpu_s": start, "build_cpu_s": built, "judge_and_write_cpu_s": stacked - built}


def _build(given: dict[str, object]) -> float:
    """Read, clip and compare the frames once more; return the seconds of processor time."""
    from pictor.imaging.calibration.below import dark_for_flats  # noqa: PLC0415 - what loads lightly comes first
    from pictor.imaging.calibration.building import Recipe, build  # noqa: PLC0415 - as above
    from pictor.imaging.calibration.masters import Kind  # noqa: PLC0415 - as above

    paths, dark = given["paths"], given["dark_path"]
    assert isinstance(paths, list)
    start = time.process_time()
    below = None if dark is None else dark_for_flats(Path(str(dark)), None).sci
    build([Path(path) for path in paths], Recipe(Kind(str(given["kind"]))), dark=below)
    return time.process_time() - start

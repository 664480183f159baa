"""One stack in a process of its own, loaded as the command line and the pixel children load it, and nothing else."""

from pictor.runtime.child.loading import load_lightly


def main(given: dict[str, object]) -> dict[str, object]:
    """Stack once; the process is timed from outside."""
    load_lightly()
    from pictor.calibration_stacker import compute  # noqa: PLC0415 - after the line above

    stack: object = compute.stack
    assert callable(stack)
    return {"verdict": stack(**given)["verdict"]}

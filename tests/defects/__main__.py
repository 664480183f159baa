"""Plant every defect, send its frames the whole way, and print where it was caught: ``python -m tests.defects``."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.defects.path import Outcome, Taken, judge
from tests.defects.planted import Row, rows


def caught(taken: Taken, done: Outcome) -> str:
    """Say in a word where the bad frames were stopped; what passed without harm is harmless."""
    if not done.used:
        stage = {"none": "left out", "failed": "stack"}.get(done.verdict, f"gate: {done.verdict}")
        return stage if done.verdict != "none" else _stage(done)
    if taken.bad <= done.left_out:
        return _stage(done)
    return "HARM" if done.harm is not None and done.harm.done else "harmless"


def _stage(done: Outcome) -> str:
    stages = {"admission": done.admission, "group": done.group, "stack": done.stack}
    return " and ".join(name for name, found in stages.items() if found)


def sentence(done: Outcome) -> str:
    """Return the first sentence that was told."""
    told = [*done.admission.values(), *done.group.values(), *done.stack.values()]
    told += done.reasons if not done.used else ()
    return told[-1] if told and not done.used else (told[0] if told else "")


def run(row: Row, folder: Path) -> tuple[Taken, Outcome]:
    """Plant one row and judge it."""
    taken = row.take(np.random.default_rng([len(row.title), row.frames]))
    return taken, judge(taken, folder)


def main() -> None:
    """Print the table."""
    print("| defect | size | bad of | caught | far pixels, % | block, sigma | sentence |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    words = sys.argv[1:]
    for row in rows():
        if words and not all(word in row.title for word in words):
            continue
        with tempfile.TemporaryDirectory(prefix="pictor-defects-") as folder:
            taken, done = run(row, Path(folder))
        innocent = len(done.left_out - taken.bad)
        harm = "|" if done.harm is None else f"{100 * done.harm.far_share:.2f} | {done.harm.block:.2f}"
        also = f", {innocent} good left out" if innocent else ""
        count = f"{len(taken.bad)} of {row.frames}"
        print(
            f"| {row.defect} | {row.size} | {count} | {caught(taken, done)}{also} | {harm} | {sentence(done)[:200]} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

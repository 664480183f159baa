"""Plant every defect, send its frames the whole way, and print where it was caught: ``python -m tests.defects``."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.defects.path import Outcome, Taken, judge
from tests.defects.planted import Row, rows

WORDS = {
    "HARM": "**not caught**", "gate: rejected": "gate, rejected", "gate: needs-review": "gate, needs review",
}  # fmt: skip
SENTENCE = 200
"""Characters of a sentence that are shown."""


def caught(taken: Taken, done: Outcome) -> str:
    """Say in a word where the bad frames were stopped; what passed without harm is harmless."""
    if not done.used:
        stage = {"none": "left out", "failed": "stack"}.get(done.verdict, f"gate: {done.verdict}")
        return stage if done.verdict != "none" else _stage(done)
    if not taken.bad:
        return "used"
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


def cell(row: Row, taken: Taken, done: Outcome) -> str:
    """Tell in a few words how one size of a defect ended."""
    end = caught(taken, done)
    harm = done.harm
    number = f", {harm.block:.1f} sigma" if harm is not None and end in {"harmless", "HARM"} else ""
    return f"{row.size}, {len(row.bad)} of {row.frames}: {WORDS.get(end, end)}{number}"


def brief(judged: list[tuple[Row, Taken, Outcome]]) -> None:
    """Print one line for each defect: every size of it, and where that ended."""
    ends: dict[str, list[str]] = {}
    for row, taken, done in judged:
        ends.setdefault(row.defect, []).append(cell(row, taken, done))
    print("| defect | size, bad of all: where it ended |")
    print("|---|---|")
    for defect, told in ends.items():
        print(f"| {defect} | {'; '.join(dict.fromkeys(told))} |")


def whole(judged: list[tuple[Row, Taken, Outcome]]) -> None:
    """Print one line for each set, with the harm and the sentence."""
    print("| defect | size | bad of | ended | far pixels, % | block, sigma | sentence |")
    print("|---|---|---|---|---|---|---|")
    for row, taken, done in judged:
        innocent = len(done.left_out - taken.bad)
        harm = "|" if done.harm is None else f"{100 * done.harm.far_share:.2f} | {done.harm.block:.2f}"
        also = f", {innocent} good left out" if innocent else ""
        count = f"{len(taken.bad)} of {row.frames}"
        end = caught(taken, done)
        print(f"| {row.defect} | {row.size} | {count} | {end}{also} | {harm} | {sentence(done)[:SENTENCE]} |")


def main() -> None:
    """Print the table; ``--brief`` prints that of the guide, other words choose the defects that contain them."""
    words = [word for word in sys.argv[1:] if word != "--brief"]
    judged = []
    for row in rows():
        if all(word in row.title for word in words):
            with tempfile.TemporaryDirectory(prefix="pictor-defects-") as folder:
                judged.append((row, *run(row, Path(folder))))
    (brief if "--brief" in sys.argv else whole)(judged)


if __name__ == "__main__":
    main()

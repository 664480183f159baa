"""Fuzzing: ``python -m fuzz.run --minutes 10 [--seed 1] [--only headers ...]``; exit 1 when anything was found."""

import argparse
import importlib
import sys
import time

from fuzz.finds import Done, Finds

PARTS = {"headers": 0.2, "coverage": 0.2, "mutation": 0.35, "api": 0.25}
"""Share of the time each part gets."""


def main() -> int:
    """Run every part for its share of the time and print what was done and found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    asked = parser.parse_args()
    finds = Finds()
    whole = sum(PARTS[part] for part in asked.only)
    print(f"fuzzing for {asked.minutes:g} minutes with seed {asked.seed}", flush=True)
    done = [_part(part, asked.minutes * 60 * PARTS[part] / whole, asked.seed, finds) for part in asked.only]
    for one in done:
        rate = one.cases / one.seconds if one.seconds else 0
        text = f"NOT RUN: {one.missing}" if one.missing else f"{one.cases} cases, {rate:.0f}/s; {one.outcome}"
        print(f"{one.part:<9} {text}")
    print(f"{len(finds.sentences)} finds" + "".join(f"\n  {sentence}" for sentence in finds.sentences))
    return 1 if finds.sentences else 0


def _part(part: str, seconds: float, number: int, finds: Finds) -> Done:
    print(f"{time.strftime('%H:%M:%S')} {part} for {seconds:.0f} s", flush=True)
    found: Done = importlib.import_module(f"fuzz.{part}_run").run(seconds, number, finds)
    return found


if __name__ == "__main__":
    sys.exit(main())

"""Coverage-guided fuzzing of what reads bytes from outside: the pre-scan and the decoder of messages."""

import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

from fuzz.finds import FOLDER, ROOT, Done, Finds
from fuzz.seeds import SEEDS

TARGETS = ("prescan", "messages")
EXAMPLES = ROOT / "tests" / "data" / "messages"
"""Every message there ever was, as JSON."""


def run(seconds: float, number: int, finds: Finds) -> Done:
    """Give every target its share of the time; the corpus is kept between runs."""
    if importlib.util.find_spec("atheris") is None:
        return Done("coverage", 0, 0, "", missing="no atheris package for this platform")
    began, cases, coverage = time.monotonic(), 0, []
    for target in TARGETS:
        done, covered = _target(target, seconds / len(TARGETS), number, finds)
        cases += done
        coverage.append(f"{target} {done} runs, {covered} edges")
    return Done("coverage", cases, time.monotonic() - began, ", ".join(coverage))


def _target(target: str, seconds: float, number: int, finds: Finds) -> tuple[int, int]:
    corpus = FOLDER / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    _plant(target, corpus)
    artifacts = FOLDER / "finds"
    artifacts.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "fuzz.coverage", target, f"-max_total_time={max(5, int(seconds))}", f"-seed={number + 1}",
        "-timeout=10", "-rss_limit_mb=1024", "-max_len=30000", f"-artifact_prefix={artifacts}/{target}-",
        "-print_final_stats=1", str(corpus),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        finds.note(f"coverage of {target} ended with {done.returncode}: {done.stderr.strip().splitlines()[-12:]}")
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    edges = re.findall(r"cov: (\d+)", done.stderr)
    return int(runs[1]) if runs else 0, int(edges[-1]) if edges else 0


def _plant(target: str, corpus: Path) -> None:
    if target == "prescan":
        for name, make in SEEDS.items():
            (corpus / name).write_bytes(make())
        return
    for path in sorted(EXAMPLES.glob("*.json")):
        (corpus / path.stem).write_bytes(path.read_bytes())

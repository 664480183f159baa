"""What fuzzing found: kept as files, each with the sentence that says what happened."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".fuzz"
"""Finds, corpora and reports; never committed. A find becomes a named regression test by a generator, not a binary."""


@dataclass
class Finds:
    """The finds of one run."""

    folder: Path = FOLDER / "finds"
    sentences: list[str] = field(default_factory=list)

    def keep(self, part: str, data: bytes, sentence: str) -> None:
        """Write one input to a file and remember what it did."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{part}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
        path.write_bytes(data)
        self.note(f"{part}: {sentence} ({path.relative_to(ROOT)})")

    def note(self, sentence: str) -> None:
        """Remember a find that has no file of its own."""
        self.sentences.append(sentence)
        print(f"FOUND {sentence}", flush=True)


@dataclass(frozen=True, slots=True)
class Done:
    """One part of a run."""

    part: str
    cases: int
    seconds: float
    outcome: str
    missing: str = ""
    """Why it did not run, if it did not."""

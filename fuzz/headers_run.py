"""Generated FITS files against the pre-scan, and what passes it against the limited child."""

import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.finds import Done, Finds
from fuzz.headers import fits_files, outcome
from pictor.runtime.child.errors import ChildError
from pictor.runtime.child.pool import ChildPool

BATCH = 1000
CHILD_S = 2.0
"""A file that passes the pre-scan opens in the child within this time on an idle machine."""

GRACE = 5.0
"""Factor on that time: the machine is not idle."""


def run(seconds: float, number: int, finds: Finds) -> Done:
    """Generate files until the time is over."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        session = _Session(Path(folder), runner, finds)
        began = time.monotonic()
        runner.run(session.pool.start())
        try:
            batch = 0
            while time.monotonic() - began < seconds and len(finds.sentences) < 20:
                session.batch(number * 1000 + batch)
                batch += 1
        finally:
            runner.run(session.pool.close())
        return Done("headers", session.cases, time.monotonic() - began, session.summary)


class _Session:
    """Everything one run counts."""

    def __init__(self, folder: Path, runner: asyncio.Runner, finds: Finds) -> None:
        self.folder = folder
        self.pool = ChildPool(1, warm=("pictor.ingest.compute",))
        self._runner = runner
        self._finds = finds
        self._outcomes: Counter[str] = Counter()
        self._slowest = 0.0

    @property
    def cases(self) -> int:
        return self._outcomes.total()

    @property
    def summary(self) -> str:
        read = self._outcomes["read"]
        return f"{len(self._outcomes)} outcomes, {read} read again in the child, slowest {self._slowest:.2f} s"

    def batch(self, number: int) -> None:
        """Try some files; an unexpected error ends the batch with the smallest file that shows it."""
        last = b""

        @seed(number)
        @settings(max_examples=BATCH, deadline=None, database=None, suppress_health_check=list(HealthCheck),
                  phases=(Phase.generate, Phase.shrink))  # fmt: skip
        @given(fits_files())
        def try_all(data: bytes) -> None:
            nonlocal last
            last = data
            self._try(data)

        try:
            try_all()
        except Exception as error:  # noqa: BLE001 - any error is what is looked for
            self._finds.keep("headers", last, f"{type(error).__name__}: {error}")

    def _try(self, data: bytes) -> None:
        path = self.folder / "in.fits"
        found = outcome(data, path)
        self._outcomes[found] += 1
        if found != "read":
            return
        began = time.monotonic()
        arguments = {"path": str(path), "name": "in.fits", "scratch": str(self.folder)}
        call = self.pool.call("pictor.ingest.compute:describe", arguments, timeout_s=CHILD_S * GRACE)
        try:
            self._runner.run(call)
        except ChildError as error:
            raise AssertionError(f"the child failed: {error}") from error
        self._slowest = max(self._slowest, time.monotonic() - began)

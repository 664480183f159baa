"""Twenty seed files with flipped bytes and cut short, sent through the real upload of a real installation."""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from fuzz.finds import Done, Finds
from fuzz.seeds import SEEDS
from fuzz.sending import Mutant, send
from tests.support.installation import Installation, installation

FLIPS = 500
"""Mutants of each seed by flipped bytes."""

CUT_TO = 8640
CUT_STEP = 80
AT_ONCE = 4
SETTLE_S = 300.0


def run(seconds: float, number: int, finds: Finds) -> Done:
    """Send mutants until the time is over or all were sent, then ask whether everybody is well."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, installation(Path(folder) / "data", "--separate") as flow:
        pids = services(flow)
        answers = _send_all(flow, number, began + seconds * 0.7, finds)
        _settle(flow, finds)
        if services(flow) != pids:
            finds.note(f"mutation: a service was started again: {pids} became {services(flow)}")
        for letter in flow.get("/dead-letters", limit=200)["items"]:
            finds.note(f"mutation: {letter['module']} parked a message: {letter['reason']}: {letter['message']}")
        flow.check(deep=True)
    shown = ", ".join(f"{status}: {count}" for status, count in sorted(answers.items()))
    return Done("mutation", answers.total(), time.monotonic() - began, f"answers {shown}; {len(pids)} services alive")


def services(flow: Installation) -> dict[str, int]:
    """Return the process id of every service."""
    return {path.stem: int(path.read_text()) for path in sorted((flow.data / "run").glob("*.pid"))}


def mutants(number: int) -> Iterator[Mutant]:
    """All mutants in an order drawn from the seed: every cut, and FLIPS flips of every file."""
    draw = random.Random(number)
    files = {name: make() for name, make in SEEDS.items()}
    plan: list[tuple[str, int | None]] = []
    for name, data in files.items():
        plan += [(name, length) for length in range(0, min(CUT_TO, len(data)) + 1, CUT_STEP)]
        plan += [(name, None)] * FLIPS
    draw.shuffle(plan)
    for name, length in plan:
        if length is not None:
            yield Mutant(f"{name} cut to {length}", files[name][:length])
            continue
        data = bytearray(files[name])
        places = [draw.randrange(len(data)) for _ in range(draw.choice((1, 1, 1, 4, 64)))]
        for place in places:
            data[place] ^= 1 << draw.randrange(8)
        yield Mutant(f"{name} flipped at {sorted(places)[:5]}", bytes(data))


def _send_all(flow: Installation, number: int, until: float, finds: Finds) -> Counter[int]:
    answers: Counter[int] = Counter()

    def one(mutant: Mutant) -> None:
        if time.monotonic() > until:
            return
        try:
            answer = send(flow.client, mutant)
        except httpx.HTTPError as error:
            finds.keep("mutation", mutant.data, f"{mutant.title}: no answer: {error!r}")
            return
        answers[answer.status_code] += 1
        if answer.status_code >= 500:
            finds.keep("mutation", mutant.data, f"{mutant.title}: {answer.status_code} {answer.text[:200]}")

    with ThreadPoolExecutor(AT_ONCE) as crowd:
        list(crowd.map(one, mutants(number)))
    return answers


def _settle(flow: Installation, finds: Finds) -> None:
    try:
        flow.idle(within_s=SETTLE_S)
    except AssertionError as error:
        finds.note(f"mutation: {error}")
    page = 1
    while True:
        jobs = flow.get("/jobs", limit=200, page=page, state="failed")["items"]
        for job in jobs:
            _explained(flow, job["id"], finds)
        if len(jobs) < 200:
            return
        page += 1


def _explained(flow: Installation, job_id: str, finds: Finds) -> None:
    """Expect of a failed module a reason that is about the file, not about a crash or a bug."""
    for one in flow.job(job_id)["timeline"]:
        reason = one.get("reason") or ""
        if one["state"] == "failed" and (not reason or reason.startswith(("crash", "bug", "internal", "exception"))):
            finds.note(f"mutation: {one['module']} of job {job_id} failed with {reason!r}: {one.get('message')}")

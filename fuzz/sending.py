"""One mutated file and its upload."""

import hashlib
import json
from dataclasses import dataclass

import httpx


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged file and how it came about."""

    title: str
    data: bytes


def send(client: httpx.Client, mutant: Mutant) -> httpx.Response:
    """Upload a file as a capture program would."""
    digest = hashlib.sha256(mutant.data).hexdigest()
    headers = {"X-Frame-Metadata": json.dumps({"name": "mutant.fits"}), "Content-Type": "application/octet-stream"}
    answer = client.put(f"/frames/{digest}", content=mutant.data, headers=headers)
    while answer.status_code == 429:
        answer = client.put(f"/frames/{digest}", content=mutant.data, headers=headers)
    return answer

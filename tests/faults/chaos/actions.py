"""How each kind of event is done to an installation, and undone."""

import hashlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from nats.aio.client import Client

from pictor.contracts.modules import Service
from tests.faults.chaos.schedule import Event
from tests.faults.harness.clients import template, unique
from tests.faults.harness.deployment import Deployment

NAXIS_BOMB = b"".join(
    card.ljust(80)
    for card in (
        b"SIMPLE  =                    T",
        b"BITPIX  =                   16",
        b"NAXIS   =            338069165",
        b"END",
    )
).ljust(2880)


class Actions:
    """Does events to an installation.

    Parameters
    ----------
    world
        The installation.
    folder
        For frames.
    """

    def __init__(self, world: Deployment, folder: Path) -> None:
        self.world = world
        self.violations: list[str] = []
        """Answers that may never happen."""
        self._light = template(folder)
        self._do: dict[str, Callable[[Event], str | None]] = {
            "kill": self._kill, "kill-server": self._kill_server, "freeze": self._freeze, "erase": self._erase,
            "cut": self._cut, "crash-point": self._arm, "duplicates": self._duplicates, "garbage": self._garbage,
            "cancel": self._cancel, "reprocess": self._reprocess, "delete": self._delete, "policy": self._policy,
            "hostile": self._hostile,
        }  # fmt: skip

    def do(self, event: Event) -> str | None:
        """Do one event from its beginning to its end; returns what became of it where that is worth a word."""
        return self._do.get(event.kind, self._toxic)(event)

    def _kill(self, event: Event) -> str | None:
        return None if self.world.services.running(event.target) and self.world.services.kill(event.target) else "down"

    def _kill_server(self, event: Event) -> None:
        server = getattr(self.world, event.target)
        server.kill()
        time.sleep(event.seconds)
        server.start(wait=False)

    def _freeze(self, event: Event) -> None:
        if event.target in set(map(str, Service)):
            self.world.services.freeze(event.target)
            time.sleep(event.seconds)
            self.world.services.thaw(event.target)
            return
        server = getattr(self.world, event.target)
        server.freeze()
        time.sleep(event.seconds)
        server.thaw()

    def _erase(self, event: Event) -> None:
        self.world.nats.kill()
        self.world.nats.erase()
        time.sleep(event.seconds)
        self.world.nats.start(wait=False)

    def _cut(self, event: Event) -> None:
        self.world.cut(event.target.removeprefix("line-"))

    def _toxic(self, event: Event) -> None:
        name = event.target.removeprefix("line-")
        toxics = self.world.lines[name].toxics
        field, value = {
            "latency": ("latency_s", event.amount), "rate": ("rate", event.amount), "refuse": ("refuse", True),
            "black-hole": ("black_hole", True), "reset": ("cut_down_after", int(event.amount)),
        }[event.kind]  # fmt: skip
        healthy = getattr(toxics, field)
        setattr(toxics, field, value)
        if event.kind == "refuse":
            self.world.cut(name)
        time.sleep(event.seconds)
        setattr(toxics, field, healthy)
        if event.kind == "black-hole":
            self.world.cut(name)

    def _arm(self, event: Event) -> None:
        self.world.arm(event.target)

    def _duplicates(self, event: Event) -> str:
        """Publish old and new orders again, the newest first."""
        rows = self.world.sql(
            "SELECT subject, body::text AS body FROM outbox WHERE stream = 'PICTOR_WORK' ORDER BY random() LIMIT $1",
            int(event.amount),
        )

        async def publish(client: Client) -> int:
            for row in rows:
                await client.jetstream(timeout=3).publish(row["subject"], row["body"].encode())
            return len(rows)

        return f"{self.world.on_bus(publish)} published"

    def _garbage(self, event: Event) -> None:
        """Put bytes on the bus that are no order; they are parked, and each is explained."""

        async def publish(client: Client) -> None:
            subject = "pictor.work.preview.live"
            await client.jetstream(timeout=3).publish(subject, random.Random(event.at_s).randbytes(int(event.amount)))

        self.world.on_bus(publish)

    def _newest(self, amount: float, *, state: str = "") -> dict[str, str] | None:
        """Return one of the newest jobs with a frame."""
        found = self.world.client.get("/jobs", params={"limit": 40, **({"state": state} if state else {})})
        items = [job for job in found.json()["items"] if job["frame_id"]] if found.is_success else []
        return items[int(amount) % len(items)] if items else None

    def _ask(self, method: str, path: str, **options: object) -> str:
        answer = self.world.client.request(method, path, **options)  # type: ignore[arg-type]
        if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            self.violations.append(f"{method} {path} was answered with 500")
        return str(answer.status_code)

    def _cancel(self, event: Event) -> str:
        job = self._newest(event.amount, state="running") or self._newest(event.amount, state="pending")
        return self._ask("POST", f"/jobs/{job['id']}/cancel") if job else "no job"

    def _reprocess(self, event: Event) -> str:
        job = self._newest(event.amount)
        return self._ask("POST", f"/frames/{job['frame_id']}/reprocess") if job else "no frame"

    def _delete(self, event: Event) -> str:
        job = self._newest(event.amount)
        return self._ask("DELETE", f"/frames/{job['frame_id']}") if job else "no frame"

    def _policy(self, event: Event) -> str:
        home = self.world.client.get("/observatories").json()[0]["id"]
        path = f"/observatories/{home}/processing-settings"
        off = self._ask("PUT", path, json={"modules": {event.target: False}})
        time.sleep(event.seconds)
        return f"{off}, {self._ask('PUT', path, json={'modules': {event.target: True}})}"

    def _hostile(self, event: Event) -> str:
        """Send something no service may stumble over."""
        sound = unique(self._light)
        body = {
            "garbage": bytes(reversed(sound)), "cut": sound[:30_000], "naxis": NAXIS_BOMB,
            "twice": sound[:2880] + sound, "archive": b"PK\x03\x04" + sound, "empty": b"", "wrong-digest": sound,
            "quarantine": sound.replace(b"BITPIX  =                   16", b"BITPIX  =                    8", 1),
        }[event.target]  # fmt: skip
        digest = hashlib.sha256(body if event.target != "wrong-digest" else b"other").hexdigest()
        answer = self.world.client.put(f"/frames/{digest}", content=body)
        if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
            self.violations.append(f"hostile {event.target} was answered with 500")
        if answer.is_success:
            self.world.note(digest, len(body), answer)
        return str(answer.status_code)

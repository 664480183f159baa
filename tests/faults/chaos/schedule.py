"""What will happen when: a pure function of the seed."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pictor.contracts.modules import MODULES_OF, Module, Service

SERVERS = ("nats", "postgres", "store")
EVERY_S = 5.0
CALM_S = 3.0
"""A target is left alone for so long after its last fault."""

POINTS = tuple(
    sorted(
        {f"{module}.{place}" for module in Module for place in ("after_claim", "mid_work", "after_put", "after_commit")}
        - {"ingest.after_put", "astrometry.after_put"}
        | {"gateway.after_put", "gateway.after_commit"}
        | {f"{who}.{place}" for who in ("bus", "relay") for place in ("before_publish", "after_puback")}
    )
)
"""Every place where a process can be made to die."""

OPTIONAL = (Module.PREVIEW, Module.QUALITY, Module.ASTROMETRY)
HOSTILE = ("garbage", "cut", "naxis", "twice", "archive", "empty", "wrong-digest", "quarantine")


@dataclass(frozen=True, slots=True)
class Event:
    """One fault, fully determined: what, to whom, when, for how long, how bad."""

    at_s: float
    kind: str
    target: str
    seconds: float = 0.0
    amount: float = 0.0

    def __str__(self) -> str:
        length = f" for {self.seconds:.1f} s" if self.seconds else ""
        amount = f" ({self.amount:g})" if self.amount else ""
        return f"{self.kind} {self.target}{length}{amount}"


Make = Callable[[random.Random, float], Event]


def _kill_service(dice: random.Random, at: float) -> Event:
    return Event(at, "kill", dice.choice(list(Service)))


def _kill_server(dice: random.Random, at: float) -> Event:
    return Event(at, "kill-server", dice.choice(SERVERS), round(dice.uniform(0.2, 8), 1))


def _freeze(dice: random.Random, at: float) -> Event:
    target = dice.choice([*map(str, Service), *SERVERS])
    return Event(at, "freeze", target, round(min(40.0, dice.expovariate(1 / 9) + 1), 1))


def _erase(_dice: random.Random, at: float) -> Event:
    return Event(at, "erase", "nats", 0.5)


def _line(dice: random.Random, at: float) -> Event:
    kind = dice.choice(("cut", "latency", "black-hole", "rate", "refuse", "reset"))
    amount = {"latency": round(dice.uniform(0.02, 0.4), 2), "rate": dice.randrange(64, 512) * 1024.0}
    amount["reset"] = float(dice.randrange(100, 200_000))
    seconds = 0.0 if kind == "cut" else round(dice.uniform(1, 15), 1)
    return Event(at, kind, f"line-{dice.choice(SERVERS)}", seconds, amount.get(kind, 0.0))


def _point(dice: random.Random, at: float) -> Event:
    return Event(at, "crash-point", dice.choice(POINTS))


def _messages(dice: random.Random, at: float) -> Event:
    return Event(at, dice.choice(("duplicates", "garbage")), "bus", amount=dice.randrange(1, 30))


def _people(dice: random.Random, at: float) -> Event:
    kind = dice.choice(("cancel", "cancel", "reprocess", "reprocess", "delete", "policy"))
    target = dice.choice(OPTIONAL) if kind == "policy" else "frame"
    seconds = round(dice.uniform(2, 10), 1) if kind == "policy" else 0.0
    return Event(at, kind, str(target), seconds, dice.randrange(100))


def _hostile(dice: random.Random, at: float) -> Event:
    return Event(at, "hostile", dice.choice(HOSTILE))


MENU: tuple[tuple[int, Make], ...] = (
    (16, _kill_service), (12, _kill_server), (14, _freeze), (3, _erase), (16, _line), (18, _point), (6, _messages),
    (10, _people), (5, _hostile),
)  # fmt: skip


def schedule(seed: int, minutes: float) -> list[Event]:
    """Return what happens in a run, one fault every five seconds or so.

    The same seed gives the same faults with the same parameters; a longer run goes on where a shorter one ends. No
    target meets a fault while another one has it in its hands.
    """
    return list(_until(seed, minutes * 60))


def _until(seed: int, end_s: float) -> Iterator[Event]:
    dice = random.Random(seed)
    weights = [weight for weight, _ in MENU]
    busy: dict[str, float] = {}
    at = CALM_S
    while at < end_s:
        ((_, make),) = dice.choices(MENU, weights)
        event = make(dice, round(at, 1))
        held = _held_by(event)
        if all(busy.get(target, 0.0) <= at for target in held):
            for target in held:
                busy[target] = at + event.seconds + CALM_S
            yield event
            at += dice.uniform(0.5, 1.5) * EVERY_S
        else:
            at += 0.1


def _held_by(event: Event) -> tuple[str, ...]:
    """Return what an event needs for itself."""
    if event.kind in {"cancel", "reprocess", "delete", "hostile", "duplicates", "garbage"}:
        return ()
    return (event.target,)


def service_of(point: str) -> Service | None:
    """Return the service that dies at a crash point; None where it may be any."""
    name = point.partition(".")[0]
    return next((service for service, modules in MODULES_OF.items() if name in map(str, modules)), None)

"""Where a job goes next: pure decisions about its itinerary."""

from dataclasses import dataclass

from pictor.contracts.modules import NEEDS, Module, RunState


@dataclass(frozen=True, slots=True)
class Next:
    """The next module, what follows it, and what is left out because something it needs failed."""

    module: Module | None
    rest: tuple[Module, ...]
    skipped: tuple[Module, ...]


def next_stop(itinerary: tuple[Module, ...], states: dict[Module, RunState]) -> Next:
    """Choose the next module: the first that waits and whose needs were not denied.

    A failed module does not stop the ones that do not need it; one that was begun before its turn is left alone.
    """
    denied = {module for module, state in states.items() if state in {RunState.FAILED, RunState.SKIPPED}}
    skipped: list[Module] = []
    for position, module in enumerate(itinerary):
        if states.get(module, RunState.PENDING) is not RunState.PENDING:
            continue
        if NEEDS.get(module, frozenset()) & (denied | set(skipped)):
            skipped.append(module)
        else:
            return Next(module, itinerary[position + 1 :], tuple(skipped))
    return Next(None, (), tuple(skipped))

"""Where a job goes next."""

from pictor.contracts.modules import LIGHT_ITINERARY, Module, RunState
from pictor.runtime.itinerary import next_stop

AFTER_QUALITY = (Module.ASTROMETRY, Module.QUALITY_HEADERS)


def test_a_light_passes_every_module_in_order() -> None:
    seen, rest = [], LIGHT_ITINERARY
    while True:
        stop = next_stop(rest, {})
        if stop.module is None:
            break
        seen.append(stop.module)
        rest = stop.rest
    assert tuple(seen) == LIGHT_ITINERARY


def test_a_failed_module_does_not_stop_those_that_do_not_need_it() -> None:
    stop = next_stop((Module.QUALITY, *AFTER_QUALITY), {Module.PREVIEW: RunState.FAILED})
    assert stop.module is Module.QUALITY
    assert stop.skipped == ()


def test_solving_is_left_out_when_no_star_list_could_be_made() -> None:
    stop = next_stop(AFTER_QUALITY, {Module.QUALITY: RunState.FAILED})
    assert stop.skipped == (Module.ASTROMETRY,)
    assert stop.module is Module.QUALITY_HEADERS


def test_nothing_runs_on_a_frame_that_could_not_be_registered() -> None:
    stop = next_stop(LIGHT_ITINERARY[1:], {Module.INGEST: RunState.FAILED})
    assert stop.module is None
    assert stop.skipped == LIGHT_ITINERARY[1:]


def test_the_end_of_the_itinerary_has_no_next_module() -> None:
    assert next_stop((), {Module.QUALITY_HEADERS: RunState.COMPLETED}).module is None


def test_a_module_that_was_begun_before_its_turn_is_not_ordered_again() -> None:
    begun = {Module.QUALITY: RunState.COMPLETED, Module.ASTROMETRY: RunState.RUNNING}
    assert next_stop((Module.QUALITY, *AFTER_QUALITY), begun).module is Module.QUALITY_HEADERS

"""What each service may say and hear on the bus: the least that lets it work."""

from dataclasses import dataclass
from typing import Any

from pictor.contracts.messages import Subject
from pictor.contracts.modules import LIGHT_ITINERARY, MODULES_OF, Lane, Service
from pictor.contracts.subjects import (
    BUCKET_CONTROL,
    FRAME_INGESTED,
    FRAME_MEASURED,
    FRAME_OBSERVED,
    FRAME_PREVIEWED,
    FRAME_PROCESSED,
    FRAME_QUARANTINED,
    FRAME_SOLVED,
    FRAME_UNSOLVED,
    JOB_FINISHED,
    MASTER_CREATED,
    MASTER_REJECTED,
    MODULE_FINISHED,
    PARKED,
    STACKING_DEFERRED,
    STREAM_ADVISORIES,
    STREAM_EVENTS,
    STREAM_PARKED,
    STREAM_TIMERS,
    STREAM_WORK,
)
from pictor.runtime.bus import inbox
from pictor.runtime.provision import (
    ADVISORY_READER,
    CALIBRATION_INGESTED,
    CALIBRATION_MASTERS,
    CALIBRATION_SWEEP,
)

CONTROL = f"KV_{BUCKET_CONTROL}"
_STREAMS = (STREAM_WORK, STREAM_EVENTS, STREAM_TIMERS, STREAM_PARKED, STREAM_ADVISORIES, CONTROL)


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects one user may publish to and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def _pulling(stream: str, durable: str) -> tuple[str, ...]:
    return (
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}",
        f"$JS.API.CONSUMER.INFO.{stream}.{durable}",
        f"$JS.ACK.{stream}.{durable}.>",
    )


_FOLLOW_CONTROL = (
    f"$JS.API.STREAM.INFO.{CONTROL}",
    f"$JS.API.CONSUMER.CREATE.{CONTROL}.>",
    f"$JS.API.CONSUMER.CREATE.{CONTROL}",
    f"$JS.API.CONSUMER.INFO.{CONTROL}.>",
    f"$JS.API.CONSUMER.DELETE.{CONTROL}.>",
    f"$JS.API.DIRECT.GET.{CONTROL}.>",
    f"$JS.FC.{CONTROL}.>",
)
_EVERYTHING = ("pictor.event.>", "pictor.work.>", "pictor.parked.>")
"""What the gateway publishes: the first orders of jobs, and as the relay whatever others could not."""

_FACTS: dict[Service, tuple[Subject[Any], ...]] = {
    Service.INGEST: (FRAME_INGESTED, FRAME_QUARANTINED),
    Service.HEADER: (FRAME_OBSERVED, FRAME_PROCESSED),
    Service.PREVIEW: (FRAME_PREVIEWED,),
    Service.QUALITY: (FRAME_MEASURED,),
    Service.ASTROMETRY: (FRAME_SOLVED, FRAME_UNSOLVED),
    Service.CALIBRATION_STACKER: (MASTER_CREATED, MASTER_REJECTED, STACKING_DEFERRED),
}
"""What each service alone finds out."""

_LISTENING: dict[Service, tuple[tuple[str, str], ...]] = {
    Service.CALIBRATION_STACKER: (
        (STREAM_EVENTS, CALIBRATION_INGESTED),
        (STREAM_EVENTS, CALIBRATION_MASTERS),
        (STREAM_TIMERS, CALIBRATION_SWEEP),
    ),
    Service.GATEWAY: ((STREAM_ADVISORIES, ADVISORY_READER),),
}

_KEEPING = (
    f"$JS.API.STREAM.INFO.{STREAM_WORK}",
    f"$JS.API.STREAM.MSG.GET.{STREAM_WORK}",
    f"$JS.API.STREAM.MSG.DELETE.{STREAM_WORK}",
    f"$JS.API.CONSUMER.INFO.{STREAM_WORK}.>",
    f"$JS.API.CONSUMER.LIST.{STREAM_WORK}",
    f"$JS.API.STREAM.INFO.{STREAM_EVENTS}",
    f"$JS.API.CONSUMER.INFO.{STREAM_TIMERS}.{CALIBRATION_SWEEP}",
    f"$JS.API.CONSUMER.CREATE.{STREAM_EVENTS}.>",
    f"$JS.API.CONSUMER.CREATE.{STREAM_EVENTS}",
    f"$JS.API.CONSUMER.DELETE.{STREAM_EVENTS}.>",
    f"$JS.API.CONSUMER.INFO.{STREAM_EVENTS}.>",
    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM_EVENTS}.>",
    f"$JS.FC.{STREAM_EVENTS}.>",
    f"$KV.{BUCKET_CONTROL}.>",
    f"$JS.API.STREAM.MSG.GET.{CONTROL}",
)
"""The gateway also keeps the flow whole, follows events for its pages and sets control flags."""

_MAKING = (
    *(f"$JS.API.STREAM.{verb}.{stream}" for stream in _STREAMS for verb in ("INFO", "CREATE", "UPDATE")),
    *(
        f"$JS.API.CONSUMER.{verb}.{stream}.>"
        for stream in (STREAM_WORK, STREAM_EVENTS, STREAM_TIMERS, STREAM_ADVISORIES)
        for verb in ("CREATE", "DURABLE.CREATE")
    ),
    "pictor.timer.schedule.>",
)
"""What the gateway makes anew when the broker's store was erased under it; it may delete none of it."""


def _results(service: Service) -> tuple[str, ...]:
    """Return what a service says about its work, and whom it passes jobs on to: itself and those after it."""
    if service is Service.GATEWAY:
        return _EVERYTHING
    own = MODULES_OF[service]
    first = min((LIGHT_ITINERARY.index(module) for module in own if module in LIGHT_ITINERARY), default=None)
    following = own if first is None else LIGHT_ITINERARY[first:]
    return (
        *(f"pictor.work.{module}.*" for module in following),
        *(subject.pattern for subject in (*_FACTS[service], MODULE_FINISHED, JOB_FINISHED)),
        *(PARKED[module].name for module in own),
    )


def permissions(service: Service) -> Permissions:
    """Return the permissions of one service's NATS user."""
    pulls = [(STREAM_WORK, f"{module}-{lane}") for module in MODULES_OF.get(service, ()) for lane in Lane] + list(
        _LISTENING.get(service, ())
    )
    publish = [*_results(service), *_FOLLOW_CONTROL]
    for stream, durable in pulls:
        publish.extend(_pulling(stream, durable))
    if service is Service.GATEWAY:
        publish.extend((*_KEEPING, *_MAKING))
    return Permissions(publish=tuple(publish), subscribe=(f"{inbox(str(service))}.>",))


SETUP = Permissions(publish=("$JS.API.>", "$KV.>", "pictor.timer.schedule.>"), subscribe=("_INBOX_setup.>",))
"""The setup job alone creates streams, consumers and buckets."""

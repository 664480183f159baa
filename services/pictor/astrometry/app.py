"""The astrometry service: wiring only."""

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.astrometry.handlers import solve
from pictor.contracts.modules import Module
from pictor.runtime.consuming import consume
from pictor.runtime.runtime import Runtime


def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
    """Astrometry service on a broker; the caller opens and closes both."""
    consume(broker, runtime, Module.ASTROMETRY, solve)
    return FastStream(broker)

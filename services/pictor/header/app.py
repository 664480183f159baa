"""The header service: wiring only."""

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.contracts.modules import Module
from pictor.header.handlers import observe, write
from pictor.runtime.consuming import consume
from pictor.runtime.runtime import Runtime


def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
    """Header service on a broker; the caller opens and closes both."""
    consume(broker, runtime, Module.HEADER_UPDATE, observe)
    consume(broker, runtime, Module.QUALITY_HEADERS, write)
    return FastStream(broker)

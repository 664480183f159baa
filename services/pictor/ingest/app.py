"""The ingest service: wiring only."""

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.contracts.modules import Module
from pictor.ingest.handlers import ingest
from pictor.runtime.consuming import consume
from pictor.runtime.runtime import Runtime


def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
    """Ingest service on a broker; the caller opens and closes both."""
    consume(broker, runtime, Module.INGEST, ingest)
    return FastStream(broker)

"""The preview service: wiring only."""

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.contracts.modules import Module
from pictor.preview.handlers import preview
from pictor.runtime.consuming import consume
from pictor.runtime.runtime import Runtime


def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
    """Preview service on a broker; the caller opens and closes both."""
    consume(broker, runtime, Module.PREVIEW, preview)
    return FastStream(broker)

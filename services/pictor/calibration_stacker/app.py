"""The calibration-stacker service: wiring only."""

from faststream import FastStream
from faststream.nats import NatsBroker

from pictor.calibration_stacker.calibrating import calibrate
from pictor.calibration_stacker.handlers import on_ingested, on_master, on_sweep, stack
from pictor.contracts.modules import Module
from pictor.contracts.subjects import FRAME_INGESTED, MASTER_CREATED, SWEEP_DUE
from pictor.runtime.consuming import consume, listen
from pictor.runtime.provision import CALIBRATION_INGESTED, CALIBRATION_MASTERS, CALIBRATION_SWEEP
from pictor.runtime.runtime import Runtime


def create_app(broker: NatsBroker, runtime: Runtime) -> FastStream:
    """Calibration-stacker service on a broker; the caller opens and closes both."""
    listen(broker, runtime, FRAME_INGESTED, CALIBRATION_INGESTED, on_ingested)
    listen(broker, runtime, MASTER_CREATED, CALIBRATION_MASTERS, on_master)
    listen(broker, runtime, SWEEP_DUE, CALIBRATION_SWEEP, on_sweep)
    consume(broker, runtime, Module.STACK, stack)
    consume(broker, runtime, Module.CALIBRATE, calibrate)
    return FastStream(broker)

"""A frame's pixels as a local file, whatever the capture program uploaded."""

from pathlib import Path

from pictor.contracts.frames import ProductKind
from pictor.runtime.step import Step
from pictor.state import products
from pictor.state.frames import Frame


async def local_frame(step: Step, frame: Frame) -> Path:
    """Return a local FITS file of a frame: the raw object, or its one-time conversion for .gz and XISF."""
    converted = (await step.read(products.of_frame, frame.id)).get(ProductKind.STORED)
    if converted is not None:
        return await step.fetch(converted.key, converted.sha256)
    return await step.fetch(frame.raw_key, frame.sha256)

"""A frame's pixels as a local file, whatever the capture program uploaded."""

import math
from pathlib import Path

from pictor.contracts.frames import ProductKind
from pictor.runtime.step import Step
from pictor.state import products
from pictor.state.frames import Frame
from pictor.state.observatories import Rig

ARCSEC_PER_RADIAN = math.degrees(1) * 3600


def believed_scale(frame: Frame, rig: Rig | None) -> float | None:
    """Return the pixel scale that header or rig claim, arcsec per pixel: a hint, often wrong by some per cent."""
    described = frame.description or {}
    focal = described.get("focal_mm") or (rig.focal_mm if rig else None)
    pixel = described.get("pixel_um_binned") or (rig.pixel_um if rig else None)
    return pixel / 1000 / focal * ARCSEC_PER_RADIAN if pixel and focal else None


async def local_frame(step: Step, frame: Frame) -> Path:
    """Return a local FITS file of a frame: the raw object, or its one-time conversion for .gz and XISF."""
    converted = (await step.read(products.of_frame, frame.id)).get(ProductKind.STORED)
    if converted is not None:
        return await step.fetch(converted.key, converted.sha256)
    return await step.fetch(frame.raw_key, frame.sha256)

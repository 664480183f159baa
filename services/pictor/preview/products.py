"""What the preview service asks of the pixels, and what it keeps."""

import asyncio
from pathlib import Path
from typing import Any

from pictor.contracts.frames import ProductKind
from pictor.runtime.local import local_frame
from pictor.runtime.step import Step
from pictor.state import observatories
from pictor.state.frames import Frame


async def sources(step: Step, frame: Frame) -> dict[str, Any]:
    """Return the arguments for rendering a frame: its file and how its rows and colours lie."""
    described = frame.description or {}
    rig = await step.read(observatories.rig, frame.rig_id) if frame.rig_id else None
    row_order = (rig.row_order if rig else None) or described.get("row_order") or "BOTTOM-UP"
    colour = described.get("bayer") if (described.get("planes") or 1) == 1 else None
    return {
        "path": str(await local_frame(step, frame)),
        "scratch": str(step.scratch),
        "bayer": colour,
        "bayer_offset_x": described.get("bayer_offset_x") or 0,
        "bayer_offset_y": described.get("bayer_offset_y") or 0,
        "row_order": row_order,
    }


async def keep_all(step: Step, found: dict[str, Any]) -> None:
    """Put all pictures into the store at once: each waits for its own write to reach the disk."""
    await asyncio.gather(*(_keep(step, kind, picture, found) for kind, picture in found["products"].items()))


async def _keep(step: Step, kind: str, picture: dict[str, Any], found: dict[str, Any]) -> None:
    size = {"width": picture["width"], "height": picture["height"]}
    await step.keep(
        ProductKind(kind),
        Path(picture["path"]),
        picture["content_type"],
        parameters={**found["parameters"], **size},
    )

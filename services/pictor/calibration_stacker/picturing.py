"""Pictures of a master, drawn in the child and kept beside it."""

from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID

from pictor.contracts.frames import ProductKind
from pictor.imaging.calibration.picturing import picture_master
from pictor.runtime.step import Step

KINDS = {"preview": ProductKind.PREVIEW, "rejection": ProductKind.REJECTION}


def draw(path: str, scratch: str) -> dict[str, Any]:
    """Draw the pictures of a master into the scratch folder; return their paths and what black and white stand for."""
    made = picture_master(Path(path), Path(scratch))
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(made).items()}


async def keep_pictures(step: Step, drawn: dict[str, Any] | None, master_id: UUID) -> None:
    """Store what was drawn."""
    if drawn is None:
        return
    scale = {name: drawn[name] for name in ("black", "white", "rejection_white")}
    for name, kind in KINDS.items():
        if drawn[name] is not None:
            await step.keep(kind, Path(drawn[name]), "image/png", parameters=scale, master_id=master_id)

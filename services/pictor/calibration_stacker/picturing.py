"""Pictures of a master, kept beside it."""

from pathlib import Path
from typing import Any
from uuid import UUID

from pictor.contracts.frames import ProductKind
from pictor.runtime.step import Step

KINDS = {"preview": ProductKind.PREVIEW, "rejection": ProductKind.REJECTION}


async def keep_pictures(step: Step, drawn: dict[str, Any] | None, master_id: UUID) -> None:
    """Store what was drawn."""
    if drawn is None:
        return
    scale = {name: drawn[name] for name in ("black", "white", "rejection_white")}
    for name, kind in KINDS.items():
        if drawn[name] is not None:
            await step.keep(kind, Path(drawn[name]), "image/png", parameters=scale, master_id=master_id)

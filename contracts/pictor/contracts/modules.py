"""The modules of the pipeline, the lanes they are served on, and what a module run can end as."""

from enum import StrEnum


class Module(StrEnum):
    """One step that a frame passes; the name is the same on the wire, in the database and on the pages."""

    INGEST = "ingest"
    HEADER_UPDATE = "header-update"
    PREVIEW = "preview"
    QUALITY = "quality"
    ASTROMETRY = "astrometry"
    QUALITY_HEADERS = "quality-headers"
    STACK = "stack"
    CALIBRATE = "calibrate"


class Lane(StrEnum):
    """Queues of one module, served in this order: reprocessing by hand, tonight's frames, mass imports."""

    HIGH = "high"
    LIVE = "live"
    BULK = "bulk"


class Service(StrEnum):
    """The seven processes."""

    GATEWAY = "gateway"
    INGEST = "ingest"
    HEADER = "header"
    PREVIEW = "preview"
    QUALITY = "quality"
    ASTROMETRY = "astrometry"
    CALIBRATION_STACKER = "calibration-stacker"


class RunState(StrEnum):
    """State of one module for one job."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


MODULES_OF: dict[Service, tuple[Module, ...]] = {
    Service.INGEST: (Module.INGEST,),
    Service.HEADER: (Module.HEADER_UPDATE, Module.QUALITY_HEADERS),
    Service.PREVIEW: (Module.PREVIEW,),
    Service.QUALITY: (Module.QUALITY,),
    Service.ASTROMETRY: (Module.ASTROMETRY,),
    Service.CALIBRATION_STACKER: (Module.STACK, Module.CALIBRATE),
}
"""Which service serves which module."""

LIGHT_ITINERARY: tuple[Module, ...] = (
    Module.INGEST,
    Module.HEADER_UPDATE,
    Module.PREVIEW,
    Module.QUALITY,
    Module.ASTROMETRY,
    Module.QUALITY_HEADERS,
)
"""Every module a light passes, in order; other frame types leave it after ingest."""

NEEDS: dict[Module, frozenset[Module]] = {
    **{module: frozenset({Module.INGEST}) for module in LIGHT_ITINERARY[1:]},
    Module.ASTROMETRY: frozenset({Module.INGEST, Module.QUALITY}),
}
"""Modules that cannot run when another one failed: all need a registered frame, solving starts from the star list."""

OPTIONAL_MODULES: frozenset[Module] = frozenset(LIGHT_ITINERARY) - {Module.INGEST}
"""Modules an observatory may switch off."""

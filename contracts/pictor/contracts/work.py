"""Work orders: a frame's itinerary travels with it, so no service knows its neighbours."""

from uuid import UUID

from pydantic import Field, PositiveInt

from pictor.contracts.messages import Message
from pictor.contracts.modules import Lane, Module


class WorkOrder(Message):
    """Run one module for one job, then pass the job on along its itinerary."""

    job_id: UUID
    observatory_id: UUID
    frame_id: UUID | None = Field(default=None, description="The frame; absent for stacks, whose job names the group")
    module: Module
    lane: Lane = Lane.LIVE
    run: PositiveInt = Field(default=1, description="Raised when a parked order is put back by hand")
    itinerary: tuple[Module, ...] = Field(default=(), description="Modules after this one, in order")

    @property
    def dedup_id(self) -> str:
        """One order per job, module and run."""
        return f"{self.job_id}:{self.module}:{self.run}"

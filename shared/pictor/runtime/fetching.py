"""The masters a light is measured with, as local files."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pictor.contracts.frames import ProductKind
from pictor.imaging.errors import ImagingError
from pictor.runtime.choosing import choose
from pictor.runtime.step import Step
from pictor.state import products
from pictor.state.frames import Frame
from pictor.state.products import Product


@dataclass(frozen=True, slots=True)
class Chosen:
    """Local files of the masters a light gets, their ids, and why these or none."""

    paths: dict[str, str]
    ids: dict[str, UUID | None]
    weak: bool
    explanation: dict[str, Any]


async def choose_masters(step: Step, frame: Frame) -> Chosen:
    """Choose the masters of a light by the observatory's policy and fetch what a measurement needs.

    Measurements subtract one plane: a dark that holds its bias, else the bias alone. A flat is applied with one of them
    only: without it would scale the offset too. What is recorded is what was applied.
    """
    choice = await step.read(choose, frame, keep=True)
    used = dict(choice.applied)
    if "bias" in used:
        used.pop("dark", None)
    ids = {place: used[place].id if place in used else None for place in choice.ids}
    paths = {place: await fetch_master(step, master.id) for place, master in used.items()}
    if "bias" in paths:
        paths["dark"] = paths.pop("bias")
    return Chosen(paths, ids, choice.weak, choice.explanation)


async def fetch_master(step: Step, master_id: UUID) -> str:
    """Return a local copy of a master."""
    product = (await step.read(products.of_master, master_id)).get(ProductKind.MASTER)
    if product is None:
        raise ImagingError(f"master {master_id} was removed while it was needed; process again", reason="master-gone")
    return await master_file(step, product)


async def master_file(step: Step, product: Product) -> str:
    """Return a local copy of a file of a master; a light cannot help it when that is spoilt."""
    try:
        return str(await step.fetch(product.key, product.sha256))
    except ImagingError as error:
        reason = "master-gone" if error.reason == "source-missing" else "corrupt-master"
        raise ImagingError(
            f"master {product.master_id} cannot be used, process again once it is replaced: {error}", reason=reason
        ) from error

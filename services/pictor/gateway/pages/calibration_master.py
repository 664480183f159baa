"""The page of one master: what it is of, whether it passed, what it is made of, and what was measured with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from litestar import Response, get
from litestar.params import Parameter
from litestar.response import Stream

from pictor.contracts.frames import FrameType, ProductKind
from pictor.contracts.masters import MasterState
from pictor.gateway.files import Stored, send
from pictor.gateway.pages.calibration import SEES, may_act
from pictor.gateway.pages.calibration_groups import camera_of, mode_of, what_of
from pictor.gateway.pages.calibration_rooms import LABELS
from pictor.gateway.pages.calibration_standing import standing
from pictor.gateway.pages.calibration_tabs import policy_at, rig_names
from pictor.gateway.pages.formats import NOTHING, card, number, stamp
from pictor.gateway.pages.rendering import page
from pictor.gateway.pages.visitors import Visitor
from pictor.gateway.problems import Http, not_found
from pictor.gateway.wiring import RuntimeDep
from pictor.runtime.stacking.succession import Heirs, heirs
from pictor.state import masters, products, shelves
from pictor.state.database import Connection
from pictor.state.masters import Master
from pictor.state.products import Product

LIGHTS = 50
"""Lights listed on the page of a master."""

UNIT_OF = {FrameType.FLAT: " of the mean"}
"""What the pixels of a master are in, where that is not ADU."""

PICTURES = {"preview": ProductKind.PREVIEW, "rejection": ProductKind.REJECTION}

UNITS = {
    "rejected samples": "%", "never-good pixels": "%", "hot pixels": "%", "split-half structure": "sigma",
    "active master": "sigma", "level": "ADU",
}  # fmt: skip
"""Units of the tests' numbers; shares are written in percent."""

DETECTOR = {
    "read_noise_e": ("Read noise", "{:.2f} e\N{SUPERSCRIPT MINUS}"),
    "read_noise_adu": ("Read noise", "{:.2f} ADU"),
    "egain": ("Gain", "{:.3f} e\N{SUPERSCRIPT MINUS}/ADU"),
    "dark_current_e_per_s": ("Dark current", "{:.4g} e\N{SUPERSCRIPT MINUS}/s"),
    "hot_pixels": ("Hot pixels", "{:,}"),
}
"""Detector facts worth a line, and how to write them."""


@dataclass(frozen=True, slots=True)
class ShownCheck:
    """One test of the gate; ``bar`` runs from 0 to 1 with its limits at ``low`` and ``high``."""

    name: str
    value: str
    allowed: str
    verdict: str
    word: str
    detail: str
    bar: float | None = None
    low: float = 0.0
    high: float = 1.0


async def own_master(db: Connection, visitor: Visitor, master_id: UUID) -> Master:
    """Return a master of an observatory the visitor may see."""
    master = await masters.get(db, master_id)
    if master is None or visitor.principal.role_at(master.observatory_id) is None:
        raise not_found("master")
    return master


@get("/calibration/masters/{master_id:uuid}", guards=SEES, include_in_schema=False)
async def show_master(runtime: RuntimeDep, visitor: Visitor, master_id: UUID) -> Response[str]:
    """Show one master."""
    async with runtime.pool.acquire() as db:
        master = await own_master(db, visitor, master_id)
        policy = await policy_at(db, master.observatory_id)
        lights, total = await shelves.lights(db, master.observatory_id, master_id, limit=LIGHTS)
        components = await shelves.components(db, master_id)
        made = await products.of_master(db, master_id)
        names = await rig_names(db, master.observatory_id)
    unit = UNIT_OF.get(master.frame_type, " ADU")
    how = standing(
        master.state, master.frame_type, master.last_at or master.taken_at, policy,
        recalled=master.recalled_at is not None,
    )  # fmt: skip
    return page(
        "calibration_master.html", visitor=visitor, here="/calibration", master=master, what=what_of(master.facts),
        how=how, lights=lights, total=total, components=components, may_act=may_act(visitor, master.observatory_id),
        checks=[shown_check(one) for one in master.statistics.get("checks") or []],
        facts=facts_of(master, names), policy=settings_of(master.policy),
        pictures=[(name, legend_of(made[kind], unit)) for name, kind in PICTURES.items() if kind in made],
    )  # fmt: skip


@get("/calibration/masters/{master_id:uuid}/components", guards=SEES, include_in_schema=False)
async def show_components(runtime: RuntimeDep, visitor: Visitor, master_id: UUID) -> Response[str]:
    """List the frames of a master, for its open line."""
    async with runtime.pool.acquire() as db:
        await own_master(db, visitor, master_id)
        components = await shelves.components(db, master_id)
    return page("calibration_components.html", components=components)


@get("/calibration/masters/{master_id:uuid}/succession", guards=SEES, include_in_schema=False)
async def show_succession(runtime: RuntimeDep, visitor: Visitor, master_id: UUID) -> Response[str]:
    """Tell how many lights were measured with the predecessors of a master, and offer to process them again."""
    async with runtime.pool.acquire() as db:
        master = await own_master(db, visitor, master_id)
        found = await heirs(db, master) if master.state is MasterState.ACTIVE else Heirs()
    return page(
        "calibration_succession.html", master=master, found=found, may_act=may_act(visitor, master.observatory_id)
    )


@get("/calibration/masters/{master_id:uuid}/picture", guards=SEES, include_in_schema=False)
async def show_picture(
    request: Http, runtime: RuntimeDep, visitor: Visitor, master_id: UUID, *,
    name: Annotated[str, Parameter(query="of", max_length=20)] = "preview",
) -> Response[bytes] | Stream:  # fmt: skip
    """Send a small picture of a master."""
    async with runtime.pool.acquire() as db:
        await own_master(db, visitor, master_id)
        made = await products.of_master(db, master_id)
    found = made.get(PICTURES[name]) if name in PICTURES else None
    if found is None:
        raise not_found("picture", name)
    return await send(request, runtime, Stored(found.key, found.size, found.sha256, found.content_type))


def settings_of(policy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Write the settings a master was made with, in the order and words of the settings page."""
    order = list(LABELS)
    known = sorted(policy.items(), key=lambda one: (order.index(one[0]) if one[0] in LABELS else len(order), one[0]))
    written = []
    for name, value in known:
        label, unit = LABELS.get(name, (name, ""))
        text = f"{value:g}" if isinstance(value, float) else card(value)
        written.append((label, f"{text} {unit}".strip()))
    return written


def legend_of(picture: Product, unit: str) -> str:
    """Say what a picture shows, and what black and white stand for."""
    known = picture.parameters
    if picture.kind is ProductKind.REJECTION:
        white = known.get("rejection_white")
        share = "" if white is None else f"; white is {100 * white:.2g} %"
        return f"Share of the frames rejected, averaged{share}"
    black, white = known.get("black"), known.get("white")
    return "Pixels, averaged and stretched" + (
        "" if black is None or white is None else f": {black:.5g} to {white:.5g}{unit}"
    )


def shown_check(check: Mapping[str, Any]) -> ShownCheck:
    """Write one test of the gate with its limits."""
    value, low, high = check.get("value"), check.get("low"), check.get("high")
    verdict = str(check.get("verdict") or NOTHING)
    if value is None:
        verdict = "not possible" if verdict == "active" and (low is not None or high is not None) else verdict
    word = {"active": "active", "needs-review": "review", "rejected": "rejected"}.get(verdict, "")
    unit = UNITS.get(str(check.get("name")), "")
    shown = ShownCheck(
        str(check.get("name") or NOTHING), _digits(value, unit), _allowed(low, high, unit),
        "passed" if verdict == "active" else verdict, word, str(check.get("detail") or ""),
    )  # fmt: skip
    if value is None or not high:
        return shown
    least = 1.5 * low if low is not None and low < 0 else 0.0
    span = 1.5 * high - least
    return ShownCheck(
        shown.name, shown.value, shown.allowed, shown.verdict, shown.word, shown.detail,
        bar=round(min(1.0, max(0.0, (value - least) / span)), 4), low=round(((low or 0.0) - least) / span, 4),
        high=round((high - least) / span, 4),
    )  # fmt: skip


def _digits(value: float | None, unit: str) -> str:
    if value is None:
        return NOTHING
    return f"{100 * value if unit == '%' else value:.3g} {unit}".strip()


def _allowed(low: float | None, high: float | None, unit: str) -> str:
    if low is not None and high is not None:
        return f"{_digits(low, '' if unit != '%' else unit)} to {_digits(high, unit)}"
    if high is not None:
        return f"at most {_digits(high, unit)}"
    return "" if low is None else f"at least {_digits(low, unit)}"


def facts_of(master: Master, rigs: Mapping[str, str]) -> list[tuple[str, str]]:
    """Write what is known of a master."""
    mode, numbers = master.facts.get("mode") or {}, master.statistics.get("statistics") or {}
    facts = [
        ("State", str(master.state)),
        ("Group", master.group_key),
        ("Camera", " \N{MIDDLE DOT} ".join(part for part in (camera_of(mode, rigs), master.camera_name) if part)),
        ("Camera mode", mode_of(mode)),
        ("Frames", str(master.ncombine)),
        ("Taken", _taken(master)),
        ("Made", f"{stamp(master.created_at)} UTC, {'uploaded' if master.origin == 'upload' else 'stacked'}"),
    ]
    if numbers.get("samples"):
        facts.append(("Rejected samples", f"{number(100 * numbers['rejected'] / numbers['samples'], 3)} %"))
    level = master.statistics.get("flat_level_adu")
    if isinstance(level, int | float):
        facts.append(("Level of the flats", f"{number(level, 0)} ADU"))
    scale = master.statistics.get("scale")
    if isinstance(scale, Mapping) and scale.get("sentence"):
        facts.append(("Scale", str(scale["sentence"])))
    notes = master.statistics.get("notes")
    if isinstance(notes, list) and notes:
        facts.append(("On adoption", "; ".join(str(one) for one in notes)))
    if master.reviewed_by:
        facts.append(("Reviewed by", master.reviewed_by))
    return facts + _detector(master.statistics.get("facts") or {})


def _taken(master: Master) -> str:
    if master.first_at is None or master.last_at is None or master.first_at == master.last_at:
        return f"{stamp(master.taken_at)} UTC"
    return f"{stamp(master.first_at)} to {stamp(master.last_at)} UTC, mean {stamp(master.taken_at)}"


def _detector(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (label, form.format(found[name]))
        for name, (label, form) in DETECTOR.items()
        if isinstance(found.get(name), int | float) and found[name] is not None
    ]

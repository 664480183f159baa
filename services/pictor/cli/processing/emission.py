"""Emission lines of a target: the brightest first, so that its light is not taken for continuum of the next."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pictor.cli.processing.coadds import band_of
from pictor.cli.processing.colours import bands_of
from pictor.cli.processing.crew import Order
from pictor.cli.processing.journal import content_key
from pictor.cli.processing.rows import CoaddRow, Status
from pictor.cli.processing.run import COADDS, PICTURES, Run
from pictor.imaging.errors import ImagingError

BROADBAND_OF = {"Ha": ("Red", "L"), "OIII": ("Green", "L", "Blue"), "SII": ("Red", "L")}
"""Broadband that holds the continuum of a line, the nearest first; H-alpha, mostly the brightest, is made first."""

PASSED_BY = {"Red": ("Ha", "SII"), "Green": ("OIII",), "Blue": ("OIII",), "L": ("Ha", "OIII", "SII")}
"""Lines a broadband lets through."""


def lines(coadds: Sequence[CoaddRow]) -> list[tuple[CoaddRow, CoaddRow]]:
    """Pair every narrowband coadd with the broadband one that shows its continuum."""
    bands = bands_of(coadds)
    pairs = []
    for name, broad in BROADBAND_OF.items():
        partner = next((bands[one] for one in broad if one in bands), None)
        if name in bands and partner is not None:
            pairs.append((bands[name], partner))
    return pairs


async def make_lines(run: Run) -> None:
    """Subtract the continuum from every line of every target."""
    groups: dict[tuple[str, str], list[CoaddRow]] = defaultdict(list)
    for row in run.report.coadds:
        groups[row.target.casefold(), row.rig].append(row)

    async def one(members: Sequence[CoaddRow]) -> None:
        made: dict[str, CoaddRow] = {}
        for narrow, broad in lines(members):
            row = await _line(run, narrow, broad, made)
            run.report.coadds.append(row)
            if row.status is Status.OK:
                made[str(band_of(narrow.filter))] = row

    await run.each([list(members) for members in groups.values()], one, "emission lines")


async def _line(run: Run, narrow: CoaddRow, broad: CoaddRow, made: Mapping[str, CoaddRow]) -> CoaddRow:
    """Make one line image; of lines made before it, those its broadband lets through are allowed for."""
    passed = PASSED_BY.get(str(band_of(broad.filter)), ())
    others = [made[name] for name in passed if name in made]
    own = band_of(narrow.filter) in passed
    row, order = _order(run, (narrow, broad), others, own=own)
    try:
        done = await run.crew.do(order, seconds=3 * run.wish.frame_seconds)
    except ImagingError as error:
        row.status, row.reason = Status.ERROR, str(error)
        return row
    row.seconds, row.outputs = done.seconds, dict(zip(done.result["outputs"], done.outputs, strict=True))
    row.notes += said(done.result, narrow, broad, others)
    run.keys[f"coadd/{row.name}"] = content_key(order.step, order.content)
    return row


def _order(
    run: Run, pair: tuple[CoaddRow, CoaddRow], others: Sequence[CoaddRow], *, own: bool
) -> tuple[CoaddRow, Order]:
    narrow, broad = pair
    name = f"{narrow.name}_line"
    row = CoaddRow(name, "line", narrow.target, f"{narrow.filter} - {broad.filter}", rig=narrow.rig)
    row.frames, row.exposure_s = narrow.frames, narrow.exposure_s
    paths = [str(run.wish.out / one.outputs["fits"]) for one in (narrow, broad, *others)]
    arguments = {
        "narrow": paths[0], "broad": paths[1], "others": paths[2:], "own": own, "name": name,
        "out": str(run.wish.out / COADDS), "pictures": str(run.wish.out / PICTURES),
    }  # fmt: skip
    keys = [run.keys[f"coadd/{one.name}"] for one in (narrow, broad, *others)]
    return row, Order("subtract_continuum", arguments, {**run.basis, "coadds": keys, "own": own, "name": name})


def said(result: Mapping[str, Any], narrow: CoaddRow, broad: CoaddRow, others: Sequence[CoaddRow]) -> list[str]:
    """Say how the continuum was taken off, and which light of lines was allowed for."""
    told = [f"{result['scale']:.5f} times the {broad.filter} coadd taken off, by {result['star_count']} stars"]
    shares = dict(zip((one.filter.partition(" - ")[0] for one in others), result["shares"], strict=True))
    if shares:
        listed = ", ".join(f"{share:.3g} of the {name} line" for name, share in shares.items())
        told.append(f"before that {listed} taken off the {broad.filter} coadd")
    if result["own_share"]:
        told.append(f"{result['own_share']:.3g} of the {narrow.filter} line lies in it, which is allowed for")
    if shares or result["own_share"]:
        told.append("shares are ratios of the exposures: the filters are taken to let the same part of a line through")
    return told

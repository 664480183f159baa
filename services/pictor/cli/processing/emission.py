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
        pairs = lines(members)
        for number, (narrow, broad) in enumerate(pairs):
            beside = [other for other, partner in pairs[number + 1 :] if partner is broad]
            row = await _line(run, narrow, broad, made, beside)
            run.report.coadds.append(row)
            if row.status is Status.OK:
                made[str(band_of(narrow.filter))] = row

    await run.each([list(members) for members in groups.values()], one, "emission lines")


async def _line(
    run: Run, narrow: CoaddRow, broad: CoaddRow, made: Mapping[str, CoaddRow], beside: Sequence[CoaddRow]
) -> CoaddRow:
    """Make one line image; lines its broadband lets through are allowed for.

    Those made before are taken off it, those beside it are solved for together with the line.
    """
    passed = PASSED_BY.get(str(band_of(broad.filter)), ())
    others = [made[name] for name in passed if name in made]
    own = band_of(narrow.filter) in passed
    beside = [one for one in beside if own and band_of(one.filter) in passed]
    row, order = _order(run, (narrow, broad), others, beside, own=own)
    try:
        done = await run.crew.do(order, seconds=3 * run.wish.frame_seconds)
    except ImagingError as error:
        row.status, row.reason = Status.ERROR, str(error)
        return row
    row.seconds, row.outputs = done.seconds, dict(zip(done.result["outputs"], done.outputs, strict=True))
    row.notes += said(done.result, (narrow, broad), others, beside)
    run.keys[f"coadd/{row.name}"] = content_key(order.step, order.content)
    return row


def _order(
    run: Run, pair: tuple[CoaddRow, CoaddRow], others: Sequence[CoaddRow], beside: Sequence[CoaddRow], *, own: bool
) -> tuple[CoaddRow, Order]:
    narrow, broad = pair
    name = f"{narrow.name}_line"
    row = CoaddRow(name, "line", narrow.target, f"{narrow.filter} - {broad.filter}", rig=narrow.rig)
    row.frames, row.exposure_s = narrow.frames, narrow.exposure_s
    used = (narrow, broad, *others, *beside)
    paths = [str(run.wish.out / one.outputs["fits"]) for one in used]
    through = [_through(run, one) for one in used]
    first, last = 2, 2 + len(others)
    arguments = {
        "narrow": paths[0], "broad": paths[1], "others": paths[first:last], "beside": paths[last:], "own": own,
        "through": [through[0], *through[first:]], "name": name,
        "out": str(run.wish.out / COADDS), "pictures": str(run.wish.out / PICTURES),
    }  # fmt: skip
    keys = [run.keys[f"coadd/{one.name}"] for one in used]
    content = {"coadds": keys, "beside": len(beside), "own": own, "through": through, "name": name}
    return row, Order("subtract_continuum", arguments, {**run.basis, **content})


def _through(run: Run, row: CoaddRow) -> float:
    """Say which part of a line broadbands let through where its own filter lets 1 through."""
    return run.wish.line_shares.get(str(band_of(_line_of(row))), 1.0)


def _line_of(row: CoaddRow) -> str:
    """Name the filter of a narrowband coadd, or of the line image made of it."""
    return row.filter.partition(" - ")[0]


def said(
    result: Mapping[str, Any], pair: tuple[CoaddRow, CoaddRow], others: Sequence[CoaddRow], beside: Sequence[CoaddRow]
) -> list[str]:
    """Say how the continuum was taken off, and which light of lines was allowed for."""
    narrow, broad = pair
    told = [f"{result['scale']:.5f} times the {broad.filter} coadd taken off, by {result['star_count']} stars"]
    names = [_line_of(one) for one in others]
    if result["shares"]:
        told.append(f"before that {_listed(names, result['shares'])} taken off the {broad.filter} coadd")
    if result["own_share"]:
        told.append(f"{result['own_share']:.3g} of the {narrow.filter} line lies in it, which is allowed for")
    if any(result["beside_shares"]):
        listed = _listed([_line_of(one) for one in beside], result["beside_shares"])
        told.append(f"solved together with {listed} in it")
    told += result["told"]
    if result["shares"] or result["own_share"]:
        told.append(
            "shares are ratios of the exposures times what --line-share says: 1 for filters that let alike through"
        )
    return told


def _listed(names: Sequence[str], shares: Sequence[float]) -> str:
    return ", ".join(f"{share:.3g} of the {name} line" for name, share in zip(names, shares, strict=True) if share)

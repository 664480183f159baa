"""Astronomy and bytes of the header service, run in a child process: JSON in, JSON out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pictor.imaging.fits.cards import Card, CardValue
from pictor.imaging.fits.product import PART_SIZE, Geometry, head_part, processed_header, write_processed
from pictor.imaging.fits.result_cards import observation_cards, quality_cards, solution_cards
from pictor.imaging.fits.wcs_cards import wcs_cards
from pictor.imaging.headers.facts import Facts, gather

Json = dict[str, object]
JsonCards = Sequence[Sequence[CardValue]]


def observe(
    description: Mapping[str, object],
    *,
    site: Mapping[str, object] | None = None,
    position: Sequence[float] | None = None,
    upload: Mapping[str, object] | None = None,
) -> Json:
    """Compute the observation facts of a frame.

    Parameters
    ----------
    description
        From ingest: the header in Pictor's vocabulary.
    site
        Registered ``latitude_deg``, ``longitude_deg``, ``elevation_m``, ``timezone``, ``name``; wins over the header.
    position
        Right ascension and declination of the solved centre, degrees; else the mount's, else the target's.
    upload
        From the upload form: ``observer``, ``project``, ``target``, ``target_ra_deg``, ``target_dec_deg``,
        ``planned_pa_deg``.

    Returns
    -------
    dict
        ``facts``, ``night`` (ISO date or None), ``cards`` for the header, ``warnings``.
    """
    found: Facts = gather(description, site=site or {}, position=position, upload=upload or {})
    return {
        "facts": found.values,
        "night": found.values.get("night"),
        "cards": [list(card) for card in observation_cards(found.values)],
        "warnings": found.warnings,
    }


def write(
    raw: str,
    scratch: str,
    *,
    geometry: Mapping[str, int],
    observation: JsonCards = (),
    wcs: JsonCards | None = None,
    solution: Mapping[str, object] | None = None,
    quality: Mapping[str, object] | None = None,
    history: Sequence[str] = (),
    part_size: int = PART_SIZE,
    whole: bool = False,
) -> Json:
    """Write the processed FITS, or the head of it that a store completes by a copy on its own side.

    Parameters
    ----------
    raw
        The raw (or converted) FITS file, or its first ``data_offset + part_size`` bytes.
    scratch
        Folder for the product.
    geometry
        From ingest.
    observation
        Cards from `observe`.
    wcs, solution
        Cards of the solution and its record; None leaves the header's own coordinates alone.
    quality
        The quality record, with ``grade`` and ``grade_rules`` where graded.
    history
        Sentences for HISTORY cards.
    part_size
        Least size of the head.
    whole
        Write the complete product instead of its head.

    Returns
    -------
    dict
        ``head`` (path), ``resume_offset``, ``resume_size`` (0: the head is the whole product), ``size``,
        ``data_offset`` of the product.
    """
    names = ("header_offset", "data_offset", "data_size", "end", "total", "datasum")
    place = Geometry(**{name: int(geometry[name]) for name in names})
    cards = [_card(card) for card in observation]
    solved = wcs_cards({str(card[0]): card[1] for card in wcs}) if wcs else []
    cards += solution_cards(solution or {}) + quality_cards(quality or {}) + solved
    header = processed_header(
        _header(Path(raw), place), cards, datasum=place.datasum, solved=bool(solved), history=history
    )
    out = Path(scratch) / "processed.fits"
    data_offset = place.header_offset + len(header)
    if whole:
        write_processed(Path(raw), out, header, place)
        size = out.stat().st_size
        return {
            "head": str(out),
            "resume_offset": place.end,
            "resume_size": 0,
            "size": size,
            "data_offset": data_offset,
        }
    made = head_part(Path(raw), out, header, place, part_size=part_size)
    return {
        "head": str(out),
        "resume_offset": made.resume_offset,
        "resume_size": made.resume_size,
        "size": made.size,
        "data_offset": data_offset,
    }


def _header(raw: Path, place: Geometry) -> bytes:
    with raw.open("rb") as stream:
        stream.seek(place.header_offset)
        return stream.read(place.data_offset - place.header_offset)


def _card(card: Sequence[CardValue]) -> Card:
    return Card(str(card[0]), card[1], str(card[2]) if len(card) > 2 else "")

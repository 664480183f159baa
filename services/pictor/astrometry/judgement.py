"""From a solver's claim to an accepted solution, and from all failures to the reason a person reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pictor.astrometry.backends.protocol import Candidate, Failure, Hints, Reason
from pictor.astrometry.catalogue import stars_around
from pictor.astrometry.indexes import Index
from pictor.imaging.astrometry.geometry import SkyPoint, scale_of, sky_of
from pictor.imaging.astrometry.refit import refit
from pictor.imaging.astrometry.solution import Solution, Source, describe
from pictor.imaging.astrometry.stars import FieldStars, SkyStars
from pictor.imaging.astrometry.verification import Expectation, verify
from pictor.imaging.errors import ImagingError

FEWEST_STARS = 6
"""A pattern needs four stars, a proof two more."""
_CATALOGUE_STARS = 2000
_CATALOGUE_MARGIN = 1.1
_TRAILED_ECCENTRICITY = 0.9
"""Stars more than twice as long as wide."""
_CLOUDED_SHARE = 0.25
"""A clear frame shows more stars than the catalogue has; a quarter of them means cloud (or a closed cover)."""
_CLOUDED_EXPECTED = 12


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A frame's stars, how elongated they are, and where it should look at."""

    stars: FieldStars
    eccentricity: float | None
    target: SkyPoint | None
    mount: SkyPoint | None


def judge(
    candidate: Candidate, field: Field, hints: Hints, solver: str, indexes: Sequence[Index]
) -> Solution | Failure:
    """Refit a candidate over all catalogue stars of its field and verify it.

    Parameters
    ----------
    candidate
        A solver's claim.
    field
        The frame.
    hints
        What the solver was told: limits of the scale, parity.
    solver
        Name of the back end.
    indexes
        Where catalogue stars come from.

    Returns
    -------
    Solution or Failure
        ``not-verified`` with a sentence when the claim does not hold.
    """
    stars = field.stars
    try:
        sky = _catalogue(candidate, stars, indexes)
        found = refit(candidate.wcs, stars, sky)
    except ImagingError as error:
        return Failure(Reason.NOT_VERIFIED, f"a position was found but not confirmed: {error}")
    except np.linalg.LinAlgError:
        return Failure(Reason.NOT_VERIFIED, "a position was found but its stars fit no projection")
    verdict = verify(found, Expectation(hints.scale_low, hints.scale_high, hints.parity))
    if verdict.refusal is not None:
        return Failure(Reason.NOT_VERIFIED, f"a position was found but not confirmed: {verdict.refusal}")
    source = Source(solver, candidate.index, candidate.log_odds)
    return describe(found, verdict, source, target=field.target, mount=field.mount)


def explain(
    failure: Failure, field: Field, hints: Hints, indexes: Sequence[Index], *, by_index: bool = True
) -> Failure:
    """Name the cause of a failed search when the frame itself shows it.

    Parameters
    ----------
    failure
        What the ladder came to.
    field
        The frame.
    hints
        What was believed.
    indexes
        Where catalogue stars come from.
    by_index
        Whether the search used these indexes; ASTAP has a database of its own.

    Returns
    -------
    Failure
        The same, or ``trailed``, ``clouded`` or ``not-configured``.
    """
    if failure.reason not in (Reason.NO_MATCH, Reason.TIME_LIMIT, Reason.TOO_FEW_STARS):
        return failure
    if field.eccentricity is not None and field.eccentricity > _TRAILED_ECCENTRICITY:
        return Failure(
            Reason.TRAILED,
            f"the stars are trailed (median eccentricity {field.eccentricity:.2f}), so that no position was found",
        )
    seen, expected = int(np.sum(field.stars.clean)), expected_stars(field.stars, hints, indexes)
    if expected is not None and expected >= _CLOUDED_EXPECTED and seen < _CLOUDED_SHARE * expected:
        return Failure(
            Reason.CLOUDED,
            f"only {seen} stars are seen where the catalogue has {expected}: clouds, dew or a closed cover",
        )
    sample_only = by_index and bool(indexes) and all(index.sample for index in indexes)
    if failure.reason is not Reason.TOO_FEW_STARS and sample_only:
        return Failure(
            Reason.NOT_CONFIGURED,
            "only the sample star index is installed, which covers a few small fields; "
            "install one for the whole sky with: pictor index install FOLDER",
        )
    return failure


def expected_stars(stars: FieldStars, hints: Hints, indexes: Sequence[Index]) -> int | None:
    """Count the catalogue stars of a field at the believed position; None when it is not known."""
    if hints.position is None or hints.scale_low is None or hints.scale_high is None:
        return None
    scale = np.sqrt(hints.scale_low * hints.scale_high) / 3600
    area = float(stars.width * stars.height) * scale**2
    radius = float(np.sqrt(area / np.pi))
    found = stars_around(indexes, *hints.position, radius, most=_CATALOGUE_STARS)
    return len(found.ra)


def _catalogue(candidate: Candidate, stars: FieldStars, indexes: Sequence[Index]) -> SkyStars:
    ra, dec = sky_of(candidate.wcs, (stars.width + 1) / 2, (stars.height + 1) / 2)
    radius = _CATALOGUE_MARGIN * scale_of(candidate.wcs) / 3600 * float(np.hypot(stars.width, stars.height)) / 2
    if not radius < 90:
        raise ImagingError(f"its field of {2 * radius:.0f} degrees is not one a camera sees", reason="not-verified")
    found = stars_around(indexes, ra, dec, radius, most=_CATALOGUE_STARS)
    if len(found.ra) == 0:
        raise ImagingError(f"no installed star index has stars at {ra:.3f} {dec:+.3f}", reason="not-verified")
    return found

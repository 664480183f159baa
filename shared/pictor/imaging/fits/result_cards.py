"""Results of a frame as header cards, units in the comments."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from pictor.imaging.fits.cards import Card, CardValue

Values = Mapping[str, object]
"""Named results, as the contracts name them; unknown names are left out."""

_OBSERVATION = {
    "observer": ("OBSERVER", "who observed", None),
    "observatory": ("OBSERVAT", "observatory", None),
    "project": ("PROJECT", "project", None),
    "target_name": ("OBJECT", "target", None),
    "target_ra": ("OBJCTRA", "[h m s] target right ascension, ICRS", None),
    "target_dec": ("OBJCTDEC", "[d m s] target declination, ICRS", None),
    "planned_pa_deg": ("OBJCTROT", "[deg] planned position angle, east of north", 4),
    "night": ("DAY-OBS", "night, local noon to noon, date of its evening", None),
    "mid_utc": ("DATE-AVG", "[UTC] middle of the exposure", None),
    "mid_mjd": ("MJD-AVG", "[d] middle of the exposure, UTC", 8),
    "site_latitude_deg": ("SITELAT", "[deg] site latitude, north positive", 6),
    "site_longitude_deg": ("SITELONG", "[deg] site longitude, east positive", 6),
    "site_elevation_m": ("SITEELEV", "[m] site elevation", 1),
    "airmass": ("AIRMASS", "relative airmass, middle of the exposure", 4),
    "altitude_deg": ("CENTALT", "[deg] altitude, no refraction", 4),
    "azimuth_deg": ("CENTAZ", "[deg] azimuth, north over east", 4),
    "hour_angle_deg": ("HA", "[deg] hour angle, west positive", 4),
    "parallactic_deg": ("PARANGLE", "[deg] parallactic angle", 4),
    "moon_separation_deg": ("MOONSEP", "[deg] distance from the Moon", 2),
    "moon_altitude_deg": ("MOONALT", "[deg] altitude of the Moon", 2),
    "moon_illumination": ("MOONPHAS", "illuminated share of the Moon, 0 to 1", 4),
    "sun_altitude_deg": ("SUNALT", "[deg] altitude of the Sun", 2),
}
_QUALITY = {
    "star_count": ("NSTARS", "stars measured, unsaturated and unflagged", 0),
    "fwhm_px": ("FWHM", "[pix] FWHM of the stellar profile", 4),
    "fwhm_arcsec": ("FWHMSEC", "[arcsec] FWHM of the stellar profile", 4),
    "beta": ("MOFFBETA", "Moffat beta of the stellar profile", 3),
    "hfr_px": ("HFR", "[pix] median half-flux radius", 4),
    "eccentricity": ("ECCENTR", "median stellar eccentricity", 4),
    "ellipticity": ("ELLIPTIC", "median stellar ellipticity 1 - b/a", 4),
    "elongation_deg": ("ELONGDIR", "[deg] direction of elongation, from +x", 2),
    "background_adu": ("SKYLEVEL", "[adu/pix] median sky level", 3),
    "background_e": ("SKYELEC", "[electron/pix] median sky level", 3),
    "noise_adu": ("SKYNOISE", "[adu/pix] background noise", 4),
    "gradient": ("SKYGRAD", "sky gradient as a share of the level", 5),
    "sky_mag_arcsec2": ("SKYMAG", "[mag/arcsec2] sky brightness", 3),
    "zero_point_mag": ("MAGZERO", "[mag] zero point for 1 adu/s", 4),
    "limiting_mag": ("MAGLIM", "[mag] limiting magnitude", 3),
    "saturated_fraction": ("SATFRAC", "share of saturated pixels", 7),
    "trail_count": ("NTRAILS", "satellite or aircraft trails found", 0),
    "grade": ("QGRADE", "grade A to D", None),
    "grade_rules": ("QRULES", "rule set of the grade", None),
    "method": ("QMETHOD", "measuring method", None),
}
_SOLUTION = {
    "ra_deg": ("RA", "[deg] solved right ascension of the centre, ICRS", 7),
    "dec_deg": ("DEC", "[deg] solved declination of the centre, ICRS", 7),
    "scale_arcsec": ("PIXSCALE", "[arcsec/pix] solved pixel scale", 5),
    "pa_deg": ("SKYPA", "[deg] position angle of +y, east of north", 4),
    "matched": ("WCSMATCH", "catalogue stars matched", 0),
    "rms_arcsec": ("WCSRMS", "[arcsec] residual of the matched stars", 4),
    "target_offset_arcsec": ("TGTOFF", "[arcsec] centre from the target", 2),
    "mount_offset_arcsec": ("MNTOFF", "[arcsec] centre from the mount's claim", 2),
    "zero_point_mag": ("MAGZPT", "[mag] of 1 ADU/s, Tycho-2 VT, no colour term", 3),
    "zero_point_scatter_mag": ("MAGZPSIG", "[mag] robust scatter of the zero point", 3),
    "limiting_mag": ("MAGLIM", "[mag] of a star of SNR 5, VT", 2),
    "sky_mag_arcsec2": ("SKYMAG", "[mag/arcsec2] sky brightness, VT", 2),
    "solver": ("WCSSOLV", "plate solver", None),
    "index": ("WCSINDEX", "star index", None),
}
_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)

Table = Mapping[str, tuple[str, str, int | None]]


def observation_cards(facts: Values) -> list[Card]:
    """Give the cards of an observation; ``mid_utc`` also becomes a Julian date."""
    known = dict(facts)
    mid = known.get("mid_utc")
    if isinstance(mid, str):
        try:
            known["mid_mjd"] = (datetime.fromisoformat(mid) - _MJD_EPOCH).total_seconds() / 86_400
            known["mid_utc"] = mid.removesuffix("Z")
        except ValueError:
            del known["mid_utc"]
    return _cards(_OBSERVATION, known)


def quality_cards(quality: Values) -> list[Card]:
    """Give the cards of a quality record."""
    return _cards(_QUALITY, quality)


def solution_cards(solution: Values) -> list[Card]:
    """Give the cards that go with a world coordinate system: centre, scale, residual, solver."""
    cards = _cards(_SOLUTION, solution)
    return [Card("PLTSOLVD", True, "plate solved and verified"), *cards] if cards else []


def _cards(table: Table, values: Values) -> list[Card]:
    found = []
    for name, (keyword, comment, digits) in table.items():
        value = _value(values.get(name), digits)
        if value is not None and value != "":
            found.append(Card(keyword, value, comment))
    return found


def _value(value: object, digits: int | None) -> CardValue:
    """Round a number to its digits; None for what cannot stand in a card."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        if digits is None or not math.isfinite(value):
            return None
        return round(value) if digits == 0 else round(float(value), digits)
    return str(value) if digits is None else None

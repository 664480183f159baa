"""The night an exposure belongs to: noon to noon, named by the date of its evening."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NOON = timedelta(hours=12)


def night(
    start: datetime | str,
    *,
    longitude_deg: float | None = None,
    timezone: str | None = None,
    utc_offset_h: float | None = None,
) -> date | None:
    """Name the night of a moment, as N.I.N.A.'s DATEMINUS12 and Target Scheduler do.

    Parameters
    ----------
    start
        Start of the exposure, aware or ISO 8601 text in UTC.
    longitude_deg
        Longitude of the site, east positive; gives mean solar time.
    timezone
        IANA name of the site's time zone; wins over the longitude.
    utc_offset_h
        Offset of the capture computer's clock, used when neither is known.

    Returns
    -------
    date
        None if the text is no date. Without any knowledge of the site the night is that of Greenwich.
    """
    try:
        moment = datetime.fromisoformat(start) if isinstance(start, str) else start
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return (moment + _offset(moment, longitude_deg, timezone, utc_offset_h) - _NOON).date()


def _offset(
    moment: datetime, longitude_deg: float | None, timezone: str | None, utc_offset_h: float | None
) -> timedelta:
    if timezone:
        try:
            return moment.astimezone(ZoneInfo(timezone)).utcoffset() or timedelta()
        except (ZoneInfoNotFoundError, ValueError):
            pass
    if longitude_deg is not None:
        return timedelta(hours=longitude_deg / 15)
    return timedelta(hours=utc_offset_h or 0)

"""Measuring in the pixel child: JSON values in, JSON values out."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictor.imaging import background
from pictor.imaging.calibration.calibrating import apply_masters
from pictor.imaging.calibration.calibrating import warm as warm_calibration
from pictor.imaging.fits.reading import FrameFile, luminance, read_frame
from pictor.imaging.pixels import as_pixels
from pictor.imaging.quality import defects, measuring
from pictor.imaging.quality.sky import sky_of
from pictor.imaging.stars import bayer as colour
from pictor.imaging.stars import classification, detection, profile, saturation, shapes
from pictor.imaging.stars.finding import find_stars
from pictor.imaging.stars.starlist import StarFlag, StarList

STARS_FILE = "stars.fits"


def measure(
    path: str,
    scratch: str,
    *,
    dark_path: str | None = None,
    flat_path: str | None = None,
    egain: float | None = None,
    saturation_adu: float | None = None,
    bayer: str | None = None,
) -> dict[str, Any]:
    """Measure a light frame and write its star list.

    Parameters
    ----------
    path
        The raw light.
    scratch
        Folder the star list ``stars.fits`` is written into.
    dark_path, flat_path
        Masters applied in memory; None measures the raw pixels.
    egain
        Conversion gain in electrons per ADU where it is trusted.
    saturation_adu
        Saturation level of the raw frame; None looks for a ceiling in the values.
    bayer
        Colour pattern of a raw one-shot-colour frame; None looks whether the pixels show several colours, an unknown
        pattern measures one channel.

    Returns
    -------
    dict
        ``quality``: metrics by name, None where unknown; ``stars``: counts by kind; ``stars_path``;
        ``applied``: the masters applied.

    Raises
    ------
    ImagingError
        If a file cannot be read or a master does not fit.
    """
    raw = read_frame(Path(path))
    data = raw.data
    pattern = _pattern(bayer, data)
    light = as_pixels(data if data.ndim == 2 else luminance(data))
    ceiling = saturation_adu if saturation_adu is not None else saturation.guess_saturation(light)
    image, ceiling = _calibrated(light, ceiling, *(_as_stored(one, raw) for one in (dark_path, flat_path)))
    sky = sky_of(image, bayer=pattern is not None)
    stars = find_stars(image, saturation=ceiling, background=None if pattern else sky, bayer=pattern)
    stars_path = Path(scratch) / STARS_FILE
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(stars.to_fits, stars_path)
        found = measuring.measure(image, stars, sky, egain=egain, bayer=pattern is not None)
        written.result()
    return {
        "quality": finite(asdict(found)),
        "stars": _counts(stars),
        "stars_path": str(stars_path),
        "applied": [kind for kind, used in (("dark", dark_path), ("flat", flat_path)) if used is not None],
    }


def warm() -> None:
    """Compile every kernel a measurement needs, and import what astropy only imports to write the first table."""
    from astropy import table  # noqa: F401, PLC0415 - nobody else here needs it

    for module in (background, colour, classification, defects, detection, profile, saturation, shapes):
        module.warm()
    warm_calibration()


def finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Replace numbers JSON does not know by None and tuples by lists."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, np.generic):
        return finite(value.item())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _pattern(bayer: str | None, data: NDArray[Any]) -> str | None:
    """Take a known pattern, or one the pixels show where the header tells none."""
    if data.ndim != 2:
        return None
    if bayer is None:
        return colour.shown_pattern(data)
    told = bayer.strip().upper()
    return told if told in colour.PATTERNS else None


def _as_stored(path: str | None, light: FrameFile) -> NDArray[Any] | None:
    """Read a master with its rows in the order of the light's, where both files say theirs."""
    if path is None:
        return None
    master = read_frame(Path(path))
    orders = {str(one.header.get("ROWORDER", "")).strip().upper() for one in (light, master)} - {""}
    image = luminance(master.data)
    return np.ascontiguousarray(image[::-1]) if len(orders) > 1 else image


def _calibrated(
    light: NDArray[Any], ceiling: float | None, dark: NDArray[Any] | None, flat: NDArray[Any] | None
) -> tuple[NDArray[Any], float | None]:
    """Apply the masters; pixels saturated in the raw light stay the brightest and mark the new ceiling."""
    if dark is None and flat is None:
        return light, ceiling
    image = apply_masters(light, dark, flat)
    if ceiling is None:
        return image, None
    full = light >= ceiling
    top = float(np.nanmax(image)) if np.isfinite(image).any() else ceiling
    image[full] = top + 1.0
    return image, top + 1.0


def _counts(stars: StarList) -> dict[str, int]:
    flagged = {(flag.name or "").lower(): int(np.count_nonzero(stars.flags & flag.value)) for flag in StarFlag}
    return {"sources": len(stars), "stars": stars.star_count, "spikes": stars.spike_count, **flagged}

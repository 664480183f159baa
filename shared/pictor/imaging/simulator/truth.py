"""The truth about a simulated light as JSON and as a star table."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from pictor.imaging.simulator.light import LightTruth

JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]


def describe(truth: LightTruth) -> dict[str, JsonValue]:
    """Describe a light: true WCS, shape of the stars, background, transparency, star counts."""
    spec, shape = truth.spec, truth.spec.rig.camera.shape
    pointing = spec.pointing
    return {
        "wcs": {
            "center_ra_deg": pointing.ra_deg,
            "center_dec_deg": pointing.dec_deg,
            "scale_arcsec": pointing.scale_arcsec,
            "pa_deg": pointing.pa_deg,
            "parity": pointing.parity,
            "cd": pointing.cd.tolist(),
            "crpix": [(shape[1] + 1) / 2, (shape[0] + 1) / 2],
            "crval": [pointing.ra_deg, pointing.dec_deg],
        },
        "psf": asdict(spec.psf),
        "fwhm_px": truth.fwhm,
        "fwhm_recorded_px": truth.fwhm_recorded,
        "ellipticity": spec.psf.ellipticity,
        "background_adu": truth.background_adu,
        "sky_adu": truth.sky_adu,
        "sky_sigma_adu": truth.sky_sigma_adu,
        "transparency": spec.transparency,
        "star_count": int(truth.stars.x.size),
        "star_count_snr10": int(np.count_nonzero(truth.stars.snr > 10)),
        "catalogue_star_count": int(np.count_nonzero(truth.stars.in_catalogue)),
        "cosmic_pixel_count": len(truth.cosmic_pixels),
    }


def write_stars(path: Path, truth: LightTruth) -> None:
    """Write the stars of a light with a signal to noise above 3 as a NumPy archive.

    Columns are those of `StarTruth`; positions are 0-based pixels.
    """
    seen = truth.stars.snr > 3
    columns = {name: getattr(truth.stars, name)[seen] for name in type(truth.stars).__slots__}
    np.savez(path, **columns)

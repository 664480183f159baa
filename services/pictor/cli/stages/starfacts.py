"""What is told of a measured frame: the sections of the report, and the table of zones."""

from dataclasses import asdict

import numpy as np

from pictor.cli.stages.running import Told, finite
from pictor.imaging.astrometry.celestial import read_celestial
from pictor.imaging.astrometry.geometry import scale_of
from pictor.imaging.headers.description import FrameDescription
from pictor.imaging.headers.of_frame import claimed_scale
from pictor.imaging.quality.frames import quality_of
from pictor.imaging.quality.zones import map_field
from pictor.imaging.stars.measuring import Measured
from pictor.imaging.stars.starlist import StarFlag, StarList


def about_frame(found: Measured, described: FrameDescription) -> Told:
    """Tell of a frame in five sections: image, background, sources, saturation, profile; and what to beware of."""
    frame, stars, sky = found.frame, found.stars, found.sky
    plane = sky.plane()
    quality = quality_of(found)
    told: Told = finite(
        {
            "image_info": {
                "width": frame.shape[1], "height": frame.shape[0], "unit": frame.unit, "bayer": found.bayer,
                "exposure_s": described.exposure_s, "filter": described.filter, "target": described.target_name,
                "telescope": described.telescope, "camera": described.camera, "start_utc": described.start_utc,
                "scale_arcsec_claimed": claimed_scale(described), "has_wcs": read_celestial(frame.header) is not None,
            },
            "background_info": {
                "level": sky.level, "noise": sky.noise, "unit": frame.unit,
                "gradient": None if plane is None else plane[0], "gradient_deg": None if plane is None else plane[1],
            },
            "source_info": {"sources": len(stars), "stars": stars.star_count, "spikes": stars.spike_count,
                            "trails": stars.trail_count, **flag_counts(stars)},
            "saturation_info": {"level": stars.saturation, "fraction": quality.saturated_fraction,
                                "sources": flag_counts(stars)["saturated"]},
            "psf_info": {
                "fwhm_px": quality.fwhm_px, "fwhm_arcsec": _arcsec(found, quality.fwhm_px),
                "fwhm_scatter_px": quality.fwhm_scatter_px, "beta": quality.beta,
                "beta_scatter": quality.beta_scatter, "stars": None if stars.psf is None else stars.psf.star_count,
                "hfr_px": quality.hfr_px, "eccentricity": quality.eccentricity, "ellipticity": quality.ellipticity,
                "elongation_deg": quality.elongation_deg, "tilt": quality.field.tilt,
                "tilt_angle_deg": quality.field.tilt_angle_deg, "curvature": quality.field.curvature,
                "zones": [[asdict(zone) for zone in row] for row in quality.field.zones],
            },
            "cautions": list(found.cautions),
        }
    )  # fmt: skip
    return told


def _arcsec(found: Measured, pixels: float | None) -> float | None:
    """Turn a width into arcseconds by the solution of the frame; None without one."""
    wcs = found.frame.wcs
    return None if wcs is None or pixels is None else pixels * scale_of(wcs)


def flag_counts(stars: StarList) -> dict[str, int]:
    """Count the sources with each flag."""
    return {(flag.name or "").lower(): int(np.count_nonzero(stars.flags & flag.value)) for flag in StarFlag}


def zone_table(stars: StarList) -> tuple[list[str], list[list[float | int | None]]]:
    """Give the map of the field as rows: zone row and column from 1, its middle in 1-based pixels, stars, widths."""
    field = map_field(stars)
    ny, nx = stars.shape
    names = ["zone_row", "zone_column", "x", "y", "stars", "fwhm_px", "eccentricity"]
    size = len(field.zones)
    rows: list[list[float | int | None]] = []
    for i, line in enumerate(field.zones):
        for j, zone in enumerate(line):
            middle = ((j + 0.5) * nx / size + 0.5, (i + 0.5) * ny / size + 0.5)
            rows.append([i + 1, j + 1, *middle, zone.star_count, zone.fwhm_px, zone.eccentricity])
    return names, rows

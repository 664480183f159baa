"""The public names of the library by area, each with the module it lives in (``module:name`` where they differ)."""

_AREAS: dict[str, dict[str, str]] = {
    "Frames and files": {
        "Frame": "pictor.imaging.frame",
        "Provenance": "pictor.imaging.products",
        "Input": "pictor.imaging.products",
        "write_product": "pictor.imaging.products",
        "ImagingError": "pictor.imaging.errors",
        "FrameMismatchError": "pictor.imaging.errors",
        "UnreadableFrameError": "pictor.imaging.errors",
        "FileTakenError": "pictor.imaging.products",
    },
    "Masters and the detector": {
        "combine_frames": "pictor.imaging.combine.frames",
        "FrameStack": "pictor.imaging.combine.frames",
        "combine_files": "pictor.imaging.combine.combining:combine",
        "combine_plain": "pictor.imaging.combine.plain",
        "stack_files": "pictor.imaging.calibration.stackfiles",
        "read_noise": "pictor.imaging.calibration.measuring",
        "conversion_gain": "pictor.imaging.calibration.measuring",
        "dark_current": "pictor.imaging.calibration.measuring",
        "measure_read_noise": "pictor.imaging.calibration.pairs",
        "measure_gain": "pictor.imaging.calibration.pairs",
        "measure_dark_current": "pictor.imaging.calibration.pairs",
        "difference_histogram": "pictor.imaging.calibration.pairs",
        "map_bad_pixels": "pictor.imaging.calibration.badmap",
        "BadPixelMap": "pictor.imaging.calibration.badmap",
        "find_bad_in_dark": "pictor.imaging.calibration.badmap",
        "find_bad_in_flat": "pictor.imaging.calibration.badmap",
        "find_lines": "pictor.imaging.calibration.badlines",
        "bad_pixel_map": "pictor.imaging.calibration.badpixels",
        "find_bad_pixels": "pictor.imaging.calibration.badpixels",
        "find_bad_lines": "pictor.imaging.calibration.badpixels",
        "read_bad_pixel_list": "pictor.imaging.calibration.badpixels",
    },
    "Calibrating": {
        "calibrate_frame": "pictor.imaging.calibration.frames",
        "repair_frame": "pictor.imaging.calibration.mending",
        "clean_cosmics": "pictor.imaging.calibration.mending",
        "noise_of": "pictor.imaging.calibration.noise",
        "add": "pictor.imaging.arithmetic",
        "subtract": "pictor.imaging.arithmetic",
        "multiply": "pictor.imaging.arithmetic",
        "divide": "pictor.imaging.arithmetic",
        "calibrate": "pictor.imaging.calibration.calibrating",
        "calibrate_file": "pictor.imaging.calibration.files",
        "repair_bad_pixels": "pictor.imaging.calibration.repair",
        "find_cosmics": "pictor.imaging.calibration.cosmics",
    },
    "Stars, background and quality": {
        "measure_stars": "pictor.imaging.stars.measuring",
        "measure_frame": "pictor.imaging.stars.measuring",
        "find_stars": "pictor.imaging.stars.finding",
        "fit_profile": "pictor.imaging.stars.profile",
        "aperture_photometry": "pictor.imaging.stars.apertures",
        "magnitudes": "pictor.imaging.stars.apertures",
        "write_star_table": "pictor.imaging.stars.tables",
        "ds9_regions": "pictor.imaging.stars.tables",
        "draw_stars": "pictor.imaging.stars.drawing",
        "StarList": "pictor.imaging.stars.starlist",
        "StarFlag": "pictor.imaging.stars.starlist",
        "Psf": "pictor.imaging.stars.starlist",
        "measure_sky": "pictor.imaging.skymap",
        "subtract_sky": "pictor.imaging.skymap",
        "mesh_background": "pictor.imaging.background",
        "Background": "pictor.imaging.background",
        "map_field": "pictor.imaging.quality.zones",
        "measure_quality": "pictor.imaging.quality.frames",
        "grade_frames": "pictor.imaging.quality.sets",
        "reject": "pictor.imaging.quality.rejection",
        "RuleSet": "pictor.imaging.quality.rejection",
        "Rule": "pictor.imaging.quality.rejection",
    },
    "Sky": {
        "Wcs": "pictor.imaging.astrometry.projection",
        "pixel_to_sky": "pictor.imaging.astrometry.projection",
        "sky_to_pixel": "pictor.imaging.astrometry.projection",
        "read_wcs": "pictor.imaging.astrometry.cards",
        "write_wcs": "pictor.imaging.astrometry.cards",
        "fit_wcs": "pictor.imaging.astrometry.fitting",
        "zero_point": "pictor.imaging.astrometry.photometry",
        "zero_point_of": "pictor.imaging.astrometry.zeropoint",
        "standard_stars": "pictor.imaging.astrometry.standards",
        "read_celestial": "pictor.imaging.astrometry.celestial",
        "astropy_wcs": "pictor.imaging.astrometry.celestial",
        "pointing_offset": "pictor.imaging.astrometry.pointing:offset",
        "north_up": "pictor.imaging.astrometry.pointing",
    },
    "Header metadata": {
        "plan_metadata": "pictor.imaging.headers.metadata",
        "Wanted": "pictor.imaging.headers.metadata",
        "parse_itelescope": "pictor.imaging.headers.filenames",
        "find_target": "pictor.imaging.headers.targets",
        "find_site": "pictor.imaging.headers.sites",
        "set_card": "pictor.imaging.headers.settable",
        "write_cards": "pictor.imaging.headers.rewriting",
    },
    "Pictures": {
        "render": "pictor.imaging.preview.rendering",
        "write_tiles": "pictor.imaging.preview.tiles",
        "continuum_subtract": "pictor.imaging.continuum.subtraction",
        "ContinuumSubtracted": "pictor.imaging.continuum.subtraction",
        "composite": "pictor.imaging.compositing.composing",
        "Composite": "pictor.imaging.compositing.composing",
        "Look": "pictor.imaging.compositing.look",
        "Palette": "pictor.imaging.compositing.look",
        "write_picture": "pictor.imaging.compositing.pictures",
    },
    "Simulated frames of known truth": {
        "sample_night": "pictor.imaging.simulator.night",
        "colour_scenario": "pictor.imaging.simulator.colour",
        "scenario": "pictor.imaging.simulator.scenarios",
        "render_light": "pictor.imaging.simulator.light",
        "LightSpec": "pictor.imaging.simulator.light",
    },
}

PUBLIC = {name: place for area in _AREAS.values() for name, place in area.items()}
"""Public name and where it is loaded from; none is the name of a folder or module of the library."""


def place_of(name: str) -> tuple[str, str]:
    """Tell module and attribute of a public name."""
    module, _, attribute = PUBLIC[name].partition(":")
    return module, attribute or name


def areas() -> dict[str, list[str]]:
    """Give the public names by area, in the order a reader meets them."""
    return {title: [*names] for title, names in _AREAS.items()}

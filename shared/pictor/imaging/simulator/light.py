"""Light frames with their truth."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pictor.imaging.simulator.camera import FloatImage, detector, expected_dark, read_out
from pictor.imaging.simulator.events import add_cosmic_rays, add_satellite, clouds, sky_gradient
from pictor.imaging.simulator.fields import Stars, stars_near
from pictor.imaging.simulator.nebula import Nebula, nebula_light
from pictor.imaging.simulator.optics import BAYER_RESPONSE, FILTERS, Filter, Rig, illumination, mosaic
from pictor.imaging.simulator.psf import Psf, add_stars, noise_pixels, peak_fraction, recorded_fwhm
from pictor.imaging.simulator.sky import Pointing, project

# How strongly the light a cloud takes from the stars comes back as sky glow (town lights).
_CLOUD_GLOW = 2.5
_BAYER_COLOUR_TERMS = {"R": 0.6, "G": 0.0, "B": -0.7}
DEFAULT_PSF = Psf("moffat", 2.5)


@dataclass(frozen=True, slots=True)
class LightSpec:
    """Everything a light frame follows from.

    Parameters
    ----------
    pointing
        True pointing; its parity -1 gives the frame mirrored with respect to +1.
    rig, filter_name
        Camera on a telescope, and one of its filters.
    exposure_s, temperature_c
        Exposure in seconds and sensor temperature in degrees Celsius.
    psf
        Profile of the stars.
    seed
        Of noise and events.
    transparency, patchiness
        Median share of starlight that passes the clouds, and spread of their optical depth.
    gradient
        Rise of the sky brightness over the frame in x and y, relative to its mean.
    sky_factor
        Sky brightness relative to the dark sky of the filter; 0 for none.
    satellite
        Electrons per pixel of length of a trail across the frame; 0 for none.
    stars, cosmic_rays
        False leaves them out.
    faintest
        Magnitude of the faintest synthetic stars; 0 leaves only Tycho-2 stars.
    nebula
        Emission nebula in the field; None for none.
    """

    pointing: Pointing
    rig: Rig = field(default_factory=Rig)
    filter_name: str = "L"
    exposure_s: float = 60.0
    temperature_c: float = -10.0
    psf: Psf = DEFAULT_PSF
    seed: int = 1
    transparency: float = 1.0
    patchiness: float = 0.0
    gradient: tuple[float, float] = (0.06, -0.04)
    sky_factor: float = 1.0
    satellite: float = 0.0
    stars: bool = True
    cosmic_rays: bool = True
    faintest: float = 18.5
    nebula: Nebula | None = None


@dataclass(frozen=True, slots=True)
class StarTruth:
    """Stars whose centre lies in the frame, brightest first.

    ``x``, ``y`` are 0-based pixels; ``flux_e`` the electrons expected on the detector; ``snr`` the
    signal to noise of an optimal measurement on the raw frame; ``saturated`` where the peak exceeds
    the full well or the converter.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux_e: NDArray[np.float64]
    mag: NDArray[np.float64]
    snr: NDArray[np.float64]
    saturated: NDArray[np.bool_]
    in_catalogue: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LightTruth:
    """What is true of a rendered light frame.

    ``fwhm`` is the width delivered by sky and optics, ``fwhm_recorded`` includes pixel integration,
    defocus and trailing. ``background_adu`` is the median level without stars, pedestal and dark
    included; ``sky_adu`` the part of it that is sky; ``sky_sigma_adu`` the noise of a median pixel.
    """

    spec: LightSpec
    stars: StarTruth
    fwhm: float
    fwhm_recorded: float
    background_adu: float
    sky_adu: float
    sky_sigma_adu: float
    cosmic_pixels: NDArray[np.int64]


def render_light(spec: LightSpec) -> tuple[NDArray[np.uint16], LightTruth]:
    """Render a raw light frame.

    Parameters
    ----------
    spec
        What the frame shows, through what, with which seed; the same one gives the same pixels, shape (ny, nx).

    Returns
    -------
    raw
        Shape (ny, nx), in ADU.
    truth
        What the frame holds.

    References
    ----------
    .. [1] Janesick J. R., 2001, Scientific Charge-Coupled Devices, SPIE Press: order of the noise sources.
    """
    camera = spec.rig.camera
    light, stars, sky_e = _scene(spec)
    cosmic = add_cosmic_rays(light, spec.exposure_s, spec.seed) if spec.cosmic_rays else np.zeros((0, 2), np.int64)
    raw = read_out(camera, light, exposure_s=spec.exposure_s, temperature_c=spec.temperature_c, seed=spec.seed)
    dark_e = camera.dark_current * spec.exposure_s * camera.dark_factor(spec.temperature_c)
    sky_variance = sky_e + dark_e + camera.read_noise**2
    truth = LightTruth(
        spec=spec,
        stars=_star_truth(spec, stars, sky_variance, sky_e + dark_e),
        fwhm=spec.psf.fwhm,
        fwhm_recorded=recorded_fwhm(spec.psf),
        background_adu=_median_bias(spec) + (sky_e + dark_e) / camera.egain,
        sky_adu=sky_e / camera.egain,
        sky_sigma_adu=math.sqrt(sky_variance + camera.egain**2 / 12.0) / camera.egain,
        cosmic_pixels=cosmic,
    )
    return raw, truth


def calibrate_ideally(raw: NDArray[np.uint16], spec: LightSpec) -> FloatImage:
    """Calibrate a rendered light with noiseless masters, shape (ny, nx), in ADU.

    Bias and expected dark are taken away, the rest is divided by illumination and sensitivity;
    hot pixels keep their noise.
    """
    camera = spec.rig.camera
    fixed = detector(camera)
    dark = expected_dark(camera, spec.exposure_s, spec.temperature_c)
    flat = illumination(spec.rig, spec.filter_name) * fixed.sensitivity
    return np.asarray((raw - fixed.bias - dark / np.float32(camera.egain)) / flat, dtype=np.float32)


def without_camera(spec: LightSpec) -> FloatImage:
    """Expect the electrons in each pixel of an evenly lit, noiseless detector, shape (ny, nx), mono cameras only."""
    stars = _visible(replace(spec, transparency=1.0, patchiness=0.0), FILTERS[spec.filter_name], None)
    lit = illumination(spec.rig, spec.filter_name)
    rows, columns = (
        np.clip(np.rint(v), 0, n - 1).astype(int) for v, n in zip((stars.y, stars.x), lit.shape, strict=True)
    )
    even = np.zeros(lit.shape, dtype=np.float32)
    add_stars(even, stars.x, stars.y, stars.flux / lit[rows, columns], spec.psf)
    return even


def noise_only(spec: LightSpec) -> LightSpec:
    """Variant without stars, sky and cosmic rays: dark signal and noise of the camera."""
    return replace(spec, stars=False, sky_factor=0.0, satellite=0.0, cosmic_rays=False)


def starless(spec: LightSpec) -> LightSpec:
    """Variant in which the sky is there and no star is."""
    return replace(spec, stars=False)


def mirrored(spec: LightSpec) -> LightSpec:
    """Variant seen through one mirror more."""
    return replace(spec, pointing=replace(spec.pointing, parity=-spec.pointing.parity))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Stars to draw: pixel positions, electrons through the filter, and what the sky table says."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    table: Stars


def _scene(spec: LightSpec) -> tuple[FloatImage, _Drawn, float]:
    """Light on the detector in electrons, the stars in it, and the median sky electrons."""
    camera, band = spec.rig.camera, FILTERS[spec.filter_name]
    passes = None
    if spec.transparency < 1.0 or spec.patchiness > 0.0:
        passes = clouds(camera.shape, spec.transparency, spec.patchiness, spec.seed)
    lit = illumination(spec.rig, spec.filter_name)
    sky = sky_gradient(camera.shape, spec.gradient)
    sky *= np.float32(spec.rig.sky_rate(band) * spec.exposure_s * spec.sky_factor)
    if passes is not None:
        sky *= np.float32(1.0 + _CLOUD_GLOW) - np.float32(_CLOUD_GLOW) * passes
    sky *= lit
    stars = _visible(spec, band, passes)
    glow = sky if spec.nebula is None else sky + _nebula(spec, spec.nebula, lit, passes)
    if camera.bayer is None:
        sky_e = float(np.median(sky[::8, ::8]))
        return _with_stars(spec, glow, stars, stars.flux), stars, sky_e
    channels = {
        colour: _with_stars(spec, glow * np.float32(response), stars, response * _through(stars, colour, band))
        for colour, response in BAYER_RESPONSE.items()
    }
    sky_e = float(np.median(mosaic(camera, {c: sky * np.float32(r) for c, r in BAYER_RESPONSE.items()})))
    return mosaic(camera, channels), stars, sky_e


def _nebula(spec: LightSpec, nebula: Nebula, lit: FloatImage, passes: FloatImage | None) -> FloatImage:
    """Electrons of the nebula in each pixel."""
    light = nebula_light(nebula, spec.rig, spec.pointing, spec.filter_name, spec.psf) * lit
    light *= np.float32(spec.exposure_s)
    return light if passes is None else light * passes


def _with_stars(spec: LightSpec, sky: FloatImage, stars: _Drawn, flux: NDArray[np.float64]) -> FloatImage:
    image = sky.copy()
    add_stars(image, stars.x, stars.y, flux, spec.psf)
    if spec.satellite > 0:
        add_satellite(image, spec.psf, spec.satellite, spec.seed)
    return image


def _through(stars: _Drawn, colour: str, band: Filter) -> NDArray[np.float64]:
    term = _BAYER_COLOUR_TERMS[colour] - band.colour_term
    return np.asarray(stars.flux * 10 ** (0.4 * term * stars.table.colour))


def _visible(spec: LightSpec, band: Filter, passes: FloatImage | None) -> _Drawn:
    """Stars on the frame and a little around it."""
    shape, margin = spec.rig.camera.shape, 60.0
    radius = spec.pointing.scale_arcsec / 3600.0 * (0.5 * math.hypot(*shape) + margin)
    table = stars_near(spec.pointing.ra_deg, spec.pointing.dec_deg, radius, faintest=spec.faintest)
    x, y = project(spec.pointing, shape, table.ra_deg, table.dec_deg)
    keep = (np.abs(x - shape[1] / 2) < shape[1] / 2 + margin) & (np.abs(y - shape[0] / 2) < shape[0] / 2 + margin)
    keep &= spec.stars
    table = Stars(*(getattr(table, name)[keep] for name in Stars.__slots__))
    x, y = x[keep], y[keep]
    flux = spec.rig.star_rate(band) * spec.exposure_s * 10 ** (-0.4 * (table.mag - band.colour_term * table.colour))
    rows, columns = (np.clip(np.rint(v), 0, n - 1).astype(np.int64) for v, n in ((y, shape[0]), (x, shape[1])))
    flux = flux * illumination(spec.rig, spec.filter_name)[rows, columns]
    if passes is not None:
        flux = flux * passes[rows, columns]
    return _Drawn(x, y, np.asarray(flux), table)


def _star_truth(spec: LightSpec, drawn: _Drawn, sky_variance: float, level_e: float) -> StarTruth:
    camera = spec.rig.camera
    ny, nx = camera.shape
    inside = (drawn.x >= -0.5) & (drawn.x < nx - 0.5) & (drawn.y >= -0.5) & (drawn.y < ny - 0.5)
    order = np.flatnonzero(inside)[np.argsort(-drawn.flux[inside], kind="stable")]
    flux = drawn.flux[order]
    limit_e = min(camera.full_well, (65535 - camera.pedestal) * camera.egain)
    return StarTruth(
        x=drawn.x[order],
        y=drawn.y[order],
        flux_e=flux,
        mag=drawn.table.mag[order],
        snr=flux / np.sqrt(flux + noise_pixels(spec.psf) * sky_variance),
        saturated=flux * peak_fraction(spec.psf) + level_e > limit_e,
        in_catalogue=drawn.table.in_catalogue[order],
    )


def _median_bias(spec: LightSpec) -> float:
    return float(np.median(detector(spec.rig.camera).bias[::4, ::4]))

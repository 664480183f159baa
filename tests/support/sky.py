"""Synthetic skies with a known truth, drawn independently of the code under test."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
_SUB = 10  # positions lie on a grid of a tenth of a pixel, so that every stamp is exact


@dataclass(frozen=True)
class Sky:
    """A frame and the truth about it."""

    image: NDArray[np.uint16]
    x: Float
    y: Float
    flux: Float
    snr: Float
    fwhm: float
    sky_sigma: float
    level: float
    hot: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))


@dataclass(frozen=True)
class Recipe:
    """What a synthetic frame holds."""

    shape: tuple[int, int] = (1500, 1800)
    fwhm: float = 2.8
    profile: str = "gaussian"
    beta: float = 3.0
    ellipticity: float = 0.03
    angle_deg: float = 30.0
    stars: int = 900
    brightest: float = 300_000.0
    sky: float = 1600.0
    gradient: float = 120.0
    gain: float = 0.5
    read_noise_e: float = 3.0
    hot_share: float = 0.0
    cosmics: int = 0
    trails: int = 0
    defocus_px: float = 0.0
    drift_px: float = 0.0
    transparency: float = 1.0
    saturation: int = 65535
    seed: int = 7


class Template:
    """A pixel-integrated star on a grid ten times finer than the pixels."""

    def __init__(self, recipe: Recipe) -> None:
        stretch = 1.0 / math.sqrt(1.0 - recipe.ellipticity)
        reach = 3.0 if recipe.profile == "gaussian" else 7.0
        self.radius = math.ceil(reach * recipe.fwhm * stretch + recipe.defocus_px / 2 + recipe.drift_px / 2) + 2
        fine = _fine_profile(recipe, self.radius)
        self.fine = fine / fine.sum()
        recorded = _box(self.fine)
        inside = np.count_nonzero(recorded >= 0.5 * recorded.max())
        self.fwhm = 2.0 * math.sqrt(inside / math.pi) / _SUB
        self._phases: dict[tuple[int, int], Float] = {}

    def stamp(self, phase_x: int, phase_y: int) -> Float:
        """Pixels of a star `phase / 10` pixels right of and above the centre of the middle pixel."""
        key = (phase_x, phase_y)
        if key not in self._phases:
            size = 2 * self.radius + 1
            padded = np.pad(self.fine, _SUB)
            cut = padded[_SUB - phase_y : _SUB - phase_y + size * _SUB, _SUB - phase_x : _SUB - phase_x + size * _SUB]
            self._phases[key] = cut.reshape(size, _SUB, size, _SUB).sum(axis=(1, 3))
        return self._phases[key]


def _fine_profile(recipe: Recipe, radius: int) -> Float:
    axis = (np.arange((2 * radius + 1) * _SUB) + 0.5) / _SUB - (radius + 0.5)
    x, y = axis[None, :], axis[:, None]
    if recipe.defocus_px > 0:
        r = np.hypot(x, y)
        ring = (r <= recipe.defocus_px / 2) & (r >= 0.35 * recipe.defocus_px / 2)
        return _convolve(ring.astype(np.float64), _core(recipe, x, y))
    core = _core(recipe, x, y)
    if recipe.drift_px > 0:
        angle = math.radians(recipe.angle_deg)
        along = x * math.cos(angle) + y * math.sin(angle)
        across = y * math.cos(angle) - x * math.sin(angle)
        line = (np.abs(along) <= recipe.drift_px / 2) & (np.abs(across) <= 0.05)
        return _convolve(core, line.astype(np.float64))
    return core


def _convolve(first: Float, second: Float) -> Float:
    product = np.fft.fft2(np.fft.ifftshift(first)) * np.fft.fft2(np.fft.ifftshift(second))
    return np.maximum(np.fft.fftshift(np.fft.ifft2(product).real), 0.0)


def _core(recipe: Recipe, x: Float, y: Float) -> Float:
    angle, ratio = math.radians(recipe.angle_deg), 1.0 - recipe.ellipticity
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    r2 = along**2 * ratio + across**2 / ratio
    if recipe.profile == "gaussian":
        return np.asarray(np.exp(-4.0 * math.log(2.0) * r2 / recipe.fwhm**2))
    alpha2 = recipe.fwhm**2 / 4.0 / (2.0 ** (1.0 / recipe.beta) - 1.0)
    return np.asarray((1.0 + r2 / alpha2) ** -recipe.beta)


def _box(fine: Float) -> Float:
    total = np.cumsum(np.cumsum(np.pad(fine, ((1, 0), (1, 0))), axis=0), axis=1)
    return np.asarray(total[_SUB:, _SUB:] - total[:-_SUB, _SUB:] - total[_SUB:, :-_SUB] + total[:-_SUB, :-_SUB])


def render(recipe: Recipe) -> Sky:
    """Draw a frame: sky with a gradient, stars, photon and read noise, then the defects asked for."""
    rng = np.random.default_rng(recipe.seed)
    ny, nx = recipe.shape
    template = Template(recipe)
    x = np.round(rng.uniform(3, nx - 4, recipe.stars), 1)
    y = np.round(rng.uniform(3, ny - 4, recipe.stars), 1)
    flux = recipe.brightest / (1.0 + rng.pareto(0.55, recipe.stars)) * recipe.transparency
    flux *= np.exp(-rng.uniform(0, 5.5, recipe.stars))
    signal = sky_plane(recipe)
    draw(signal, template, x, y, flux)
    defects(signal, recipe, rng)
    electrons = rng.poisson(np.maximum(signal, 0) * recipe.gain) + rng.normal(0, recipe.read_noise_e, (ny, nx))
    adu = electrons / recipe.gain
    hot = np.argwhere(rng.random((ny, nx)) < recipe.hot_share)
    adu[hot[:, 0], hot[:, 1]] += np.exp(rng.uniform(math.log(200), math.log(40000), len(hot)))
    image = np.clip(np.rint(adu), 0, recipe.saturation).astype(np.uint16)
    sigma = math.sqrt(recipe.sky / recipe.gain + (recipe.read_noise_e / recipe.gain) ** 2)
    stamp = template.stamp(0, 0)
    noise2 = sigma**2 / (stamp**2).sum() + flux / recipe.gain
    return Sky(image, x, y, flux, flux / np.sqrt(noise2), template.fwhm, sigma, recipe.sky, hot)


def sky_plane(recipe: Recipe) -> Float:
    """Sky whose median is the asked level, rising along x by the asked gradient over the frame."""
    ny, nx = recipe.shape
    rise = recipe.gradient * (np.arange(nx) / max(nx - 1, 1) - 0.5)
    return np.broadcast_to(recipe.sky + rise, (ny, nx)).copy()


def draw(signal: Float, template: Template, x: Float, y: Float, flux: Float) -> None:
    """Add stars to the expected signal in place."""
    ny, nx = signal.shape
    reach = template.radius
    for star_x, star_y, light in zip(x, y, flux, strict=True):
        col, row = round(float(star_x)), round(float(star_y))
        stamp = template.stamp(round((star_x - col) * _SUB), round((star_y - row) * _SUB))
        top, left = row - reach, col - reach
        rows, cols = slice(max(0, top), min(ny, row + reach + 1)), slice(max(0, left), min(nx, col + reach + 1))
        signal[rows, cols] += light * stamp[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]


def defects(signal: Float, recipe: Recipe, rng: np.random.Generator) -> None:
    """Add cosmic-ray tracks and satellite trails to the expected signal in place."""
    ny, nx = signal.shape
    for _ in range(recipe.cosmics):
        length, angle = rng.integers(1, 12), rng.uniform(0, 2 * math.pi)
        row, col = rng.uniform(15, ny - 15), rng.uniform(15, nx - 15)
        charge = math.exp(rng.uniform(math.log(500), math.log(20000)))
        for step in range(length):
            signal[int(row + step * math.sin(angle)), int(col + step * math.cos(angle))] += charge
    for _ in range(recipe.trails):
        angle = rng.uniform(0.2, 1.2)
        yy, xx = np.indices((ny, nx))
        distance = (xx - nx * rng.uniform(0.3, 0.7)) * math.sin(angle) - (yy - ny / 2) * math.cos(angle)
        signal += 900.0 * np.exp(-(distance**2) / (2 * 1.3**2))


def mosaic(image: NDArray[np.uint16], sky: float) -> NDArray[np.uint16]:
    """Turn a frame into a raw RGGB one: each colour keeps another share of the light and has another sky."""
    share = np.array([[0.7, 1.0], [1.0, 0.8]])
    pedestal = np.array([[0.1, 0.0], [0.0, 0.25]]) * sky
    ny, nx = image.shape
    pattern = (np.arange(ny)[:, None] % 2, np.arange(nx)[None, :] % 2)
    return np.clip(np.rint(image * share[pattern] + pedestal[pattern]), 0, 65535).astype(np.uint16)

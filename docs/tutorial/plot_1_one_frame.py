"""
1. One frame: sky, stars and their truth
========================================

A frame of a virtual observatory, rendered with known truth, read as any other frame would be. Everything below works
on your own frames too: replace the simulated one by ``Frame.from_fits("light.fits")``.
"""

# %%
# A simulated light of M 45: real Tycho-2 positions and fainter stars, a sky with a gradient, cosmic-ray hits, hot
# pixels. ``truth`` knows what is in it.
import matplotlib.pyplot as plt
import numpy as np

from pictor.imaging import (
    Frame,
    LightSpec,
    aperture_photometry,
    find_stars,
    map_field,
    measure_frame,
    mesh_background,
    render_light,
)
from pictor.imaging.simulator.plan import sample_rig
from pictor.imaging.simulator.sky import Pointing

rig = sample_rig("small")
pointing = Pointing(ra_deg=56.75, dec_deg=24.1167, scale_arcsec=rig.scale_arcsec, pa_deg=32.0)
pixels, truth = render_light(LightSpec(pointing, rig=rig, seed=4))
light = Frame.from_nddata(pixels)
print(light.shape, light.data.dtype, light.unit)

# %%
# The sky
# -------
# Level and noise are measured on a mesh, robustly against stars; between the cells they are interpolated.
sky = mesh_background(light.data)
print(f"sky {sky.level:.1f} ADU, truth {truth.background_adu:.1f} ADU; noise {sky.noise:.1f} ADU per pixel")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
low, high = sky.level - 3 * sky.noise, sky.level + 15 * sky.noise
left.imshow(light.data, vmin=low, vmax=high, origin="lower", cmap="gray")
left.set(title="raw light", xlabel="column", ylabel="row")
shown = right.imshow(sky.evaluate(), origin="lower", cmap="viridis")
right.set(title="sky level", xlabel="column")
figure.colorbar(shown, ax=right, label="ADU")
plt.show()

# %%
# The stars
# ---------
# Hot pixels, cosmic-ray hits and trails are told from stars, so this works on the raw frame.
stars = find_stars(light.data, background=sky)
print(f"{stars.star_count} stars, {stars.spike_count} hot pixels and hits left out")
print(f"FWHM {stars.psf.fwhm:.2f} px, truth {truth.fwhm_recorded:.2f} px; Moffat beta {stars.psf.beta:.1f}")

# %%
# How many of the true stars were found, and how many of the found ones are true?
seen = truth.stars.snr > 10
distance = np.hypot(truth.stars.x[:, None] - stars.x, truth.stars.y[:, None] - stars.y)
recall = np.mean(distance[seen].min(axis=1) < 2.0)
precision = np.mean(distance.min(axis=0)[stars.is_star] < 2.0)
print(f"recall of stars with SNR > 10: {recall:.3f}; precision {precision:.3f}")

figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
axes[0].hist(stars.fwhm[stars.is_star], bins=np.linspace(1, 8, 57), color="tab:blue")
axes[0].axvline(truth.fwhm_recorded, color="black", linestyle="--", label="truth")
axes[0].set(xlabel="FWHM of single stars, px", ylabel="stars")
axes[0].legend()
nearest = distance[:, stars.is_star].argmin(axis=0)
matched = distance[:, stars.is_star].min(axis=0) < 1.0
flux_e = truth.stars.flux_e[nearest][matched]
ratio = stars.flux[stars.is_star][matched] * rig.camera.egain / flux_e
axes[1].semilogx(flux_e, ratio, ".", markersize=3)
axes[1].axhline(1.0, color="black", linewidth=0.8)
axes[1].set(xlabel="true light, electrons", ylabel="measured / true", ylim=(0.5, 1.5))
plt.show()

# %%
# The light of all stars is measured too small by the same share: it is weighted with a Gaussian as wide as the star,
# which sees less of the wings a real profile has (a Moffat function here). Ratios and colours do not mind;
# `aperture_photometry` measures the light within a circle, and `zero_point_of` brings it to the total by the profile.
# A circle that reaches beyond the frame has no light: it is NaN.
measured = measure_frame(light)
circles = aperture_photometry(measured, radius=3 * stars.psf.fwhm)
bright = (measured.stars.flags == 0) & (measured.stars.snr > 100) & np.isfinite(circles.flux)
share = np.median(measured.stars.flux[bright] / circles.flux[bright])
print(f"weighted light over the light within three FWHM: {share:.3f} (median of {bright.sum()} bright stars)")

# %%
# The field
# ---------
# In each of 5 x 5 zones the stars tell tilt and curvature; here there is none but noise.
field = map_field(stars)
widths = [[np.nan if zone.fwhm_px is None else zone.fwhm_px for zone in row] for row in field.zones]
figure, axis = plt.subplots(figsize=(4.4, 3.4), layout="constrained")
shown = axis.imshow(widths, origin="lower", cmap="magma")
figure.colorbar(shown, ax=axis, label="FWHM, px")
axis.set(title="FWHM over the field", xlabel="zone, left to right", ylabel="zone, bottom to top")
plt.show()

# %%
# The same from a shell: ``pictor stars light.fits``, ``pictor background light.fits``.

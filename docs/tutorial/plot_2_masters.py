"""
2. Masters: what the detector adds, and taking it away
======================================================

Bias frames, darks and flats of the same camera become masters; the masters tell about the detector; a light is
calibrated with its noise, and held against the truth.
"""

# %%
# Individual frames
# -----------------
# Twelve of each, simulated. Flats have their own darks of the same exposure.
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import numpy as np
from astropy.io import fits

from pictor.imaging import (
    Frame,
    LightSpec,
    calibrate_file,
    conversion_gain,
    mesh_background,
    read_noise,
    render_light,
    stack_files,
)
from pictor.imaging.calibration.masters import Kind
from pictor.imaging.simulator.calibration import render_bias, render_dark, render_flat
from pictor.imaging.simulator.light import calibrate_ideally
from pictor.imaging.simulator.plan import sample_rig
from pictor.imaging.simulator.sky import Pointing

rig, folder = sample_rig("small"), Path(mkdtemp())
camera, cold = rig.camera, -10.0


def write(name, data, exposure_s):
    """Write a frame as a capture program would."""
    path = folder / f"{name}.fits"
    header = fits.Header({"EXPTIME": exposure_s, "INSTRUME": camera.name, "CCD-TEMP": cold, "EGAIN": camera.egain})
    fits.writeto(path, data, header)
    return path


many = range(12)
darks = [write(f"dark{n}", render_dark(camera, exposure_s=60, temperature_c=cold, seed=n), 60.0) for n in many]
flat_darks = [write(f"fd{n}", render_dark(camera, exposure_s=2, temperature_c=cold, seed=50 + n), 2.0) for n in many]
flats = [write(f"flat{n}", render_flat(rig, "L", exposure_s=2, temperature_c=cold, seed=n), 2.0) for n in many]
bias = [render_bias(camera, temperature_c=cold, seed=n) for n in (1, 2)]

# %%
# What the detector is like
# -------------------------
# Two bias frames tell the read noise, two flats the gain.
level = float(np.median(bias[0]))
noise_e = read_noise(*bias, egain=camera.egain)
pair = [Frame.from_fits(path).data for path in flats[:2]]
gain = conversion_gain(*pair, dark=level, read_noise=noise_e / camera.egain)
print(f"read noise {noise_e:.2f} e-, truth {camera.read_noise:.2f} e-")
print(f"gain {gain:.4f} e-/ADU, truth {camera.egain:.4f} e-/ADU")

# %%
# Masters
# -------
# Samples that do not fit the others are left out; every pixel knows its error and how many frames it rests on.
master_dark, master_fd, master_flat = (folder / f"master_{name}.fits" for name in ("dark", "flat_dark", "flat"))
made = stack_files(darks, master_dark, kind=Kind.DARK, egain=camera.egain, read_noise_e=noise_e)
stack_files(flat_darks, master_fd, kind=Kind.FLAT_DARK, egain=camera.egain, read_noise_e=noise_e)
stack_files(flats, master_flat, kind=Kind.FLAT, dark=master_fd, egain=camera.egain, read_noise_e=noise_e)

dark, flat = Frame.from_fits(master_dark), Frame.from_fits(master_flat)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
shown = left.imshow(dark.data, vmin=level - 5, vmax=level + 25, origin="lower", cmap="gray")
left.set(title="master dark", xlabel="column", ylabel="row")
figure.colorbar(shown, ax=left, label="ADU")
shown = right.imshow(flat.data, vmin=0.8, vmax=1.1, origin="lower", cmap="gray")
right.set(title="master flat", xlabel="column")
figure.colorbar(shown, ax=right, label="relative to the mean")
plt.show()

# %%
# A light, calibrated
# -------------------
spec = LightSpec(Pointing(56.75, 24.1167, rig.scale_arcsec, 32.0), rig=rig, seed=4)
pixels, truth = render_light(spec)
raw = write("light", pixels, 60.0)
done = calibrate_file(
    raw, folder / "calibrated.fits", dark=master_dark, flat=master_flat, bias_level=level, egain=camera.egain,
    read_noise_e=noise_e, cosmics=True,
)  # fmt: skip
light = Frame.from_fits(done.path)
print(f"{done.calstat}: {done.repaired} pixels repaired, {done.cleaned} of them hit by cosmic rays")

# %%
# Is it right?
# ------------
# The simulator can calibrate the same pixels with the true bias, dark and flat. A flat is known up to a factor only,
# so one number is fitted.
good = light.mask == 0
ideal = calibrate_ideally(pixels, spec)
factor = np.median(light.data[good] / ideal[good])
difference = (light.data - factor * ideal)[good]
scatter = 1.4826 * np.median(np.abs(difference))
print(
    f"difference to the ideal calibration: {scatter:.2f} ADU, where one pixel of sky has {np.median(light.err):.1f} ADU"
)

# %%
# And the error plane: sky pixels scatter around the sky by their errors, so the quotient scatters by one (and a little
# more: there are stars too faint to be seen).
sky = mesh_background(light.data, mask=light.mask)
pulls = ((light.data - sky.evaluate()) / light.err)[good]
width = 1.4826 * np.median(np.abs(pulls - np.median(pulls)))
print(f"scatter of (pixel - sky) / error: {width:.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.imshow(light.data, vmin=sky.level - 3 * sky.noise, vmax=sky.level + 15 * sky.noise, origin="lower", cmap="gray")
left.set(title="calibrated light", xlabel="column", ylabel="row")
bins = np.linspace(-5, 5, 101)
right.hist(pulls, bins=bins, density=True, color="tab:blue")
right.plot(bins, np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi), color="black", label="unit Gaussian")
right.set(xlabel="(pixel - sky) / error", ylabel="share of the pixels per unit", ylim=(0, 0.45))
right.legend()
plt.show()

# %%
# The same from a shell: ``pictor combine``, ``pictor read-noise`` and ``pictor calibrate``.
